#!/usr/bin/env node
// The whole-cloud simulation: `run.mjs [--seeds N] [--from N] [--workers N] [--kinds] [--laws [--every N]] [--twice] [--hard] [--devices] [--bugs N [--only TEXT]] [--replay SEED] [--state FILE]`.
// Prints each broken law with its seed, then figures. `--replay` runs one seed twice, compares its traces and prints it; `--laws`
// goes on a tour (each seed another way) once for each commit and each act on a machine, with a crash before or after it; `--twice`
// performs every step twice; `--devices` gives some seeds' hosts devices; `--hard` also loses the last second of the database during moves; `--bugs` runs each seeded bug (bugs.mjs) for at most N seeds and writes
// seeded-bugs.json; `--state` remembers the seeds that each worker has finished, so that a long run resumes.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BUGS } from './bugs.mjs';
import { connectFor, startServer } from './server.mjs';

const flag = (name, otherwise) => { const at = process.argv.indexOf(`--${name}`); return at < 0 ? otherwise : process.argv[at + 1]; };
const has = (name) => process.argv.includes(`--${name}`);
const [seeds, from, workers, bugSeeds, replay, state] = [Number(flag('seeds', 300)), Number(flag('from', 1)), Number(flag('workers', 2)), flag('bugs'), flag('replay'), flag('state')];
const OPTIONS = { ...(flag('options') && JSON.parse(flag('options'))), laws: has('laws'), twice: has('twice'), hard: has('hard'), devices: has('devices'), ...(flag('every') && { every: Number(flag('every')) }) };
const WORKER = fileURLToPath(new URL('./worker.mjs', import.meta.url));
/** A seed takes about half a second; one that takes this long does not end. */
const SEED_MS = 600_000;

const children = new Set();
/** Runs a worker; gives each result to `onResult`. @returns what it printed that is no result, if it failed */
const work = async (url, [first, step, count], options, onResult) => {
  const socket = await connectFor(url);
  return new Promise((done) => {
    if (ending) return;
    const child = spawn(process.execPath, ['--no-warnings', WORKER, String(first), String(step), String(count), JSON.stringify(options)], { stdio: [socket, 'pipe', options.log ? 'inherit' : 'pipe'] });
    socket.destroy();
    children.add(child);
    let errors = '';
    let timer;
    const wind = () => { clearTimeout(timer); timer = setTimeout(() => { errors = 'Error: a seed did not end'; child.kill('SIGKILL'); }, SEED_MS); };
    wind();
    child.stderr?.on('data', (data) => { errors = (errors + data).slice(-4_000); });
    createInterface({ input: child.stdout }).on('line', (line) => { wind(); const said = JSON.parse(line); if (said.alive !== true) onResult(said); });
    child.on('close', (code) => { clearTimeout(timer); children.delete(child); done(code === 0 ? undefined : errors || `ended with ${code}`); });
  });
};

const server = await startServer(replay !== undefined ? 1 : workers);
let stopped;
/** Told to end: what workers have not finished says nothing. */
let ending = false;
const stop = () => (stopped ??= server.stop());
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { ending = true; for (const child of children) child.kill('SIGKILL'); void stop().then(() => process.exit(1)); });
let failed = false;
try {
  if (replay !== undefined) await replayOne(Number(replay));
  else if (bugSeeds !== undefined) await huntBugs(Number(bugSeeds));
  else await runAll();
} finally {
  await stop();
}
process.exit(failed ? 1 : 0);

/** What a long run has done: per worker, for their seeds are each other's neighbours and their paces differ. */
function openState() {
  const fresh = { seeds, from, workers, done: Array.from({ length: workers }, () => 0), total: newTotal(), seconds: 0 };
  if (!state || !existsSync(state)) return fresh;
  const kept = JSON.parse(readFileSync(state, 'utf8'));
  return kept.seeds === seeds && kept.from === from && kept.workers === workers ? kept : fresh;
}
function newTotal() { return { seeds: 0, events: 0, statements: 0, servers: 0, virtualS: 0, broken: 0, kinds: {}, brokenSeeds: [] }; }

