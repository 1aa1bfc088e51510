/**
 * host-stop.mjs HOST_DIR
 *
 * Pulls a compute host's plug: its init is killed, and with it everything in its namespaces, guests too. Then its run
 * folder and control groups are removed. What HOST_DIR keeps (definitions, disks, logs) stays. May be repeated.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { withFileLock } from '../images/lib/file-lock.mjs';
import { HostError, isAlive, readState, removeState, runCommand, sleep } from './lib/host-state.mjs';
import { clearLeftovers } from './lib/leftovers.mjs';

const END_DEADLINE_MS = 10_000;
const POLL_MS = 10;

await runCommand(async () => {
  if (process.argv.length !== 3) throw new HostError('usage: host-stop.mjs HOST_DIR');
  const hostDir = resolve(process.argv[2]);
  if (!existsSync(hostDir)) return;
  // Under the lock: a start that is under way is waited for, and then undone.
  await withFileLock(join(hostDir, '.lock'), async () => {
    const state = await readState(hostDir);
    if (state !== null) await end(state);
    await clearLeftovers(hostDir, state?.runDir);
    await removeState(hostDir);
  });
});

async function end(state) {
  const until = Date.now() + END_DEADLINE_MS;
  if (await isAlive(state)) process.kill(state.pid, 'SIGKILL');
  // Process 1 is gone only after the kernel has ended all others of its namespace.
  while (await isAlive(state)) {
    if (Date.now() > until) throw new HostError(`init ${state.pid} of host ${state.name} does not end`);
    await sleep(POLL_MS);
  }
}
