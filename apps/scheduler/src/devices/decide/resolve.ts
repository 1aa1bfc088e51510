/**
 * What classes and pools make of one host's devices: who belongs to which pool, who is given out, who goes along, and what is wanted
 * of the host. A device that a server has keeps the pool it has, whatever is defined meanwhile. Owns nothing. Pure.
 */
import type { DevicePool, HostDevice, PoolWish } from '#libs/contracts';
import { fits, type HostFacts, type Matchable } from './match.js';
import { heldBy, type Definitions, type PoolRole, type StockDevice } from './stock.js';

export interface Place { poolId: string | null; className: string | null; role: PoolRole | null; note: string | null; unit: string }
/** What of a row decides. */
export type Placeable = Pick<StockDevice, 'identity' | 'facts' | 'nativeDriver' | 'poolId' | 'missing' | 'holder'>;
export interface Resolution {
  /** By identity; devices that are not there are not named: they stay as they are. */
  places: Map<string, Place>;
  wishes: PoolWish[];
  /** Pools that match one function, which gets none of them then. */
  clashes: { identity: string; pools: DevicePool[] }[];
}

export interface Here extends Matchable { row: Placeable; unit: string; pools: DevicePool[] }

/** @param keep devices that are held keep their pools; off for judging what a definition itself would do */
export function resolve(host: HostFacts, rows: readonly Placeable[], { classes, pools }: Definitions, keep = true): Resolution {
  const here = gather(rows);
  const resolution: Resolution = { places: new Map(), wishes: [], clashes: [] };
  const known = new Map(pools.map((pool) => [pool.id, pool]));
  // Roots first: a VF's place follows from its PF's.
  for (const one of here.values()) one.pools = matching(one, pools, host);
  const kept = new Map<string, DevicePool>();
  if (keep) for (const one of here.values()) {
    const pool = heldBy(one.row) !== null && one.row.poolId !== null ? known.get(one.row.poolId) : undefined;
    if (pool === undefined) continue;
    kept.set(pool.mode === 'vfs' && one.pf !== null ? one.pf.identity : one.device.identity, pool);
  }
  // VFs that are to be made again (a host that has booted) keep their PF where it is, if a server has them.
  if (keep) for (const row of rows) {
    const pool = row.missing && heldBy(row) !== null && row.poolId !== null ? known.get(row.poolId) : undefined;
    const vf = vfNamed(row.identity);
    if (pool?.mode === 'vfs' && vf !== null && here.has(vf.pf)) kept.set(vf.pf, pool);
  }
  for (const [identity, one] of here) {
    const stays = kept.get(identity);
    if (stays !== undefined) one.pools = [stays];
    else if (one.pools.length > 1) resolution.clashes.push({ identity, pools: one.pools });
  }
  const place = (one: Here, pool: DevicePool | null, role: PoolRole | null, note: string | null): void => {
    resolution.places.set(one.device.identity, { poolId: pool?.id ?? null, className: pool?.className ?? null, role, note, unit: one.unit });
  };
  for (const one of here.values()) {
    const { device } = one;
    // Its PF keeps it: placed with that.
    if (device.kind === 'vf' && resolution.places.has(device.identity)) continue;
    if (device.protectedBy !== null) {
      place(one, null, null, null);
      continue;
    }
    const [pool, another] = one.pools;
    if (another !== undefined) {
      const now = one.pools.find(({ id }) => id === one.row.poolId) ?? pool!;
      place(one, now, 'withheld', `Several pools match it (${one.pools.map(({ name }) => name).join(', ')}): it gets none of them. Make their matches narrower.`);
    } else if (pool?.mode === 'vfs') {
      place(one, pool, 'keeper', `It keeps VFs for pool ${pool.name}; they are given out, not itself.`);
      resolution.wishes.push(wishOf(pool, device));
      placeVfs(one, pool, here, classes, host, place, kept);
      for (const { device: vf, pools: others } of here.values()) {
        if (vf.pf?.identity === device.identity && others.some(({ id }) => id !== pool.id)) resolution.clashes.push({ identity: vf.identity, pools: [pool, ...others] });
      }
    } else if (pool !== undefined) placeFunction(one, pool, classes, host, place);
    else place(one, null, null, null);
  }
  joinUnits(here, resolution, known);
  awaitMates(rows, here, resolution);
  for (const one of here.values()) {
    const { poolId, role } = resolution.places.get(one.device.identity)!;
    const pool = poolId === null ? undefined : known.get(poolId);
    if (pool?.mode === 'functions' && (role === 'offered' || role === 'companion' || heldBy(one.row) !== null)) resolution.wishes.push(wishOf(pool, one.device));
  }
  resolution.wishes.sort((a, b) => (a.identity < b.identity ? -1 : 1));
  return resolution;
}

