/**
 * The fleet as placement sees it: flat columns, one entry per host, so that a thousand hosts are looked through in
 * microseconds. Owns nothing: PostgreSQL is the truth, the feed puts rows in. Never reads a clock or a database. If
 * the process dies here nothing is lost; the next one reads the rows again.
 */

/** One host's row as the feed delivers it. */
export interface HostRow {
  id: string;
  name: string;
  zone: string;
  /** The host's zone is used only by requests that name it (or the host). */
  onlyWhenAsked: boolean;
  enabled: boolean;
  disabledReason: string | null;
  bootId: string | null;
  /** Version of who the host is; an older one is not taken. */
  generation: number;
  capacity: Capacity;
}

export interface Amounts { vcpus: number; memoryMib: number; diskGib: number }

export interface Capacity {
  /** What claims together may use: inventory less reserves, times the ratio. */
  limit: Amounts;
  /** What claims use now. May exceed the limit: a host that shrank is overcommitted, visibly, and takes nothing new. */
  used: Amounts;
  /** The most one claim may take: overcommitment never makes a guest larger than its host. */
  largest: { vcpus: number; memoryMib: number };
  /** Rises with every change of the capacity row. */
  version: number;
}

const COLUMNS = ['limitVcpus', 'limitMemoryMib', 'limitDiskGib', 'usedVcpus', 'usedMemoryMib', 'usedDiskGib', 'largestVcpus', 'largestMemoryMib'] as const;
type Column = (typeof COLUMNS)[number];

export class Fleet {
  size = 0;
  readonly ids: string[] = [];
  readonly names: string[] = [];
  readonly zones: string[] = [];
  readonly disabledReasons: (string | null)[] = [];
  readonly bootIds: (string | null)[] = [];
  readonly #index = new Map<string, number>();
  #room = 0;
  #generations = new Float64Array(0);
  #versions = new Float64Array(0);
  onlyWhenAsked = new Uint8Array(0);
  enabled = new Uint8Array(0);
  hypervisorUp = new Uint8Array(0);
  /** When the host was last heard, on the caller's monotonic clock, ms; -Infinity: never. */
  heardAt = new Float64Array(0);
  limitVcpus = new Int32Array(0);
  limitMemoryMib = new Int32Array(0);
  limitDiskGib = new Int32Array(0);
  usedVcpus = new Int32Array(0);
  usedMemoryMib = new Int32Array(0);
  usedDiskGib = new Int32Array(0);
  largestVcpus = new Int32Array(0);
  largestMemoryMib = new Int32Array(0);
  /** Working space of one place() call; place() is synchronous, so one is enough. */
  scratchHosts = new Int32Array(0);
  scratchScores = new Float64Array(0);

  /** The host's position, or -1. Positions change when a host is removed: never keep one across an await. */
  indexOf(id: string): number {
    return this.#index.get(id) ?? -1;
  }

  /** Takes a row if it is not older than what is known. `force` takes it anyway (a full read that repairs). Answers whether anything differed. */
  put(row: HostRow, force = false): boolean {
    let host = this.#index.get(row.id);
    const known = host !== undefined;
    host ??= this.#add(row.id);
    let changed = !known;
    if (!known || force || row.generation >= this.#generations[host]!) {
      changed = this.#putIdentity(host, row) || changed;
    }
    return this.applyCapacity(host, row.capacity, force || !known) || changed;
  }

  /** Is this row of the very versions that are known? Then it should not differ. */
  isCurrent(row: HostRow): boolean {
    const host = this.#index.get(row.id);
    return host !== undefined && this.#generations[host] === row.generation && this.#versions[host] === row.capacity.version;
  }

