/**
 * Rows of a host with what classes and pools make of them, and what is told of it. Owns nothing. Pure.
 */
import type { PoolWish } from '#libs/contracts';
import type { HostFacts } from './match.js';
import { resolve } from './resolve.js';
import { heldBy, type Definitions, type StockDevice } from './stock.js';

export interface Placed { rows: StockDevice[]; wishes: PoolWish[]; told: { identity: string; kind: string; generation: number; instanceId: string | null; message: string }[] }

export function placeRows(host: HostFacts, rows: readonly StockDevice[], definitions: Definitions): Placed {
  const { places, wishes } = resolve(host, rows, definitions);
  const names = new Map(definitions.pools.map(({ id, name }) => [id, name]));
  const told: Placed['told'] = [];
  const placed = rows.map((row) => {
    const place = places.get(row.identity);
    // What is not there keeps its place as long as there is such a pool: it comes back to it. Those that went along with it do without.
    if (place === undefined) {
      const alone = row.holder !== null || row.unit === row.identity ? row : { ...row, unit: row.identity };
      return row.poolId === null || names.has(row.poolId) ? alone : { ...alone, poolId: null, className: null, role: null, note: null };
    }
    if (place.poolId !== row.poolId) {
      const tell = (kind: string, poolId: string): void => { told.push({ identity: row.identity, kind, generation: row.generation, instanceId: heldBy(row), message: names.get(poolId) ?? poolId }); };
      if (row.poolId !== null) tell('unpooled', row.poolId);
      if (place.poolId !== null) tell('pooled', place.poolId);
    }
    return { ...row, ...place };
  });
  return { rows: placed, wishes, told };
}
