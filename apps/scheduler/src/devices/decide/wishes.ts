/**
 * What is wanted of a host's devices, from its rows: pools resolved to functions, and who holds what or had it last until the host
 * says that it is clean. In the order of identities, and in pages. Owns nothing. Pure.
 */
import type { DeviceClass, HoldWish, InstanceId, PoolWish } from '#libs/contracts';
import type { StockDevice } from './stock.js';

export interface Wishes { pools: PoolWish[]; holds: HoldWish[] }

/** A device whose class is gone is not made ready by anybody's word but an operator's. */
export function holdsOf(rows: readonly StockDevice[], classes: ReadonlyMap<string, DeviceClass>): HoldWish[] {
  const holds: HoldWish[] = [];
  for (const { identity, holder, generation, cleanAt, releasedAt, vouched, lastClass, className } of rows) {
    const of = holder?.className ?? lastClass ?? className;
    const sanitizer = (of === null ? undefined : classes.get(of)?.sanitizer) ?? (of === null ? 'reset' : 'quarantine');
    if (holder !== null) holds.push({ identity, generation: holder.generation, holder: holder.instanceId as InstanceId, sanitizer, releasedAt, vouched });
    else if (generation > 0 && (cleanAt ?? -1) < generation) holds.push({ identity, generation, holder: null, sanitizer, releasedAt, vouched });
  }
  return holds.sort((a, b) => (a.identity < b.identity ? -1 : 1));
}

export interface Page extends Wishes { next: string | null }

/** What follows `after`, up to so many entries and bytes (one entry at least): all of an identity is on one page. */
export function pageOf({ pools, holds }: Wishes, after: string | null, most: { entries: number; bytes: number }, sizeOf: (entry: PoolWish | HoldWish) => number): Page {
  const byIdentity = new Map<string, Wishes>();
  const at = (identity: string): Wishes => {
    const known = byIdentity.get(identity) ?? { pools: [], holds: [] };
    byIdentity.set(identity, known);
    return known;
  };
  for (const pool of pools) if (after === null || pool.identity > after) at(pool.identity).pools.push(pool);
  for (const hold of holds) if (after === null || hold.identity > after) at(hold.identity).holds.push(hold);
  const page: Page = { pools: [], holds: [], next: null };
  let [entries, bytes, last] = [0, 0, null as string | null];
  for (const identity of [...byIdentity.keys()].sort(bytewise)) {
    const own = byIdentity.get(identity)!;
    for (const entry of [...own.pools, ...own.holds]) {
      entries += 1;
      bytes += sizeOf(entry);
    }
    if (last !== null && (entries > most.entries || bytes > most.bytes)) return { ...page, next: last };
    page.pools.push(...own.pools);
    page.holds.push(...own.holds);
    last = identity;
  }
  return page;
}

/** Identities are ASCII: JavaScript's own order is that of their bytes. */
const bytewise = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
