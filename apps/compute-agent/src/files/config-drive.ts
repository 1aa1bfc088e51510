import { createHash } from 'node:crypto';
import type { DesiredInstance } from '#libs/contracts';

const known = new WeakMap<DesiredInstance, string>();

/** Names what is on a config drive, so that a change shows without reading the drive. */
export function configDriveDigest(desired: DesiredInstance): string {
  const before = known.get(desired);
  if (before !== undefined) return before;
  const digest = createHash('sha256').update(JSON.stringify(Object.entries(desired.configDrive).sort(([a], [b]) => (a < b ? -1 : 1)))).digest('hex').slice(0, 32);
  known.set(desired, digest);
  return digest;
}
