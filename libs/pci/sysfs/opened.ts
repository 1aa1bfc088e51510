import { join } from 'node:path';
import { tryPciAddress } from '../address.js';
import type { PciAddress } from '../api.js';
import { names, target, text } from './files.js';

const PID = /^\d+$/;
/** A group of VFIO's, or (in a folder of devices of a process' own) the same below another root. */
const GROUP = /\/vfio\/(\d+)$/;

/** What is in the IOMMU groups that a process has open, as the kernel knows it: of processes that have `word` among the words of their command line. */
export async function openedGroups(root: string, procRoot: string, word: string): Promise<readonly (readonly PciAddress[])[]> {
  const found = new Set<string>();
  for (const pid of (await names(procRoot)).filter((name) => PID.test(name))) {
    const words = (await text(join(procRoot, pid, 'cmdline')) ?? '').split('\0');
    if (!words.includes(word)) continue;
    for (const file of await names(join(procRoot, pid, 'fd'))) {
      const group = GROUP.exec(await target(join(procRoot, pid, 'fd', file)) ?? '')?.[1];
      if (group !== undefined) found.add(group);
    }
  }
  const groups: PciAddress[][] = [];
  for (const group of [...found].sort()) groups.push((await names(join(root, 'kernel/iommu_groups', group, 'devices'))).flatMap((name) => tryPciAddress(name) ?? []).sort());
  return groups;
}
