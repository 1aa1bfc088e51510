/**
 * The devices of one host: what is free of which pool on which cell, so that a filter adds up a few numbers however many like
 * devices there are. Owns a copy of rows and what of them is assumed and not committed yet. Pure.
 *
 * A PF that has VFs is never given, a VF never while its PF is; functions of one IOMMU group are one unit, or none is given.
 */
import type { DeviceRow, DeviceRows, Standing } from './device-row.js';
import type { DeviceSettings, Pool } from './device-settings.js';

/** What is given as one: a function, with what goes along with it. */
export interface Unit { readonly devices: readonly DeviceRow[] }

/** Free units that serve alike. */
export interface Bin {
  readonly pool: Pool;
  readonly numaNode: number | null;
  /** VFs of a network card: they get a MAC, and may get a VLAN. */
  readonly networkVf: boolean;
  free: number;
  /** By their PF ('' without), rising by identity. */
  readonly byPf: Map<string, Unit[]>;
}

export interface Stock {
  readonly bins: readonly Bin[];
  /** Units of every standing, by pool. */
  readonly tally: ReadonlyMap<Pool, Readonly<Partial<Record<Standing, number>>>>;
  /** Classes of which any unit is free. */
  readonly freeClasses: number;
  /** Functions of the free unit that has most of them. */
  readonly widest: number;
}

const NONE: Stock = { bins: [], tally: new Map(), freeClasses: 0, widest: 0 };

export class HostDevices {
  readonly #rows = new Map<string, DeviceRow>();
  #assumed = new Set<string>();
  #versions = 0;
  #stock: Stock | null = null;
  #settings = -1;

  /** Takes rows that are not older than what is known; one that no pool gives out is forgotten. Answers whether anything differed. */
  put(rows: readonly DeviceRow[]): boolean {
    let changed = false;
    for (const row of rows) {
      const known = this.#rows.get(row.id);
      if (known !== undefined && known.version >= row.version) continue;
      if (known === undefined && row.poolId === null) continue;
      this.#versions += (row.poolId === null ? 0 : row.version) - (known?.version ?? 0);
      if (row.poolId === null) this.#rows.delete(row.id);
      else this.#rows.set(row.id, row);
      changed = true;
    }
    if (changed) this.#stock = null;
    return changed;
  }

  /** All there are, in the place of those known; what was assumed stays so. */
  replace(rows: readonly DeviceRow[]): void {
    this.#rows.clear();
    this.#versions = 0;
    this.#stock = null;
    this.put(rows);
  }

  /** Was none missed? */
  agrees({ count, versions }: Pick<DeviceRows, 'count' | 'versions'>): boolean {
    return this.#rows.size === count && this.#versions === versions;
  }

  /** The answer to claims has come: what was assumed for them is, or is not, in these rows. */
  settle(rows: readonly DeviceRow[]): void {
    this.restore(new Set());
    this.put(rows);
  }

  assume(ids: Iterable<string>): void {
    for (const id of ids) this.#assumed.add(id);
    this.#stock = null;
  }

  assumed(): ReadonlySet<string> {
    return new Set(this.#assumed);
  }

  restore(assumed: ReadonlySet<string>): void {
    if (assumed.size === this.#assumed.size) return;
    this.#assumed = new Set(assumed);
    this.#stock = null;
  }

  stock(settings: DeviceSettings): Stock {
    if (this.#stock === null || this.#settings !== settings.version) {
      this.#stock = this.#rows.size === 0 ? NONE : this.#build(settings);
      this.#settings = settings.version;
    }
    return this.#stock;
  }

  #build(settings: DeviceSettings): Stock {
    const units = new Map<string, DeviceRow[]>();
    const busyPfs = new Set<string>();
    const withVfs = new Set<string>();
    for (const row of this.#rows.values()) {
      const unit = units.get(row.unit);
      if (unit) unit.push(row);
      else units.set(row.unit, [row]);
      if (row.pf !== null && row.standing !== 'missing') withVfs.add(row.pf);
      if (row.kind === 'pf' && (row.standing === 'claimed' || row.standing === 'in-use' || this.#assumed.has(row.id))) busyPfs.add(row.identity);
    }
    const bins = new Map<string, Bin>();
    const tally = new Map<Pool, Partial<Record<Standing, number>>>();
    let widest = 0;
    for (const [, all] of [...units].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const devices = all.length === 1 ? all : all.sort((a, b) => Number(b.offered) - Number(a.offered) || (a.identity < b.identity ? -1 : 1));
      const [first] = devices as [DeviceRow];
      const pool = settings.pools.get(first.poolId!);
      if (pool === undefined) continue;
      let standing: Standing = first.offered ? 'free' : 'unusable';
      for (const row of devices) if (standing === 'free') standing = this.#standingOf(row, busyPfs, withVfs);
      const counts = tally.get(pool) ?? {};
      counts[standing] = (counts[standing] ?? 0) + 1;
      tally.set(pool, counts);
      if (standing !== 'free') continue;
      add(bins, pool, first, { devices });
      widest = Math.max(widest, devices.length);
    }
    return { bins: [...bins.values()], tally, freeClasses: new Set([...bins.values()].map(({ pool }) => pool.className)).size, widest };
  }

  #standingOf(row: DeviceRow, busyPfs: ReadonlySet<string>, withVfs: ReadonlySet<string>): Standing {
    if (row.standing !== 'free') return row.standing;
    if (this.#assumed.has(row.id)) return 'claimed';
    return withVfs.has(row.identity) || (row.pf !== null && busyPfs.has(row.pf)) ? 'unusable' : 'free';
  }
}

function add(bins: Map<string, Bin>, pool: Pool, row: DeviceRow, unit: Unit): void {
  const networkVf = row.kind === 'vf' && row.network;
  const key = `${pool.id} ${row.numaNode} ${networkVf}`;
  let bin = bins.get(key);
  if (bin === undefined) bins.set(key, bin = { pool, numaNode: row.numaNode, networkVf, free: 0, byPf: new Map() });
  bin.free += 1;
  const units = bin.byPf.get(row.pf ?? '');
  if (units) units.push(unit);
  else bin.byPf.set(row.pf ?? '', [unit]);
}
