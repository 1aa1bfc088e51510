#!/usr/bin/env node
// `npm test`: installs what it needs, then lint, types, unit, architecture, integration and end-to-end tests; prints one
// closing line. `npm run test:unit` runs the fast part only. Runs on Node 20 with nothing installed.
// The simulation, which has a time of its own, takes what the integration tests leave of the machine.
// A few spec files that failed in a stage are run once more, alone; what passes only then is named, at once and again before the closing
// line (docs/decisions/0024).
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, installModules, installPackages, missingPackages, node24, PACKAGES, root, runBuild, step } from '../deploy/one-machine/machine.mjs';
import { countsOf, joined, sayRescued, toLookAtAgain, withSecondLook } from './support/jest-reports.mjs';

const only = process.argv[2];
const STAGES = {
  lint: () => command(['node_modules/eslint/bin/eslint.js', '.']),
  imports: () => command(['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.mjs', '--output-type', 'err', 'apps', 'libs'].map(findBinary)),
  types: () => (types ?? beginTypes()).ended(),
  unit: () => jest('unit', ['--maxWorkers=2']),
  architecture: () => jest('architecture', ['--runInBand']),
  // One at a time: two take two thirds of the time, and real daemons on two cores then miss what tests wait for.
  // In parts, each a process of its own: what jest keeps of every file adds up to gigabytes, and pauses of seconds, in which transactions end.
  integration: () => jest('integration', ['--runInBand'], 10),
  simulation: () => (simulation ?? beginSimulation()).ended(),
  e2e: () => jest('e2e', ['--runInBand']),
};
const wanted = only === undefined ? Object.keys(STAGES) : only === 'unit' ? ['unit'] : only.split(',');
const unknown = wanted.filter((name) => !(name in STAGES));
if (unknown.length > 0) fail(`there is no stage ${unknown.join(', ')}.`, `Stages: ${Object.keys(STAGES).join(', ')}.`);

if (wanted.some((name) => name === 'integration' || name === 'e2e')) {
  if (process.getuid() !== 0) fail('the integration tests need root (namespaces, libvirt).', 'Run `sudo npm test`, or `npm run test:unit` as any user.');
  const missing = missingPackages([...PACKAGES, ['python3-openstackclient', '/usr/bin/openstack'], ['python3-osc-placement', '/usr/lib/python3/dist-packages/osc_placement/plugin.py'], ['genisoimage', '/usr/bin/genisoimage']]);
  if (missing.length > 0) await step('distribution packages', () => { installPackages(missing); return missing.join(' '); });
}
await step('node modules', () => installModules() ?? 'up to date');
await step('build', () => runBuild());

/** What runs beside other stages. */
let [types, simulation] = [];
let passed = 0;
let failed = 0;
let skipped = 0;
const rescues = [];
for (const name of wanted) {
  const started = Date.now();
  process.stdout.write(`\n== ${name}\n`);
  if (name === 'lint' && wanted.includes('types')) types = beginTypes();
  if (name === 'integration' && wanted.includes('simulation')) simulation = beginSimulation();
  const result = await STAGES[name]();
  passed += result.passed;
  failed += result.failed;
  skipped += result.skipped;
  process.stdout.write(`== ${name}: ${result.passed} passed, ${result.failed} failed in ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
}
if (rescues.length > 0) process.stdout.write(`\n${rescues.join('')}`);
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

/**
 * About half a second of CPU each; `npm run soak simulation` runs thousands. In a session of its own and at the lowest priority: Linux shares the
 * machine among sessions first (autogroups), and daemons of the tests have theirs.
 */
function beginSimulation() {
  const lowest = 'echo 19 2>/dev/null > /proc/self/autogroup || :; exec nice -n 19 setpriv --pdeathsig TERM -- "$@"';
  return inBackground('sh', ['-c', lowest, 'sh', node24(), 'test/simulation/run.mjs', '--seeds', '300', '--devices'], { detached: true });
}

/** Takes one core, and lint the other. */
function beginTypes() { return inBackground(node24(), ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--noEmit']); }

/** One check, whose output is shown when it has ended. */
function inBackground(program, words, options = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'skylite-stage-'));
  const output = openSync(join(dir, 'output'), 'w');
  const child = spawn(program, words, { cwd: root, stdio: ['ignore', output, output], ...options });
  const exited = new Promise((done) => { child.once('error', () => done(1)).once('exit', (code) => done(code ?? 1)); });
  const end = () => { child.kill(); };
  process.once('exit', end);
  return {
    ended: async () => {
      const status = await exited;
      process.off('exit', end);
      process.stdout.write(readFileSync(join(dir, 'output'), 'utf8'));
      rmSync(dir, { recursive: true, force: true });
      return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
    },
  };
}

function findBinary(word) {
  if (!word.startsWith('node_modules/dependency-cruiser/')) return word;
  const { bin } = JSON.parse(readFileSync(join(root, 'node_modules/dependency-cruiser/package.json'), 'utf8'));
  return join('node_modules/dependency-cruiser', bin.depcruise ?? Object.values(bin)[0]);
}

/** One check of a tool counts as one test. */
function command(words) {
  const { status } = spawnSync(node24(), words, { cwd: root, stdio: 'inherit' });
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

function jest(project, options, parts = 1) {
  const shards = Array.from({ length: parts }, (_, n) => (parts === 1 ? [] : [`--shard=${n + 1}/${parts}`]));
  let { status, report } = joined(shards.map((shard) => runJest(project, [...options, ...shard])));
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  for (const file of toLookAtAgain(report)) {
    process.stdout.write(`== ${project}: once more, alone: ${file}\n`);
    const second = withSecondLook(report, file, runJest(project, ['--runInBand', '--runTestsByPath', file]).report);
    report = second.report;
    if (second.rescued === undefined) continue;
    const text = sayRescued(second.rescued, root);
    rescues.push(text);
    process.stdout.write(text);
    // Jest failed because of its files; with none left that failed, it did not.
    if (report.testResults.every((each) => each.status !== 'failed')) status = 0;
  }
  return countsOf(report, status);
}

/** One run of jest: its exit code, and its report unless it ended without one. */
function runJest(project, options) {
  const dir = mkdtempSync(join(tmpdir(), 'skylite-jest-'));
  const path = join(dir, 'report.json');
  try {
    const { status } = spawnSync(node24(), ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--selectProjects', project, '--json', '--outputFile', path, '--passWithNoTests=false', ...options], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    return { status, report: existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