  /** Usage and limits as a statement returned them; an older version is not taken. Answers whether anything differed. */
  applyCapacity(host: number, capacity: Capacity, force = false): boolean {
    if (!force && capacity.version < this.#versions[host]!) return false;
    this.#versions[host] = capacity.version;
    const next: Record<Column, number> = {
      limitVcpus: capacity.limit.vcpus, limitMemoryMib: capacity.limit.memoryMib, limitDiskGib: capacity.limit.diskGib,
      usedVcpus: capacity.used.vcpus, usedMemoryMib: capacity.used.memoryMib, usedDiskGib: capacity.used.diskGib,
      largestVcpus: capacity.largest.vcpus, largestMemoryMib: capacity.largest.memoryMib,
    };
    let changed = false;
    for (const column of COLUMNS) {
      if (this[column][host] === next[column]) continue;
      this[column][host] = next[column];
      changed = true;
    }
    return changed;
  }

  /** Counts a choice that is not committed yet, so that the next request of the same batch sees it. */
  assume(host: number, need: Amounts): void {
    this.usedVcpus[host]! += need.vcpus;
    this.usedMemoryMib[host]! += need.memoryMib;
    this.usedDiskGib[host]! += need.diskGib;
  }

  /** An operator closed or opened the host, as a claim found out before the feed did. */
  setEnabled(host: number, enabled: boolean): void {
    this.enabled[host] = enabled ? 1 : 0;
  }

  setHeard(id: string, heardAt: number, hypervisorUp: boolean): void {
    const host = this.#index.get(id);
    if (host === undefined) return;
    this.heardAt[host] = heardAt;
    this.hypervisorUp[host] = hypervisorUp ? 1 : 0;
  }

  /** Forgets a host; the last one moves into its place. */
  remove(id: string): boolean {
    const host = this.#index.get(id);
    if (host === undefined) return false;
    const last = this.size - 1;
    if (host !== last) this.#move(last, host);
    this.#index.delete(id);
    for (const list of [this.ids, this.names, this.zones, this.disabledReasons, this.bootIds]) list.length = last;
    this.size = last;
    return true;
  }

  #putIdentity(host: number, row: HostRow): boolean {
    const changed = this.names[host] !== row.name || this.zones[host] !== row.zone || this.bootIds[host] !== row.bootId
      || this.disabledReasons[host] !== row.disabledReason
      || this.enabled[host] !== (row.enabled ? 1 : 0) || this.onlyWhenAsked[host] !== (row.onlyWhenAsked ? 1 : 0);
    this.#generations[host] = row.generation;
    this.names[host] = row.name;
    this.zones[host] = row.zone;
    this.bootIds[host] = row.bootId;
    this.disabledReasons[host] = row.disabledReason;
    this.enabled[host] = row.enabled ? 1 : 0;
    this.onlyWhenAsked[host] = row.onlyWhenAsked ? 1 : 0;
    return changed;
  }

  #add(id: string): number {
    if (this.size === this.#room) this.#grow();
    const host = this.size;
    this.size += 1;
    this.#index.set(id, host);
    this.ids[host] = id;
    this.#generations[host] = -1;
    this.#versions[host] = -1;
    this.heardAt[host] = -Infinity;
    this.hypervisorUp[host] = 0;
    return host;
  }

  #move(from: number, to: number): void {
    this.ids[to] = this.ids[from]!;
    this.names[to] = this.names[from]!;
    this.zones[to] = this.zones[from]!;
    this.disabledReasons[to] = this.disabledReasons[from]!;
    this.bootIds[to] = this.bootIds[from]!;
    this.onlyWhenAsked[to] = this.onlyWhenAsked[from]!;
    this.enabled[to] = this.enabled[from]!;
    this.hypervisorUp[to] = this.hypervisorUp[from]!;
    this.heardAt[to] = this.heardAt[from]!;
    this.#generations[to] = this.#generations[from]!;
    this.#versions[to] = this.#versions[from]!;
    for (const column of COLUMNS) this[column][to] = this[column][from]!;
    this.#index.set(this.ids[to]!, to);
  }

  #grow(): void {
    this.#room = Math.max(64, this.#room * 2);
    const bytes = (old: Uint8Array): Uint8Array<ArrayBuffer> => { const grown = new Uint8Array(this.#room); grown.set(old); return grown; };
    const floats = (old: Float64Array): Float64Array<ArrayBuffer> => { const grown = new Float64Array(this.#room); grown.set(old); return grown; };
    this.onlyWhenAsked = bytes(this.onlyWhenAsked);
    this.enabled = bytes(this.enabled);
    this.hypervisorUp = bytes(this.hypervisorUp);
    this.heardAt = floats(this.heardAt);
    this.#generations = floats(this.#generations);
    this.#versions = floats(this.#versions);
    for (const column of COLUMNS) {
      const grown = new Int32Array(this.#room);
      grown.set(this[column]);
      this[column] = grown;
    }
    this.scratchHosts = new Int32Array(this.#room);
    this.scratchScores = new Float64Array(this.#room);
  }
}