/** A VF by its name alone, whether it is there or not; null: it is none. */
export function vfNamed(identity: string): { pf: string; index: number } | null {
  const [, pf, index] = /^(.+)\/vf:(\d+)$/.exec(identity) ?? [];
  return pf === undefined ? null : { pf, index: Number(index) };
}

/** How many VFs a PF shall keep. */
export const vfsOf = (pool: DevicePool, pf: HostDevice): number => pool.vfCount ?? pf.sriov?.totalVfs ?? 0;

/** A pool of functions takes VFs only when it names them: they are other pools' mostly. */
export function matching(one: Matchable, pools: readonly DevicePool[], host: HostFacts): DevicePool[] {
  const { device } = one;
  return pools.filter((pool) => (pool.mode === 'vfs' ? device.kind === 'pf' : device.kind !== 'vf' || pool.match.kind?.includes('vf') === true) && fits(pool.match, one, host));
}

export function gather(rows: readonly Placeable[]): Map<string, Here> {
  const there = rows.filter((row): row is Placeable & { facts: HostDevice } => row.facts !== null && !row.missing);
  const facts = new Map(there.map((row) => [row.identity, row.facts]));
  const ordered = [...there].sort((a, b) => Number(a.facts.kind === 'vf') - Number(b.facts.kind === 'vf') || (a.identity < b.identity ? -1 : 1));
  return new Map(ordered.map((row) => [row.identity, {
    row, device: row.facts, nativeDriver: row.nativeDriver, pf: row.facts.pf === null ? null : facts.get(row.facts.pf.identity) ?? null,
    unit: [row.identity, ...row.facts.mates].reduce((least, one) => (one < least ? one : least)), pools: [],
  }]));
}

type PlaceIt = (one: Here, pool: DevicePool | null, role: PoolRole | null, note: string | null) => void;

function placeVfs(keeper: Here, pool: DevicePool, here: ReadonlyMap<string, Here>, classes: Definitions['classes'], host: HostFacts, place: PlaceIt, kept: ReadonlyMap<string, DevicePool>): void {
  const vfs = [...here.values()].filter(({ device }) => device.kind === 'vf' && device.pf?.identity === keeper.device.identity);
  const wanted = vfsOf(pool, keeper.device);
  const live = keeper.device.sriov?.numVfs ?? vfs.length;
  const remade = live !== wanted && !vfs.some(({ row }) => heldBy(row) !== null);
  for (const vf of vfs) {
    if (vf.device.protectedBy !== null) place(vf, null, null, null);
    else if (kept.has(vf.device.identity)) place(vf, kept.get(vf.device.identity)!, 'withheld', `It stays in its pool while a server has it; its PF is in pool ${pool.name}.`);
    else if (vf.pools.length > 0 && vf.pools.some(({ id }) => id !== pool.id)) place(vf, pool, 'withheld', `Pool ${vf.pools[0]!.name} matches it, and its PF keeps it for pool ${pool.name}. Make the match of ${vf.pools[0]!.name} narrower.`);
    else if (remade) place(vf, pool, 'withheld', `Its PF has ${live} VFs and pool ${pool.name} wants ${wanted}: they are made anew.`);
    else placeByClass(vf, pool, classes, host, place);
  }
}