async function runAll() {
  const kept = openState();
  const { done, total } = kept;
  if (total.seeds > 0) process.stdout.write(`goes on after ${total.seeds} seeds\n`);
  let began = Date.now();
  let saved = Date.now();
  const save = (always = false) => {
    if (!state || (!always && Date.now() - saved < 5_000)) return;
    saved = Date.now();
    kept.seconds += (saved - began) / 1000;
    began = saved;
    writeFileSync(`${state}.tmp`, JSON.stringify(kept));
    renameSync(`${state}.tmp`, state);
  };
  const problems = await Promise.all(server.urls.map(async (url, n) => {
    const mine = Math.ceil(Math.max(0, seeds - n) / workers);
    // A worker that dies is told, and followed by another that leaves the seed out that killed it.
    for (let problem; done[n] < mine;) {
      problem = await work(url, [from + n + done[n] * workers, workers, mine - done[n]], OPTIONS, (result) => {
        done[n] += 1;
        book(total, result);
        save();
      });
      if (problem === undefined || ending) break;
      process.stdout.write(`seed ${from + n + done[n] * workers} ended its worker: ${problem}\n`);
      total.broken += 1;
      total.brokenSeeds.push(from + n + done[n] * workers);
      done[n] += 1;
    }
  }));
  save(true);
  const seconds = state ? kept.seconds : (Date.now() - began) / 1000;
  process.stdout.write(`${total.seeds} seeds in ${seconds.toFixed(0)} s (${(total.seeds / seconds).toFixed(1)}/s), ${total.servers} servers, ${total.events} events, ${total.statements} statements, ${Math.round(total.virtualS / 3600)} simulated hours; ${total.broken} broken${total.broken > 0 ? `: ${total.brokenSeeds.join(' ')}` : ''}\n`);
  if (has('kinds')) process.stdout.write(`${JSON.stringify(Object.fromEntries(Object.entries(total.kinds).sort()), null, 1)}\n`);
  failed = total.broken > 0 || problems.some(Boolean) || total.seeds < seeds;
}

function book(total, result) {
  total.seeds += 1;
  for (const key of ['events', 'statements', 'servers', 'virtualS']) total[key] += result[key];
  for (const [kind, count] of Object.entries(result.kinds)) total.kinds[kind] = (total.kinds[kind] ?? 0) + count;
  if (result.ok) return;
  total.broken += 1;
  total.brokenSeeds.push(result.seed);
  process.stdout.write(`seed ${result.seed} broke '${result.broken[0].law}' at ${result.broken[0].at / 1000} s: ${result.broken[0].text}\n`);
}

async function replayOne(seed) {
  const hashes = [];
  for (const log of [true, false]) await work(server.urls[0], [seed, 1, 1], { ...OPTIONS, log }, (result) => { hashes.push(result.hash); process.stdout.write(`${JSON.stringify(result)}\n`); });
  failed = hashes.length !== 2 || hashes[0] !== hashes[1];
  process.stdout.write(failed ? 'the two runs differ\n' : 'both runs took the same way\n');
}

async function huntBugs(most) {
  const wanted = BUGS.filter(({ name }) => name.includes(flag('only', '')));
  const waiting = [...wanted];
  const found = new Map();
  let report;
  const write = () => {
    const tried = wanted.filter(({ name }) => found.has(name));
    const caught = tried.filter(({ name }) => found.get(name).caught).length;
    report = { seedsAtMost: most, bugs: tried.length, caught, percent: Math.round((caught / tried.length) * 1000) / 10, each: tried.map(({ name, file }) => ({ name, file, ...found.get(name) })) };
    if (!has('only') && !ending) writeFileSync(new URL('./seeded-bugs.json', import.meta.url), `${JSON.stringify(report, null, 2)}\n`);
  };
  await Promise.all(server.urls.map(async (url) => {
    for (let bug = waiting.shift(); bug !== undefined; bug = waiting.shift()) {
      found.set(bug.name, await hunt(url, bug, most));
      write();
    }
  }));
  process.stdout.write(`${report.caught} of ${report.bugs} seeded bugs caught (${report.percent} %)\n`);
  failed = report.percent < 95;
}

async function hunt(url, bug, most) {
  let by;
  let tried = 0;
  const problem = await work(url, [from, 1, most], { mutation: bug, stopAtFirst: true, devices: has('devices') }, (result) => { tried += 1; if (!result.ok) by = { seed: result.seed, law: result.broken[0].law, text: result.broken[0].text }; });
  // A seed that never ends is caught as well; a bug whose text is not there any more is not.
  if (by === undefined && problem?.includes('did not end')) by = { seed: from + tried, law: 'does not end', text: '' };
  const why = by ? `caught by seed ${by.seed} ('${by.law}')` : problem ? `DOES NOT RUN (${problem.split('\n').find((line) => line.startsWith('Error')) ?? problem.slice(0, 200)})` : `NOT CAUGHT in ${tried} seeds`;
  process.stdout.write(`${why}: ${bug.name}\n`);
  return { caught: by !== undefined, seeds: by ? by.seed - from + 1 : tried, ...(by && { law: by.law }), ...(!by && problem && { problem: problem.slice(0, 200) }) };
}
