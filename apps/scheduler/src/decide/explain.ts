/**
 * Why there is no host: per filter how many fell out, with numbers, and the host that came nearest with everything
 * that stands in its way. Runs only when the answer is no. Pure.
 */
import { FILTERS } from './filters/all.js';
import type { Fleet } from './fleet.js';
import type { Blocker, Explanation } from './request.js';
import type { Ask, Filter } from './sieve.js';

/** Rows per filter: enough to see the pattern; an explanation is kept with each server that failed. */
const ROWS = 20;

interface Row { host: number; blocker: Blocker }

/** @param hosts as the filters left it: passed[f] hosts passed filter f, those it refused stand right behind them. */
export function explain(fleet: Fleet, ask: Ask, hosts: Int32Array, passed: readonly number[]): Explanation {
  const filters: Explanation['filters'] = [];
  let deepest: Row[] = [];
  let before = fleet.size;
  FILTERS.forEach((filter, at) => {
    const after = passed[at]!;
    if (after < before) {
      const rows = nearestRows(fleet, ask, filter, hosts, after, before);
      deepest = rows;
      filters.push({
        name: filter.name,
        refused: before - after,
        reason: filter.sentence(before - after, rows[0]!.blocker, fleet, ask),
        hosts: rows.map(({ host, blocker }) => ({ name: fleet.names[host]!, needed: blocker.needed, free: blocker.free })),
      });
    }
    before = after;
  });
  if (fleet.size === 0) filters.push({ name: 'enrolled', refused: 0, reason: 'No host has joined this cloud yet.', hosts: [] });
  return { hostsConsidered: fleet.size, filters, nearest: nearestHost(fleet, ask, deepest) };
}

/** The refused hosts of one filter that came closest, closest first. */
function nearestRows(fleet: Fleet, ask: Ask, filter: Filter, hosts: Int32Array, from: number, to: number): Row[] {
  const rows: { host: number; distance: number }[] = [];
  for (let at = from; at < to; at += 1) {
    const host = hosts[at]!;
    const distance = filter.distance === undefined ? measured(fleet, ask, filter, host).distance : filter.distance(fleet, ask, host);
    let slot = rows.length;
    while (slot > 0 && distance < rows[slot - 1]!.distance) slot -= 1;
    if (slot >= ROWS) continue;
    rows.splice(slot, 0, { host, distance });
    if (rows.length > ROWS) rows.length = ROWS;
  }
  return rows.map(({ host }) => ({ host, blocker: measured(fleet, ask, filter, host) }));
}

function measured(fleet: Fleet, ask: Ask, filter: Filter, host: number): Blocker {
  const blocker = filter.measure(fleet, ask, host);
  if (blocker === null) throw new Error(`filter ${filter.name} refuses a host and finds no blocker`);
  return blocker;
}

/** Among those that came furthest: the fewest things in the way, then the smallest distance. */
function nearestHost(fleet: Fleet, ask: Ask, rows: readonly Row[]): Explanation['nearest'] {
  let nearest: Explanation['nearest'] = null;
  let distance = Infinity;
  for (const { host } of rows) {
    const blockers = FILTERS.map((filter) => filter.measure(fleet, ask, host)).filter((blocker) => blocker !== null);
    const far = blockers.reduce((sum, blocker) => sum + blocker.distance, 0);
    if (nearest !== null && (blockers.length > nearest.blockers.length || (blockers.length === nearest.blockers.length && far >= distance))) continue;
    nearest = { name: fleet.names[host]!, blockers };
    distance = far;
  }
  return nearest;
}
