/** May a server have these devices besides those it has? What is asked of the row alone; whether its host has them is the scheduler's to say. Pure. */
import type { DeviceNeed } from '#libs/contracts';
import type { Limits, Usage } from '../../instances/decide/quota.js';
import type { InstanceRow } from '../../instances/instance-row.js';
import { LIMITS } from '../../limits.js';

export interface Asked { className: string; count: number; tag: string | null }

/** Why not, or undefined. @param flavors what its flavor asks for */
export function whyNotMore({ layout, attachments }: Pick<InstanceRow, 'layout' | 'attachments'>, flavors: readonly DeviceNeed[], { count, tag }: Asked): string | undefined {
  if (flavors.length + attachments.length >= LIMITS.deviceNeeds) return `it has ${flavors.length + attachments.length} kinds of devices and attachments, which is the most that a server may have`;
  const there = (layout?.devices ?? []).length + attachments.filter(({ devices }) => devices.length === 0).reduce((sum, one) => sum + one.count, 0);
  if (there + count > LIMITS.devicesOfServer) return `it has ${there} devices, and a guest has slots for ${LIMITS.devicesOfServer}`;
  const tags = [...flavors.map((need) => need.tag), ...attachments.map((one) => one.tag)];
  return tag !== null && tags.includes(tag) ? `another device of it is tagged '${tag}'` : undefined;
}

/** Nova's words, or undefined: -1 means no limit. */
export function overQuotaOf(limits: Limits, used: Usage, { className, count }: Asked): { refused: string; details: Record<string, unknown> } | undefined {
  const [name, limit, taken] = [`devices:${className}`, limits.devices?.[className] ?? -1, used.devices?.[className] ?? 0];
  if (limit < 0 || taken + count <= limit) return undefined;
  return { refused: `Quota exceeded for ${name}: Requested ${count}, but already used ${taken} of ${limit} ${name}`, details: { [name]: { limit, used: taken, requested: `${count}` } } };
}
