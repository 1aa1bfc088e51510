#!/usr/bin/env node
// `npm run soak [rounds]`: what repeats or takes long, out of `npm test`: every process killed ten times during creates on
// a whole cloud. Prints "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, installModules, installPackages, missingPackages, node24, root, runBuild, step } from '../../deploy/one-machine/machine.mjs';

if (process.argv[2] === 'simulation') {
  // `npm run soak simulation [seeds]`: resumes where it was ended; afterwards the seeded bugs.
  await step('node modules', () => installModules() ?? 'up to date');
  await step('build', () => runBuild());
  const runs = [['--seeds', process.argv[3] ?? '20000', '--state', join(tmpdir(), 'skylite-simulation.json')], ['--bugs', '40']];
  process.exit(Math.max(...runs.map((words) => spawnSync(node24(), ['--no-warnings', 'test/simulation/run.mjs', ...words], { cwd: root, stdio: 'inherit' }).status ?? 1)));
}
const rounds = Number(process.argv[2] ?? 10);
if (!Number.isInteger(rounds) || rounds < 1) fail(`soak ${process.argv[2]}: the number of rounds is a whole number from 1.`);
if (process.getuid() !== 0) fail('the soak needs root (namespaces, libvirt).', 'Run it as `sudo npm run soak`.');
const missing = missingPackages();
if (missing.length > 0) await step('distribution packages', () => { installPackages(missing); return missing.join(' '); });
await step('node modules', () => installModules() ?? 'up to date');
await step('build', () => runBuild());
const { status } = spawnSync(node24(), ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--selectProjects', 'e2e', '--runInBand', '--verbose', 'kills'], {
  cwd: root, env: { ...process.env, SKYLITE_SOAK_ROUNDS: String(rounds) }, stdio: 'inherit',
});
process.exit(status ?? 1);
