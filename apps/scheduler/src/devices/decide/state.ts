/**
 * A device's state, which is never stored: one table, read in TypeScript and in SQL, the first rule that holds. What stands
 * before a claim is the database's own function device_hindrance; the tests hold both to each other. And the sentences that say why a
 * device is not to be had, with the cure. Owns nothing. Pure.
 */
import type { DeviceState } from '#libs/contracts';
import { isClean, isDoubted, isForgettable, isGivenUp, type StockDevice } from './stock.js';

interface Rule { state: DeviceState; holds(device: StockDevice): boolean; /** d: scheduler.devices, c: its claim or nulls. */ sql: string }

/** Of `scheduler.devices d`. */
export const FENCED_SQL = 'd.host_id IN (SELECT f.id FROM scheduler.hosts f WHERE f.fenced_at IS NOT NULL)';
const CLEAN = 'greatest(d.clean_at, d.released_at, -1) >= d.generation';

const RULES: readonly Rule[] = [
  { state: 'missing', holds: (d) => d.missing || d.facts === null, sql: '(d.missing_since IS NOT NULL OR d.facts IS NULL)' },
  { state: 'in-use', holds: (d) => d.holder !== null && d.facts?.usedBy === d.holder.instanceId, sql: '(c.device_id IS NOT NULL AND d.used_by IS NOT DISTINCT FROM c.instance_id)' },
  { state: 'claimed', holds: (d) => d.holder !== null, sql: 'c.device_id IS NOT NULL' },
  { state: 'protected', holds: (d) => (d.facts?.protectedBy ?? null) !== null, sql: 'd.protected_by IS NOT NULL' },
  { state: 'quarantined', holds: (d) => d.quarantine !== null, sql: 'd.quarantine_generation IS NOT NULL' },
  { state: 'unusable', holds: (d) => d.fenced, sql: FENCED_SQL },
  { state: 'unusable', holds: (d) => (d.facts?.usedBy ?? null) !== null, sql: 'd.used_by IS NOT NULL' },
  { state: 'scrubbing', holds: (d) => d.generation > 0 && !isClean(d), sql: `(d.generation > 0 AND NOT ${CLEAN})` },
  { state: 'unpooled', holds: (d) => d.poolId === null, sql: 'd.pool_id IS NULL' },
  { state: 'unusable', holds: (d) => (d.facts?.condition ?? null) !== null || d.role === 'keeper' || d.role === 'withheld' || !isClean(d), sql: `(d.condition_code IS NOT NULL OR d.pool_role IN ('keeper', 'withheld') OR NOT ${CLEAN})` },
];

export const stateOf = (device: StockDevice): DeviceState => RULES.find((rule) => rule.holds(device))?.state ?? 'available';

/** Of `scheduler.devices d LEFT JOIN scheduler.device_claims c`. */
export const STATE_SQL = `CASE ${RULES.map(({ state, sql }) => `WHEN ${sql} THEN '${state}'`).join(' ')} ELSE 'available' END`;

/** Why it is not to be had, and what would cure it; null: it is, or is with a server and in order. `problem`: what its host says of its pool there. */
export function reasonOf(device: StockDevice, hostName: string, problem: string | null): string | null {
  const { facts, quarantine, note } = device;
  const condition = facts?.condition ? `${sentence(facts.condition.sentence)} (${facts.condition.code})${isDoubted(device) ? ' When it is in order: skylite device release.' : ''}` : null;
  switch (stateOf(device)) {
    case 'available': return null;
    case 'in-use': case 'claimed': return device.fenced ? `Host ${hostName} is fenced. ${isGivenUp(device) ? 'Its server runs elsewhere; until the host is back and has let it go, it stays that server\'s here, and stands in no change\'s way.' : 'Evacuate its server, or take the host back.'}` : condition;
    case 'missing':
      return (facts === null ? `Host ${hostName} has not reported it since its row was made from the claim of a server. It comes back with the host's next report.`
        : `Host ${hostName} does not see it any more (last at ${facts.address}). Look at the card, its slot and the kernel's log${facts.kind === 'vf' ? ', and whether its PF still keeps as many VFs' : ''}; it comes back by itself when the host sees it.`) + unclean(device);
    case 'protected': return `Its host lives on it (${facts?.protectedBy ?? ''}): it is never given to a guest.`;
    case 'quarantined': return `${sentence(quarantine?.sentence ?? '')} (${quarantine?.code ?? ''}, at generation ${quarantine?.generation ?? 0}) When it is in order: skylite device release.`;
    case 'scrubbing': return condition ?? `Host ${hostName} has not said yet that it is clean after generation ${device.generation}; it is claimable when it has.${problem === null ? '' : ` ${problem}`}`;
    case 'unpooled': return note ?? 'No pool has it. Make one that matches it: skylite device pool create.';
    case 'unusable': return unusable(device, hostName, condition, problem);
  }
}

function unusable(device: StockDevice, hostName: string, condition: string | null, problem: string | null): string {
  const { facts, note, role } = device;
  if (device.fenced) return `Host ${hostName} is fenced: nothing of it is given out until it is back and has told what it has.`;
  if (facts !== null && facts.usedBy !== null) return `Domain ${facts.usedBy} uses it, and no claim says so. Look at it with 'virsh' on the host, or adopt it; after that the device is scrubbed.`;
  if (condition !== null) return condition;
  if (role === 'keeper') return note ?? 'Its VFs are given out, not itself.';
  if (role === 'withheld') return [note ?? 'It is withheld.', problem].filter(Boolean).join(' ');
  return 'Its host has not said that nothing of a guest is on it.';
}

/** Of what is not there, and was not clean when it went: it keeps its class, and counts, until somebody says that it is gone. */
function unclean(device: StockDevice): string {
  if (device.forgotten) return ' An operator has said that it will not come back. Should it, it is made clean first.';
  return isForgettable(device) ? ' It was not clean when it went: if it will not come back, skylite device release.' : '';
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
