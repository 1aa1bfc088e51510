import { execFile } from 'node:child_process';
import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findMarked } from '../supervisor/marks.js';
import { isAlive, signal, waitUntilGone } from '../supervisor/process.js';
import { leaveOut, readSpecs, readStates, type ChildSpec } from '../supervisor/spec.js';
import { repository, runDirOf, type Home } from './home.js';
import { removeGuests } from './machine-libvirt.js';
import { step } from './progress.js';
import { agentStateDir } from './specs.js';
import { findSupervisor, stopSupervisor } from './supervise.js';

const run = promisify(execFile);

/** Stops agents and control plane; guests, their libvirtds and namespaces stay unless `purge`. Works without a supervisor too. */
export async function down(home: Home, { purge }: { purge: boolean }): Promise<void> {
  if (findSupervisor(home)) await step('stop', () => stopSupervisor(home, false));
  await endLeftovers(home);
  if (!purge) return;
  const settings = home.readSettings();
  await step('hosts and guests', async () => {
    for (const host of settings?.hosts ?? []) {
      if (host.libvirt === 'system') await removeGuests(agentStateDir(home, host));
      else await run(process.execPath, [join(repository, 'deploy/host/host-stop.mjs'), home.hostDir(host.name)], { timeout: 60_000 });
    }
  });
  await step('data', async () => {
    if (settings) rmSync(runDirOf(settings), { recursive: true, force: true });
    for (const name of readdirSync(home.dir)) rmSync(join(home.dir, name), { recursive: true, force: true });
    try {
      rmdirSync(home.dir);
    } catch (error) {
      // The mount point of a disk stays, empty.
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    }
  });
}

/** An agent whose file an `up` had taken away, to write it anew, when it was cut off. A host without a file is left alone, guests with it. */
const FILELESS: Pick<ChildSpec, 'order' | 'stop' | 'outlivesDown'> = { order: 3, stop: { signal: 'SIGTERM', timeoutMs: 15_000 }, outlivesDown: false };

/** Children of a supervisor that died are ended as it would have ended them. Silent when there are none. */
export async function endLeftovers(home: Home): Promise<void> {
  const specs = new Map<string, Pick<ChildSpec, 'order' | 'stop' | 'outlivesDown'>>(readSpecs(home.dir, leaveOut).map((spec) => [spec.name, spec]));
  const known = new Map(readStates(home.dir).flatMap(({ name, process: ref }) => (ref && isAlive(ref) ? [[name, ref] as const] : [])));
  const left = [...new Map([...findMarked(home.dir), ...known])].flatMap(([name, process]) => {
    const spec = specs.get(name) ?? (/^host-/.test(name) ? undefined : FILELESS);
    return spec && !spec.outlivesDown ? [{ spec, process }] : [];
  });
  if (left.length === 0) return;
  await step('what a killed supervisor left', async () => {
    for (const { spec, process: ref } of left.sort((a, b) => b.spec.order - a.spec.order)) {
      signal(ref, spec.stop.signal, false);
      if (!(await waitUntilGone(ref, spec.stop.timeoutMs))) signal(ref, 'SIGKILL', true);
    }
  });
}
