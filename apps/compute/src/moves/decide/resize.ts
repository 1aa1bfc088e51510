/** May a server become one of another flavor? Nova's checks in Nova's words. Pure. */
import type { DeviceNeed, Flavor } from '#libs/contracts';
import { devicesOfFlavor } from '#libs/openstack';
import { needsAttached, type Attachment } from '../../attachments/decide/attachment.js';
import type { InstanceSpec } from '../../instances/instance-row.js';
import { claimedDiskGib } from '../../instances/decide/fits.js';
import type { Limits, Usage } from '../../instances/decide/quota.js';
import { LIMITS } from '../../limits.js';

const GIB = 1024 ** 3;

/** Why not, or undefined. A disk never shrinks: what is on it would be lost. */
export function whyNotResizable({ flavor: old, image, diskGib }: InstanceSpec, flavor: Flavor): string | undefined {
  if (flavor.id === old.id) return 'When resizing, instances must change flavor!';
  if (flavor.disabled) return `Flavor ${flavor.id} could not be found.`;
  if (flavor.diskGib === 0) return diskGib === 0 ? undefined : 'Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.';
  const bytes = flavor.diskGib * GIB;
  const imageBytes = image.virtualSizeBytes ?? image.sizeBytes;
  if (imageBytes > bytes) return `Flavor's disk is too small for requested image. Flavor disk is ${bytes} bytes, image is ${imageBytes} bytes.`;
  if (flavor.diskGib < diskGib) return `Server disk was unable to be resized because: Flavor's disk is too small: it has ${flavor.diskGib} GiB, the server's disk has ${diskGib} GiB.`;
  return undefined;
}

/** Why a flavor's devices can't be beside those that were attached, which come along; or undefined. What is wanted no more stays behind. */
export function whyNotBeside(flavors: readonly DeviceNeed[], attachments: readonly Attachment[]): string | undefined {
  const cure = 'What to do: detach some first.';
  const kinds = flavors.length + attachments.length;
  if (kinds > LIMITS.deviceNeeds) return `with its ${attachments.length} attachments it would have ${kinds} kinds of devices and attachments, more than the ${LIMITS.deviceNeeds} that a server may have. ${cure}`;
  const attached = needsAttached(attachments);
  const [ofFlavor, ofAttachments] = [flavors, attached].map((needs) => needs.reduce((sum, { count }) => sum + count, 0)) as [number, number];
  if (ofFlavor + ofAttachments > LIMITS.devicesOfServer) return `with the ${ofAttachments} devices that were attached to it, it would have ${ofFlavor + ofAttachments}, and a guest has slots for ${LIMITS.devicesOfServer}. ${cure}`;
  const tags = flavors.map(({ tag }) => tag);
  const twin = attached.find(({ tag }) => tag !== undefined && tags.includes(tag))?.tag;
  return twin === undefined ? undefined : `a device that was attached to it is tagged '${twin}', and so is one of the flavor. What to do: detach it first.`;
}

/** The server as it will be. */
export const resized = (spec: InstanceSpec, flavor: Flavor): InstanceSpec => ({ ...spec, flavor, diskGib: flavor.diskGib, claimDiskGib: claimedDiskGib(spec.image, flavor) });

/** Only what grows is counted; -1 means no limit. Nova's words, or undefined. */
export function overQuotaBy(limits: Limits, used: Usage, from: Flavor, to: Flavor): { refused: string; details: Record<string, unknown> } | undefined {
  const before = devicesOfFlavor(from);
  const over = [
    { name: 'cores', limit: limits.cores, used: used.cores, requested: to.vcpus - from.vcpus },
    { name: 'ram', limit: limits.ramMib, used: used.ramMib, requested: to.ramMib - from.ramMib },
    ...Object.entries(devicesOfFlavor(to)).map(([name, count]) => ({ name: `devices:${name}`, limit: limits.devices?.[name] ?? -1, used: used.devices?.[name] ?? 0, requested: count - (before[name] ?? 0) })),
  ].filter(({ limit, used: taken, requested }) => limit >= 0 && requested > 0 && taken + requested > limit);
  if (over.length === 0) return undefined;
  const list = (of: (resource: (typeof over)[number]) => string | number): string => over.map(of).join(', ');
  const names = list(({ name }) => name);
  return {
    refused: `Quota exceeded for ${names}: Requested ${list((r) => r.requested)}, but already used ${list((r) => r.used)} of ${list((r) => r.limit)} ${names}`,
    details: Object.fromEntries(over.map(({ name, limit, used: taken, requested }) => [name, { limit, used: taken, requested: `${requested}` }])),
  };
}
