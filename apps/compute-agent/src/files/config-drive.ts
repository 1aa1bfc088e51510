import { createHash } from 'node:crypto';
import type { DesiredInstance } from '#libs/contracts';
import { guestAddress } from '../domain-xml/guest-slots.js';

const META_DATA = /^openstack\/[^/]+\/meta_data\.json$/;
const known = new WeakMap<DesiredInstance, string>();

/** Names what is on a config drive, so that a change shows without reading the drive. */
export function configDriveDigest(desired: DesiredInstance): string {
  const before = known.get(desired);
  if (before !== undefined) return before;
  const digest = createHash('sha256').update(JSON.stringify(Object.entries(configDriveFiles(desired)).sort(([a], [b]) => (a < b ? -1 : 1)))).digest('hex').slice(0, 32);
  known.set(desired, digest);
  return digest;
}

/**
 * The files of the config drive, with the guest's devices named as Nova names them: by tag, and by the address at which the guest finds
 * them, which only its host knows.
 */
export function configDriveFiles(desired: DesiredInstance): Readonly<Record<string, string>> {
  const devices = deviceTags(desired);
  if (devices.length === 0) return desired.configDrive;
  return Object.fromEntries(Object.entries(desired.configDrive).map(([path, text]) => [path, META_DATA.test(path) ? withTags(text, devices) : text]));
}

/** Nova's words: a tagged device, or a network card whose VLAN the guest has to know. numa_node: the guest's own cell that it is near to, where it has cells. */
function deviceTags({ layout }: DesiredInstance): Record<string, unknown>[] {
  const cellOf = (node: number | null): number => (node === null || layout?.numa !== true ? -1 : layout.cells.findIndex(({ hostCell }) => hostCell === node));
  return (layout?.devices ?? []).flatMap(({ mac, vlan, tag, numaNode }, at) => (tag === undefined && vlan === null ? [] : [{
    ...(mac === null ? { type: 'hostdev' } : { type: 'nic', mac, ...(vlan !== null && { vlan }) }),
    bus: 'pci', address: guestAddress(at), tags: tag === undefined ? [] : [tag], ...(cellOf(numaNode) >= 0 && { numa_node: cellOf(numaNode) }),
  }]));
}

/** What is no JSON object stays as it is: whoever wrote it meant something else. */
function withTags(text: string, devices: readonly Record<string, unknown>[]): string {
  try {
    const metaData = JSON.parse(text) as { devices?: unknown } | null;
    if (typeof metaData !== 'object' || metaData === null || Array.isArray(metaData)) return text;
    return JSON.stringify({ ...metaData, devices: [...(Array.isArray(metaData.devices) ? metaData.devices as unknown[] : []), ...devices] });
  } catch {
    return text;
  }
}
