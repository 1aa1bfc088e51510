#!/usr/bin/env node
// `npm run soak [part] [n]`: what repeats or takes long, out of `npm test`. One closing line: "N passed, M failed".
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, installModules, installPackages, missingPackages, node24, PACKAGES, root, runBuild, step } from '../../deploy/one-machine/machine.mjs';

const PARTS = {
  simulation: { usual: 20_000, what: 'seeds of the whole-cloud simulation; resumes where it was ended; then the seeded bugs', run: simulation },
  kills: { usual: 10, what: 'rounds of killing every process during a create', run: (n) => jest('kills', { SKYLITE_SOAK_ROUNDS: n }) },
  chaos: { usual: 200, what: 'random SIGKILLs and SIGSTOPs over a mixed load of real guests; the bus wiped and cut off in a storm', run: (n) => jest('chaos', { SKYLITE_SOAK_FAULTS: n }) },
  fence: { usual: 50, what: 'times a host is cut off, fenced, its servers rebuilt elsewhere, and comes back', run: (n) => jest('fence', { SKYLITE_SOAK_ROUNDS: n }) },
  placement: { usual: 100_000, what: 'random fleets and requests, each placement beside a slow checker and an exhaustive search', run: (n) => jest('decide/place\\.properties', { SKYLITE_SOAK_CASES: n }, 'unit') },
  claims: { usual: 100_000, what: 'claims of 64 clients from four schedulers on a fleet nearly full, every refusal judged by SQL', run: (n) => jest('scheduler-adversary', { SKYLITE_SOAK_CLAIMS: n }, 'integration') },
  'scheduler-kills': { usual: 100, what: 'times a scheduler process or PostgreSQL is killed under claims and releases', run: (n) => jest('scheduler-kills', { SKYLITE_SOAK_KILLS: n }, 'integration') },
  lab: { usual: 200, what: 'injections on the emulated host with virtual functions, then a quarter as many hand-overs of one', run: (n) => lab(['injections', n, 'scrubs', String(Math.ceil(Number(n) / 4))]) },
};
const HELP = `usage: npm run soak -- [part] [n]

${Object.entries(PARTS).map(([name, { usual, what }]) => `  ${name.padEnd(15)} ${String(usual).padStart(6)}  ${what}`).join('\n')}

Without a part: all of them, one after the other. n: how often, if not as often as said above.
`;

const [part, count, ...rest] = process.argv.slice(2);
if (part === '--help' || part === '-h' || part === 'help') {
  process.stdout.write(HELP);
  process.exit(0);
}
if (part !== undefined && part !== 'all' && !(part in PARTS)) fail(`there is no part ${part} of the soak.`, `Parts: ${Object.keys(PARTS).join(', ')}.`);
if (rest.length > 0 || (count !== undefined && (part === 'all' || !/^[1-9]\d*$/.test(count)))) fail(`soak ${process.argv.slice(2).join(' ')}: one part and a whole number from 1.`, 'Run `npm run soak -- --help`.');
const wanted = part === undefined || part === 'all' ? Object.keys(PARTS) : [part];
if (wanted.some((name) => !['simulation', 'placement', 'claims', 'scheduler-kills'].includes(name))) {
  if (process.getuid() !== 0) fail('the soak needs root (namespaces, libvirt).', 'Run it as `sudo npm run soak`.');
  const missing = missingPackages([...PACKAGES, ['python3-openstackclient', '/usr/bin/openstack'], ['python3-osc-placement', '/usr/lib/python3/dist-packages/osc_placement/plugin.py'], ['genisoimage', '/usr/bin/genisoimage'], ['xz-utils', '/usr/bin/xz'], ['perl-base', '/usr/bin/perl']]);
  if (missing.length > 0) await step('distribution packages', () => { installPackages(missing); return missing.join(' '); });
}
await step('node modules', () => installModules() ?? 'up to date');
await step('build', () => runBuild());

let passed = 0;
let failed = 0;
for (const name of wanted) {
  const times = wanted.length === 1 && count !== undefined ? count : String(PARTS[name].usual);
  process.stdout.write(`\n== ${name} ${times}\n`);
  const started = Date.now();
  const result = PARTS[name].run(times);
  passed += result.passed;
  failed += result.failed;
  process.stdout.write(`== ${name}: ${result.passed} passed, ${result.failed} failed in ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
}
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

/** Each of its runs counts as one. */
function simulation(seeds) {
  const runs = [['--seeds', seeds, '--state', join(tmpdir(), 'skylite-simulation.json')], ['--laws', '--seeds', '4'], ['--twice', '--seeds', '500'], ['--bugs', '60']];
  const good = runs.filter((words) => spawnSync(node24(), ['--no-warnings', 'test/simulation/run.mjs', ...words], { cwd: root, stdio: 'inherit' }).status === 0).length;
  return { passed: good, failed: runs.length - good };
}

function lab(words) {
  const { status, stdout } = spawnSync(node24(), ['--no-warnings', 'test/lab/main.mjs', ...words], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 26 });
  process.stdout.write(stdout);
  const [, good = '0', bad = '0'] = /^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? [];
  return { passed: Number(good), failed: Number(bad) + (status !== 0 && bad === '0' ? 1 : 0) };
}

function jest(file, env, project = 'e2e') {
  const dir = mkdtempSync(join(tmpdir(), 'skylite-soak-'));
  const report = join(dir, 'report.json');
  try {
    const { status } = spawnSync(node24(), [
      '--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--selectProjects', project, '--runInBand', '--verbose', '--json', '--outputFile', report, '--testPathPatterns', `${project === 'unit' ? '' : `${project}/`}${file}\\.spec`,
    ], { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
    if (!existsSync(report)) return { passed: 0, failed: 1 };
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
    // A file that did not load, or what comes before and after its tests, may fail without a failed test.
    return { passed: numPassedTests, failed: numFailedTests + (status !== 0 && numFailedTests === 0 ? 1 : 0) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
