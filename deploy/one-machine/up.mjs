#!/usr/bin/env node
// `npm run up`: from a clone to a cloud. Runs on Node 20 without a single module installed: checks the machine,
// installs what is missing, builds, and goes on under Node 24 (apps/launcher/src/up).
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { continueAs, fail, installModules, installPackages, missingPackages, refuseSwallowedWords, root, runBuild, step } from './machine.mjs';

const HELP = `usage: npm run up -- [options]

Starts Skylite on this machine: PostgreSQL, NATS, all services, and a compute host on its own libvirt.

  --detach            return when it is ready (default: stay, Ctrl-C stops everything but the guests)
  --port N            public port (default 8780; remembered)
  --bind ADDR         serve the API and NATS on this address of the machine, so that other machines can
                      join as hosts (default 127.0.0.1; remembered; no TLS yet: a trusted network)
  --hosts N           N more compute hosts on this machine, each with its own libvirtd (simulated hosts, real guests)
  --fleet N           N purely simulated hosts (no libvirt, no guests) in an availability zone of their own, "fleet"
  --cpu-dedicated LIST  CPUs that guests with dedicated CPUs get, of each host with a libvirt (such as 2-3); the rest is
                      shared (remembered; none takes it back)
  --cpu-shared LIST   CPUs that all other guests share
  --huge-pages LIST   huge pages of each such host: CELL:SIZE:COUNT,… (such as 0:2M:64); the kernel has to have them
  --no-local-host     without this machine's own compute host
  --libvirt own|system  the local host's libvirtd: its own (default), or the machine's
  --demo              create a server and show its console until the guest says it is ready
  --help              this text

A later up goes on with the same hosts, port and data; hosts can be added by it, not taken away.
State lives in .skylite/ (or $SKYLITE_HOME). A second Skylite on this machine: another SKYLITE_HOME and --port.
`;

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(HELP);
  process.exit(0);
}
// Known before anything is installed; what stands behind a word is checked by the second half.
const words = [...HELP.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, word]) => word);
const unknown = args.find((word) => word.startsWith('--') && !words.includes(word.split('=')[0]));
if (unknown) fail(`unknown option ${unknown}.`, 'Run `npm run up -- --help` for what there is.');
refuseSwallowedWords('up', words, args);
const [major] = process.versions.node.split('.').map(Number);
if (major < 20) fail(`Node ${process.versions.node} is too old.`, 'Install Node 20 or newer with npm.');
if (process.platform !== 'linux') fail(`this is ${process.platform}; Skylite's hosts run on Linux.`, 'Use a Linux machine (Debian 12 is what it is tested on).');
if (process.getuid() !== 0) fail('root is needed for namespaces and libvirt.', 'Run it as `sudo npm run up`.');
const { bavail, bsize } = statfsSync(root);
const freeMib = Math.floor((bavail * bsize) / 2 ** 20);
if (freeMib < 1536) fail(`only ${freeMib} MiB are free on the disk of ${root}; 1536 MiB are needed.`, 'Free some space, then try again.');
const totalMib = Math.floor(Number(/MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024);
if (totalMib < 1500) fail(`this machine has ${totalMib} MiB of memory; 1500 MiB are needed.`, 'Use a larger one.');

const missing = missingPackages();
if (missing.length > 0) {
  process.stdout.write(`Installing from the distribution (nothing that starts a service or adds a kernel): ${missing.join(' ')}\n`);
  await step('distribution packages', () => { installPackages(missing); return `${missing.length} installed`; });
}
if (!existsSync('/usr/sbin/libvirtd') && !existsSync('/usr/bin/libvirtd')) fail('libvirtd is missing although its package is installed.', 'Run `apt-get install --reinstall libvirt-daemon`, then try again.');
await step('node modules', () => installModules() ?? 'up to date');
await step('build', () => runBuild());
continueAs('apps/launcher/src/up/main.js', args);
