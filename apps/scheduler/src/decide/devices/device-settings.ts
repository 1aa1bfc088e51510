/** Pools and classes of the whole cloud, which units of all hosts refer to. Owns a copy of rows. Pure. */
import type { ClassRow, PoolRow } from './device-row.js';

export interface Pool extends Omit<PoolRow, 'vlans'> { readonly vlans: ReadonlySet<number> }

export class DeviceSettings {
  /** Rises with every change: what hosts made of an older one is made anew. */
  version = 0;
  readonly pools = new Map<string, Pool>();
  readonly classes = new Map<string, ClassRow>();

  set(pools: readonly PoolRow[], classes: readonly ClassRow[]): void {
    this.version += 1;
    this.pools.clear();
    this.classes.clear();
    for (const pool of pools) this.pools.set(pool.id, { ...pool, vlans: new Set(pool.vlans) });
    for (const one of classes) this.classes.set(one.name, one);
  }
}
