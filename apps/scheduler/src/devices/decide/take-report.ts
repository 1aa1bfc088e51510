/**
 * What a host's word of a device makes of its row. The row's generation never falls, a report never frees what a claim holds, and
 * clean is a device only at its present generation. Owns nothing. Pure.
 */
import type { HostDevice } from '#libs/contracts';
import { heldBy, type Quarantine, type StockDevice } from './stock.js';

export interface Happened { kind: string; message: string; instanceId: string | null; /** Of a device that a server has: its people want to know. */ trouble: boolean }
export type Kept = Pick<StockDevice, 'facts' | 'nativeDriver' | 'generation' | 'cleanAt' | 'releasedAt' | 'quarantine' | 'missing' | 'forgotten'>;
export interface Taken { row: Kept; happened: Happened[] }

/** informed: the host knows what is wanted of it, and has come to its word with that. adopted: claims on it are known here, all of them. */
export interface Reporter { informed: boolean; adopted: boolean }

/** @param row null: nobody knew it */
export function takeReport(row: StockDevice | null, said: HostDevice, { informed, adopted }: Reporter): Taken {
  const happened: Happened[] = [];
  const holder = row?.holder ?? null;
  const tell = (kind: string, message: string, trouble = false): void => { happened.push({ kind, message, instanceId: holder?.instanceId ?? null, trouble: trouble && holder !== null }); };
  const before = row?.facts ?? null;
  let cleanAt = said.cleanAt;
  let generation = Math.max(row?.generation ?? 0, cleanAt ?? 0);
  if (holder !== null && cleanAt !== null && cleanAt >= holder.generation) {
    // Clean at a hold that is not over can't be: it would be given on as it is when the hold ends.
    generation = Math.max(generation, cleanAt + 1);
    cleanAt = null;
  }
  let quarantine = row?.quarantine ?? null;
  const releasedAt = row?.releasedAt ?? null;

  if (row === null || before === null) tell('seen', `${said.address}, ${said.vendor}:${said.product}`);
  else if (row.missing) tell('returned', `at ${said.address}`);
  if (before !== null && before.address !== said.address) tell('renumbered', `${before.address} is ${said.address} now`);
  if (before !== null && isAnother(before, said)) {
    const what = `What answers to ${said.identity} is ${said.vendor}:${said.product} (${said.kind}) now, and was ${before.vendor}:${before.product} (${before.kind})`;
    tell('changed-identity', what, true);
    quarantine = { generation, code: 'changed-identity', sentence: what };
  }
  tellCondition(before, said, tell);

  // A domain that nobody claims is a holder all the same: what it leaves is scrubbed as after anybody else. What is left of the last
  // holder's own time is no news.
  const foreign = said.usedBy !== null && said.usedBy !== holder?.instanceId;
  if (foreign && adopted && said.usedBy !== before?.usedBy && !(said.usedBy === row?.lastHolder && !isCleanAt(row, generation))) {
    tell('used-unclaimed', `by domain ${said.usedBy}${holder === null ? '' : `, though it is claimed for ${holder.instanceId}`}`, true);
    if (holder === null) generation += 1;
  }
  // Whoever never said that it is clean has to make it so before anybody gets it: at a generation that he can name.
  if (informed && adopted && holder === null && generation === 0 && said.cleanAt === null && said.condition === null && said.dirty === null && said.protectedBy === null && (row?.poolId ?? null) !== null) generation = 1;

  if (said.dirty !== null && said.dirty.generation >= generation && (releasedAt ?? -1) < said.dirty.generation) {
    if (holder === null) generation = said.dirty.generation;
    quarantine ??= { ...said.dirty };
  }
  if (quarantine !== null && (row?.quarantine ?? null) === null) tell('quarantined', `${quarantine.code}: ${quarantine.sentence}`);
  if (cleanAt !== null && cleanAt === generation && generation > 0 && (row?.cleanAt ?? -1) < generation) tell('clean', `at generation ${generation}`);

  return {
    row: { facts: said, nativeDriver: nativeOf(said, row?.nativeDriver ?? null), generation, cleanAt, releasedAt, quarantine: bounded(quarantine, generation), missing: false, forgotten: false },
    happened,
  };
}

/** Its host named the range that it lies in, and not it. */
export function takeAbsence(row: StockDevice): Taken | null {
  if (row.missing || row.facts === null) return null;
  const holder = heldBy(row);
  const { facts, nativeDriver, generation, cleanAt, releasedAt, quarantine, forgotten } = row;
  return {
    // Nobody uses what is not there: who did is known by his claim.
    row: { facts: { ...facts, usedBy: null }, nativeDriver, generation, cleanAt, releasedAt, quarantine, missing: true, forgotten },
    happened: [{ kind: 'missing', message: `last at ${facts.address}`, instanceId: row.holder?.instanceId ?? null, trouble: holder !== null && row.holder !== null }],
  };
}

/** Another card under the same identity; only a slot can be so mistaken, but a lie is asked about whoever tells it. */
const isAnother = (before: HostDevice, said: HostDevice): boolean => before.vendor !== said.vendor || before.product !== said.product || (before.kind === 'vf') !== (said.kind === 'vf');

function tellCondition(before: HostDevice | null, said: HostDevice, tell: (kind: string, message: string, trouble?: boolean) => void): void {
  const [was, is] = [before?.condition?.code ?? null, said.condition?.code ?? null];
  if (was === is) return;
  if (said.condition === null) tell('condition-gone', was ?? '');
  // Devices are not ready for a moment after every boot and change of pools: not worth a line.
  else if (is !== 'not-ready') tell('condition', `${said.condition.code}: ${said.condition.sentence}`, true);
}

const isCleanAt = (row: StockDevice | null, generation: number): boolean => Math.max(row?.cleanAt ?? -1, row?.releasedAt ?? -1) >= generation;
const nativeOf = ({ driver }: HostDevice, known: string | null): string | null => (driver === null || driver === 'vfio-pci' || driver === 'pci-stub' ? known : driver);
const bounded = (quarantine: Quarantine | null, generation: number): Quarantine | null => quarantine && { ...quarantine, generation: Math.min(quarantine.generation, generation) };
