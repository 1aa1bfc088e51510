/**
 * Clears away what a host that is no longer running has left on the machine: its control groups and its run folder.
 * Does nothing to a living host, and may be repeated.
 */
import { readFile, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError, kill, sleep } from './host-state.mjs';

const CGROUP_DEADLINE_MS = 5000;

/** @param {string} [runDir] left out when no host.json says which it was */
export async function clearLeftovers(hostDir, runDir) {
  const groups = (await readFile(join(hostDir, 'cgroups'), 'utf8').catch(() => '')).split('\n').filter(Boolean);
  for (const group of groups) await removeGroup(group);
  await rm(join(hostDir, 'cgroups'), { force: true });
  if (runDir) await removeRunDir(runDir);
}

/** A run folder is removed only if it is one of ours: a wrong argument must not cost anybody's files. */
async function removeRunDir(runDir) {
  const names = await readdir(runDir).catch(() => null);
  if (names === null) return;
  if (names.length > 0 && !names.includes('.skylite-host')) {
    throw new HostError(`${runDir} is not empty and no host's run folder: name another one`);
  }
  await rm(runDir, { recursive: true, force: true });
}

/**
 * Depth first. Processes still in it belong to a start that was itself killed before it could write down its init; a group
 * stays busy for a moment after its last process has ended.
 */
async function removeGroup(group) {
  const until = Date.now() + CGROUP_DEADLINE_MS;
  for (;;) {
    try {
      for (const pid of await processesOf(group)) kill(pid);
      for (const entry of await readdir(group, { withFileTypes: true })) {
        if (entry.isDirectory()) await removeGroup(join(group, entry.name));
      }
      return await rmdir(group);
    } catch (error) {
      if (error.code === 'ENOENT') return;
      if (error.code !== 'EBUSY' || Date.now() > until) throw new HostError(`control group ${group} cannot be removed (${error.message})`);
      await sleep(50);
    }
  }
}

/** A threaded group (libvirt makes them for a guest's threads) has no list of its own: its processes are its parent's. */
async function processesOf(group) {
  const list = await readFile(join(group, 'cgroup.procs'), 'utf8').catch(() => '');
  return list.split('\n').filter(Boolean).map(Number);
}
