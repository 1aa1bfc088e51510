/**
 * Runs cases in the lab, each in a lab restored anew (and, where it asks for one, beside a cloud of its own). Everything that was
 * started ends with this process, also when it is killed or told to stop.
 */
import { createInterface } from 'node:readline';
import { CASES, USUAL } from './cases/index.mjs';
import { Lab, withLabLock } from './machine/lab.mjs';
import { Cloud } from './support/cloud.mjs';

/** Of a case, when the emulation itself stalls. */
const ATTEMPTS = 2;
const words = process.argv.slice(2);
const started = Date.now();
const seconds = (since) => ((Date.now() - since) / 1000).toFixed(1);
let [passed, failed] = [0, 0];
let [lab, cloud] = [undefined, undefined];
let ending = false;

const end = async () => { await lab?.down(); cloud?.stop(); lab = cloud = undefined; };
const stop = () => { if (!ending) { ending = true; void end().finally(() => process.exit(1)); } };
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
process.on('uncaughtException', (error) => { process.stderr.write(`${error.stack}\n`); stop(); });

/** One check of a case: a line when it is done, with its reason when it failed. The case goes on. */
async function check(name, work) {
  const since = Date.now();
  try {
    const said = await work();
    passed += 1;
    process.stdout.write(`   ok  ${seconds(since).padStart(5)} s  ${name}${typeof said === 'string' && said ? `: ${said}` : ''}\n`);
  } catch (error) {
    if (error.stalled) throw error;
    failed += 1;
    process.stdout.write(` FAIL  ${seconds(since).padStart(5)} s  ${name}: ${error.message}\n`);
  }
}

/** @param {number} [times] how often, where a case repeats something */
async function runCase(name, times, attempt = 1) {
  const { needsCloud = false, iommu, run } = await CASES[name].load();
  const since = Date.now();
  const before = { passed, failed };
  let stalled = false;
  process.stdout.write(`\n== ${name}\n`);
  try {
    if (needsCloud) cloud = await Cloud.started();
    const outside = cloud?.ports ?? [];
    lab = iommu ? await Lab.booted({ iommu, outside }) : await Lab.restored({ outside });
    process.stdout.write(`       ${seconds(since).padStart(5)} s  ${needsCloud ? 'a cloud, and ' : ''}the lab, ${iommu ? 'booted' : 'restored'} in ${(lab.readyInMs / 1000).toFixed(1)} s; ${lab.patience.toFixed(1)} times slower than on a quiet machine\n`);
    await run({ lab, cloud, check, ...(times && { times }) });
  } catch (error) {
    stalled = error.stalled === true && attempt < ATTEMPTS;
    if (!stalled) failed += 1;
    process.stdout.write(stalled ? `       ${error.message}; the case begins anew\n` : ` FAIL  ${error.stack}\n`);
  } finally {
    await end();
  }
  process.stdout.write(`== ${name}: ${seconds(since)} s\n`);
  if (!stalled || ending) return;
  // Nothing of that attempt counts, neither what passed nor what failed.
  ({ passed, failed } = before);
  await runCase(name, times, attempt + 1);
}

/** A case that repeats something for long does so in several labs, each looked over at its end: what the emulation spoils is one of them. */
async function runWhole(name, asked) {
  const { usual, perLab = Infinity } = await CASES[name].load();
  if (usual === undefined) await runCase(name);
  else for (let left = asked ?? usual; left > 0 && !ending; left -= perLab) await runCase(name, Math.min(left, perLab));
}

async function shell() {
  lab = await Lab.restored();
  process.stdout.write(`the lab is up (${(lab.readyInMs / 1000).toFixed(1)} s); one line, one script; end of input ends it\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const { code } = await lab.order(line, { seconds: 300, onOutput: (text) => process.stdout.write(text.replace(/\nlab-[0-9a-f]{18} \d+\n$/, '\n')) });
    if (code !== 0) process.stdout.write(`exit code ${code}\n`);
  }
  await end();
}

if (words.includes('list')) {
  for (const name of Object.keys(CASES)) process.stdout.write(`${name}\n${((await CASES[name].load()).checks ?? []).map((line) => `  ${line}\n`).join('')}`);
} else {
  await withLabLock(async () => {
    await Lab.sweep();
    Cloud.sweep();
    if (words.includes('build')) await Lab.ready();
    else if (words.includes('shell')) await shell();
    else for (const [at, name] of (words.length > 0 ? words : USUAL).entries()) { if (!ending && name in CASES) await runWhole(name, Number(words[at + 1]) || undefined); }
  });
  if (!words.includes('build') && !words.includes('shell')) process.stdout.write(`\nthe lab took ${seconds(started)} s\n${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}
