/**
 * What a look teaches of each device, to be written down before anything is done. Pure.
 * Owns: who is known to have had a device, also when this host had forgotten, and what an operator's word takes away.
 */
import type { DeviceFacts } from './facts.js';
import { atFirstSight, cleanNow, NO_RECORD, prepared, type DeviceRecord } from './records.js';
import { lastSeenOf, type SeenDevice } from './seen.js';

/** Records that differ from what is written. */
export function learned(facts: DeviceFacts): Map<string, DeviceRecord> {
  const changed = new Map<string, DeviceRecord>();
  for (const device of facts.seen.devices.values()) {
    const before = facts.records.get(device.identity) ?? NO_RECORD;
    const after = learn(device, before, facts);
    if (JSON.stringify(after) !== JSON.stringify(before)) changed.set(device.identity, after);
  }
  return changed;
}

function learn(device: SeenDevice, before: DeviceRecord, { wishes, claims }: DeviceFacts): DeviceRecord {
  const { identity, usedBy, fn } = device;
  const hold = wishes?.holds.find((each) => each.identity === identity);
  const claim = claims.get(identity);
  let record = before;
  // A guest of ours runs with it, and the ledger had been lost, or is older than the guest.
  if (usedBy !== null && claim?.instanceId === usedBy && record.used < claim.generation) record = prepared(record, claim.generation, usedBy);
  else if (usedBy !== null && hold?.holder === usedBy && record.used < hold.generation) record = prepared(record, hold.generation, usedBy);
  // A stranger's guest has it, or one of ours that nobody speaks for: who that was stays known, for it is not clean by his going. A server whose own it is keeps it.
  else if (usedBy !== null && (record.holder !== usedBy || cleanNow(record) !== null)) {
    const isOwned = record.used > 0 && (claim !== undefined || (hold?.holder ?? null) !== null);
    record = { ...record, cleanAt: null, holder: isOwned ? record.holder : usedBy };
  }
  else if (usedBy === null) record = atFirstSight(record, hold, claim !== undefined, wishes);
  const releasedAt = hold?.releasedAt ?? 0;
  if (releasedAt > record.releasedAt) {
    record = { ...record, releasedAt, aerFatal: fn.aer?.fatal ?? 0, tries: null, dirty: record.dirty !== null && record.dirty.generation <= releasedAt ? null : record.dirty };
  }
  // Of one that somebody has: he keeps it as it is, and of its being clean nothing is said.
  if ((hold?.vouched ?? 0) > record.vouched) record = { ...record, vouched: hold!.vouched, aerFatal: fn.aer?.fatal ?? 0 };
  return { ...record, last: lastSeenOf(device) };
}

/** Devices in doubt of which an operator has said since that they are what they are taken for. */
export const accepted = ({ seen, wishes, records }: Pick<DeviceFacts, 'seen' | 'wishes' | 'records'>): string[] =>
  (wishes?.holds ?? []).filter(({ identity, releasedAt, vouched }) => {
    const record = records.get(identity) ?? NO_RECORD;
    return ((releasedAt ?? 0) > record.releasedAt || vouched > record.vouched) && (seen.devices.get(identity)?.doubt ?? null) !== null;
  }).map(({ identity }) => identity);
