#!/usr/bin/env node
// `npm run lab [-- case…]`: an emulated host with SR-IOV ports, IOMMU groups and KVM; builds it once (some minutes), then restores it
// within seconds for each case. One closing line: "N passed, M failed". docs/lab.md says more.
import { spawnSync } from 'node:child_process';
import { fail, installModules, installPackages, missingPackages, node24, PACKAGES, refuseSwallowedWords, root, runBuild, step } from '../../deploy/one-machine/machine.mjs';
import { CASES, CORE } from './cases/index.mjs';

const HELP = `usage: npm run lab -- [case [n]…]

${Object.entries(CASES).map(([name, { what }]) => `  ${name.padEnd(10)} ${what}`).join('\n')}

  core       ${CORE.join(' ')}: what a landing is judged by, besides the tests
  build      only builds the lab and its snapshot, where that has not been done
  shell      restores the lab and runs the lines of standard input in it, one after the other
  list       prints what each case checks, without running it

Without a word: all but scrubs, injections and figures, which take long. n: how often those. Built once per machine, below $SKYLITE_LAB_CACHE (default: the user's cache folder).
`;

const words = process.argv.slice(2).flatMap((word) => (word === 'core' ? CORE : [word]));
if (words.some((word) => ['--help', '-h', 'help'].includes(word))) {
  process.stdout.write(HELP);
  process.exit(0);
}
refuseSwallowedWords('lab', [], words);
const unknown = words.filter((word, at) => !(word in CASES) && !['build', 'shell', 'list'].includes(word) && !(/^[1-9]\d*$/.test(word) && CASES[words[at - 1]]?.long));
if (unknown.length > 0) fail(`the lab has no case ${unknown.join(', ')}.`, `Cases: ${Object.keys(CASES).join(', ')}; and core, build, shell, list.`);
if (process.getuid() !== 0) fail('the lab needs root (device nodes of its root file system).', 'Run it as `sudo npm run lab`.');
if (process.platform !== 'linux' || process.arch !== 'x64') fail(`this is ${process.platform} on ${process.arch}.`, 'The lab emulates a PC on an x86-64 Linux.');
const missing = missingPackages([...PACKAGES, ['xz-utils', '/usr/bin/xz'], ['perl-base', '/usr/bin/perl']]);
if (missing.length > 0) await step('distribution packages', () => { installPackages(missing); return missing.join(' '); });
await step('node modules', () => installModules() ?? 'up to date');
await step('build', () => runBuild());
const { status } = spawnSync(node24(), ['--no-warnings', 'test/lab/main.mjs', ...words], { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