function placeFunction(one: Here, pool: DevicePool, classes: Definitions['classes'], host: HostFacts, place: PlaceIt): void {
  const live = one.device.sriov?.numVfs ?? 0;
  if (live > 0) place(one, pool, 'withheld', `It is a PF with ${live} live VFs, which would vanish from it: it is not given out. Take its VFs away first.`);
  else placeByClass(one, pool, classes, host, place);
}

function placeByClass(one: Here, pool: DevicePool, classes: Definitions['classes'], host: HostFacts, place: PlaceIt): void {
  const of = classes.get(pool.className);
  if (of !== undefined && fits(of.match, one, host)) place(one, pool, 'offered', null);
  else place(one, pool, 'withheld', `Pool ${pool.name} has it, but it is not of its class ${pool.className}: the class matches other devices.`);
}

/** Functions of one IOMMU group go to one guest or to none: those beside an offered one go along, or keep it back. */
function joinUnits(here: ReadonlyMap<string, Here>, { places }: Resolution, known: ReadonlyMap<string, DevicePool>): void {
  const units = new Map<string, Here[]>();
  for (const one of here.values()) if (one.device.mates.length > 0) units.set(one.unit, [...(units.get(one.unit) ?? []), one]);
  for (const members of units.values()) {
    const first = members.map((one) => places.get(one.device.identity)!).find(({ role }) => role === 'offered');
    if (first === undefined) continue;
    const pool = known.get(first.poolId!)!;
    const hindrance = members.map((one) => standsInTheWay(one, pool, places, here)).find((found) => found !== null) ?? null;
    for (const one of members) {
      const now = places.get(one.device.identity)!;
      const own = now.poolId === null || now.poolId === pool.id;
      if (hindrance !== null) {
        if (now.role === 'offered') places.set(one.device.identity, { ...now, role: 'withheld', note: hindrance });
      } else if (now.role !== 'offered' && own) {
        places.set(one.device.identity, { ...now, poolId: pool.id, className: pool.className, role: 'companion', note: `It shares an IOMMU group with ${first.unit}: they go together.` });
      }
    }
  }
}

/** What a server has of a group and is not there now comes back into it: nobody else gets of the rest meanwhile. */
function awaitMates(rows: readonly Placeable[], here: ReadonlyMap<string, Here>, { places }: Resolution): void {
  for (const row of rows) {
    if (!row.missing || heldBy(row) === null) continue;
    for (const mate of row.facts?.mates ?? []) {
      const [one, now] = [here.get(mate), places.get(mate)];
      if (one === undefined || now === undefined || heldBy(one.row) !== null || (now.role !== 'offered' && now.role !== 'companion')) continue;
      places.set(mate, { ...now, role: 'withheld', note: `It shares an IOMMU group with ${row.identity}, which a server has and which is not there now: it comes back to this group.` });
    }
  }
}

function standsInTheWay(one: Here, pool: DevicePool, places: ReadonlyMap<string, Place>, here: ReadonlyMap<string, Here>): string | null {
  const { device } = one;
  const at = places.get(device.identity)!;
  const group = `It shares IOMMU group ${device.iommuGroup ?? '?'} with other functions`;
  if (!pool.groupTogether) return `${group}, and pool ${pool.name} does not give groups as one (groupTogether).`;
  if (device.protectedBy !== null) return `${group}, and its host lives on ${device.address} of it (${device.protectedBy}).`;
  if (at.role === 'keeper' || (device.sriov?.numVfs ?? 0) > 0) return `${group}, and ${device.address} of it keeps VFs.`;
  if (at.poolId !== null && at.poolId !== pool.id) return `${group}, and ${device.address} of it is in another pool.`;
  const absent = device.mates.find((mate) => !here.has(mate));
  return absent === undefined ? null : `${group}, and ${absent} of it is not there.`;
}

const wishOf = (pool: DevicePool, device: HostDevice): PoolWish => ({
  poolId: pool.id, poolName: pool.name, identity: device.identity, mode: pool.mode,
  vfs: pool.mode === 'vfs' ? { count: vfsOf(pool, device), driver: pool.driver, policy: pool.policy } : null,
});
