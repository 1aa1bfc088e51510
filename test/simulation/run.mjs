#!/usr/bin/env node
// The whole-cloud simulation: `run.mjs [--seeds N] [--from N] [--workers N] [--bugs N] [--replay SEED] [--state FILE]`.
// Prints each broken law with its seed, then figures. `--replay` runs one seed twice, compares its traces and prints it;
// `--bugs` runs each seeded bug (bugs.mjs) for at most N seeds; `--state` remembers finished seeds, so that a long run resumes.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BUGS } from './bugs.mjs';
import { startServer } from './server.mjs';

const flag = (name, otherwise) => { const at = process.argv.indexOf(`--${name}`); return at < 0 ? otherwise : process.argv[at + 1]; };
const [seeds, from, workers, bugSeeds, replay, state] = [Number(flag('seeds', 300)), Number(flag('from', 1)), Number(flag('workers', 2)), flag('bugs'), flag('replay'), flag('state')];
const WORKER = fileURLToPath(new URL('./worker.mjs', import.meta.url));

/** Runs a worker; gives each result to `onResult`. @returns what it printed that is no result, if it failed */
const work = (url, [first, step, count], options, onResult) => new Promise((done) => {
  const child = spawn(process.execPath, ['--no-warnings', WORKER, url, String(first), String(step), String(count), JSON.stringify(options)], { stdio: ['ignore', 'pipe', options.log ? 'inherit' : 'pipe'] });
  let errors = '';
  child.stderr?.on('data', (data) => { errors = (errors + data).slice(-4_000); });
  createInterface({ input: child.stdout }).on('line', (line) => onResult(JSON.parse(line)));
  child.on('close', (code) => done(code === 0 ? undefined : errors || `ended with ${code}`));
});

const server = await startServer(replay || bugSeeds ? 1 : workers);
let failed = false;
try {
  if (replay !== undefined) await replayOne(Number(replay));
  else if (bugSeeds !== undefined) await huntBugs(Number(bugSeeds));
  else await runAll();
} finally {
  await server.stop();
}
process.exit(failed ? 1 : 0);

async function runAll() {
  const began = Date.now();
  const done = state && existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')).done : 0;
  const total = { seeds: 0, events: 0, statements: 0, servers: 0, virtualS: 0, broken: 0 };
  const problems = await Promise.all(server.urls.map((url, n) => work(url, [from + done + n, workers, Math.ceil(Math.max(0, seeds - done - n) / workers)], {}, (result) => {
    total.seeds += 1;
    for (const key of ['events', 'statements', 'servers', 'virtualS']) total[key] += result[key];
    if (!result.ok) { total.broken += 1; process.stdout.write(`seed ${result.seed} broke '${result.broken[0].law}' at ${result.broken[0].at / 1000} s: ${result.broken[0].text}\n`); }
    // Workers walk side by side: what is certain is what the slowest has done.
    if (state && total.seeds % (workers * 50) === 0) writeFileSync(state, JSON.stringify({ done: done + total.seeds - workers * 10 }));
  })));
  for (const problem of problems.filter(Boolean)) process.stdout.write(`a worker failed: ${problem}\n`);
  const seconds = (Date.now() - began) / 1000;
  process.stdout.write(`${total.seeds} seeds in ${seconds.toFixed(0)} s (${(total.seeds / seconds).toFixed(1)}/s), ${total.servers} servers, ${total.events} events, ${total.statements} statements, ${Math.round(total.virtualS / 3600)} simulated hours; ${total.broken} broken\n`);
  failed = total.broken > 0 || problems.some(Boolean) || total.seeds < seeds - done;
}

async function replayOne(seed) {
  const hashes = [];
  for (const log of [true, false]) await work(server.urls[0], [seed, 1, 1], { log }, (result) => { hashes.push(result.hash); process.stdout.write(`${JSON.stringify(result)}\n`); });
  failed = hashes.length !== 2 || hashes[0] !== hashes[1];
  process.stdout.write(failed ? 'the two runs differ\n' : 'both runs took the same way\n');
}

async function huntBugs(most) {
  const caught = {};
  for (const bug of BUGS) {
    let by = null;
    const problem = await work(server.urls[0], [from, 1, most], { mutation: bug, stopAtFirst: true }, (result) => { if (!result.ok) by = { seed: result.seed, law: result.broken[0].law, text: result.broken[0].text }; });
    caught[bug.name] = problem === undefined ? by : { problem: problem.split('\n').find((line) => line.startsWith('Error')) ?? problem.slice(0, 200) };
    process.stdout.write(`${by ? `caught by seed ${by.seed} ('${by.law}')` : problem ? 'DOES NOT RUN' : 'NOT CAUGHT'}: ${bug.name}\n`);
  }
  const count = Object.values(caught).filter((by) => by?.seed !== undefined).length;
  process.stdout.write(`${JSON.stringify(caught)}\n${count} of ${BUGS.length} seeded bugs caught\n`);
  failed = count < BUGS.length * 0.95;
}
