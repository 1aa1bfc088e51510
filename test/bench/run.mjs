#!/usr/bin/env node
// `npm run bench [part …]`: measures, asserts nothing; one JSON document on standard output, progress on standard error.
// Parts: one-machine (start, memory, create → ACTIVE → ready against bare libvirt), fleet (creates per second), compute (storms, rest and reconnect
// of 100 and 1,000 simulated hosts; 20 minutes; compute-100 or compute-1000 for one of them), scheduler (placement and claims),
// devices (256 VFs on each of 1,000 hosts; discovery of 512 functions; an edit of a pool), identity (tokens issued and validated, beside bare argon2id and Ed25519).
// Only when asked for: devices-lab (attach, start and an edit of a pool on the lab's kernel and libvirt, beside both alone; docs/lab.md).
import { spawnSync } from 'node:child_process';
import { fail, installModules, installPackages, missingPackages, node24, root, runBuild } from '../../deploy/one-machine/machine.mjs';

if (process.getuid() !== 0) fail('the bench needs root (namespaces, libvirt).', 'Run it as `sudo npm run bench`.');
const missing = missingPackages();
if (missing.length > 0) installPackages(missing);
installModules();
runBuild();
const { status } = spawnSync(node24(), ['--no-warnings', 'test/bench/main.mjs', ...process.argv.slice(2)], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
process.exit(status ?? 1);
