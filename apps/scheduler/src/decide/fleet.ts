/**
 * The fleet as placement sees it: flat columns, one entry per host, so that a thousand hosts are looked through in
 * microseconds. Owns nothing: PostgreSQL is the truth, the feed puts rows in. Never reads a clock or a database. If
 * the process dies here nothing is lost; the next one reads the rows again.
 */
import { Aggregates } from './aggregates.js';
import { Columns } from './columns.js';
import type { AggregateRow, Amounts, Capacity, Claimed, HostMake, HostRow } from './host-row.js';
import { ImageSets } from './image-sets.js';
import { Kinds } from './kinds.js';
import { CellTable } from './numa/cell-table.js';
import { HostCells } from './numa/host-cells.js';
import type { Candidate, PlacementRequest } from './request.js';
import { HostResources } from './resources.js';

const CAPACITY = ['limitVcpus', 'limitMemoryMib', 'limitDiskGib', 'usedVcpus', 'usedMemoryMib', 'usedDiskGib', 'largestVcpus', 'largestMemoryMib'] as const;

/** What of a host was used at some moment, for taking assumptions back. */
export interface HostMemory { used: Amounts; claimed: Claimed }

export class Fleet extends Columns {
  size = 0;
  /** Hosts of which setFailures said anything: mostly none, and nobody has to look. */
  failing = 0;
  readonly ids: string[] = [];
  readonly names: string[] = [];
  readonly zones: string[] = [];
  readonly disabledReasons: (string | null)[] = [];
  readonly bootIds: (string | null)[] = [];
  /** null: its make was never told. */
  readonly hostCells: (HostCells | null)[] = [];
  readonly resources: (HostResources | null)[] = [];
  /** The numbers of all cells; cellStarts and cellCounts say which are a host's. */
  readonly cellTable = new CellTable();
  /** Traits and architecture: `kind` of a host names its entry. */
  readonly kinds = new Kinds();
  readonly aggregates = new Aggregates();
  readonly imageSets = new ImageSets();
  readonly #index = new Map<string, number>();
  readonly #lists: unknown[][] = [this.ids, this.names, this.zones, this.disabledReasons, this.bootIds, this.hostCells, this.resources];

  /** The host's position, or -1. Positions change when a host is removed: never keep one across an await. */
  indexOf(id: string): number {
    return this.#index.get(id) ?? -1;
  }

  /** Takes what of a row is not older than what is known. `force` takes it anyway (a full read that repairs). Answers whether anything differed. */
  put(row: HostRow, force = false): boolean {
    let host = this.#index.get(row.id);
    const known = host !== undefined;
    host ??= this.#add(row.id);
    let changed = !known;
    if (!known || force || row.generation >= this.generations[host]!) changed = this.#putIdentity(host, row) || changed;
    if (row.make && (force ? row.make.version !== this.makeVersions[host] : row.make.version > this.makeVersions[host]!)) {
      this.#putMake(host, row.make);
      changed = true;
    }
    return this.applyCapacity(host, row.capacity, force || !known) || changed;
  }

  /** Is this row of the very versions that are known? Then it should not differ. */
  isCurrent(row: HostRow): boolean {
    const host = this.#index.get(row.id);
    return host !== undefined && this.generations[host] === row.generation && this.versions[host] === row.capacity.version && (!row.make || row.make.version === this.makeVersions[host]);
  }

  /** Usage and limits as a statement returned them; an older version is not taken. Answers whether anything differed. */
  applyCapacity(host: number, capacity: Capacity, force = false): boolean {
    if (!force && capacity.version < this.versions[host]!) return false;
    this.versions[host] = capacity.version;
    const { limit, used, largest, claimed } = capacity;
    const next: Record<(typeof CAPACITY)[number], number> = {
      limitVcpus: limit.vcpus, limitMemoryMib: limit.memoryMib, limitDiskGib: limit.diskGib, usedVcpus: used.vcpus, usedMemoryMib: used.memoryMib, usedDiskGib: used.diskGib,
      largestVcpus: largest.vcpus, largestMemoryMib: largest.memoryMib,
    };
    let changed = false;
    for (const column of CAPACITY) {
      if (this[column][host] === next[column]) continue;
      this[column][host] = next[column];
      changed = true;
    }
    if (claimed === undefined) return changed;
    const resources = this.resources[host]?.setUsed(claimed.resources) ?? false;
    if (!this.hostCells[host]?.setClaimed(claimed)) return resources || changed;
    this.#writeCells(host);
    return true;
  }

  /** Counts a choice that is not committed yet, so that the next request of the same batch sees it, groups included. */
  assume({ host, amounts }: Candidate, request: Pick<PlacementRequest, 'group'>): void {
    this.usedVcpus[host]! += amounts.vcpus;
    this.usedMemoryMib[host]! += amounts.memoryMib;
    this.usedDiskGib[host]! += amounts.diskGib;
    this.resources[host]?.take(amounts.resources);
    if (amounts.cpus.length > 0 || amounts.cells.length > 0) {
      this.hostCells[host]?.take(amounts);
      this.#writeCells(host);
    }
    const members = request.group?.members;
    const id = this.ids[host]!;
    members?.set(id, (members.get(id) ?? 0) + 1);
  }

  /** Before something is assumed that is to be taken back. */
  remember(host: number): HostMemory {
    return {
      used: { vcpus: this.usedVcpus[host]!, memoryMib: this.usedMemoryMib[host]!, diskGib: this.usedDiskGib[host]! },
      claimed: { ...(this.hostCells[host]?.claimed() ?? { cpus: [], cells: [] }), resources: this.resources[host]?.used() ?? {} },
    };
  }

  /** As remembered. Only before anything else was taken of that host: rows that came between would be lost. */
  restore(id: string, { used, claimed }: HostMemory): void {
    const host = this.indexOf(id);
    if (host < 0) return;
    this.usedVcpus[host] = used.vcpus;
    this.usedMemoryMib[host] = used.memoryMib;
    this.usedDiskGib[host] = used.diskGib;
    this.resources[host]?.setUsed(claimed.resources);
    if (this.hostCells[host]?.setClaimed(claimed)) this.#writeCells(host);
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

  /**
   * @param recent builds that failed on the host lately. @param quarantinedUntil on the clock of heardAt, ms: takes
   * nothing new before; -Infinity: it does.
   */
  setFailures(id: string, recent: number, quarantinedUntil: number): void {
    const host = this.#index.get(id);
    if (host === undefined) return;
    this.failing += Number(recent > 0 || quarantinedUntil > -Infinity) - this.#isFailing(host);
    this.recentFailures[host] = recent;
    this.quarantinedUntil[host] = quarantinedUntil;
  }

  /** Marks of the images it has now, in the place of those known. */
  setImages(id: string, images: readonly string[]): void {
    const host = this.#index.get(id);
    if (host === undefined) return;
    const before = this.imageSet[host]!;
    this.imageSet[host] = this.imageSets.take(images);
    this.imageSets.release(before);
  }

  /** All aggregates there are, in the place of those known. */
  setAggregates(rows: readonly AggregateRow[]): void {
    this.aggregates.set(rows);
    for (let host = 0; host < this.size; host += 1) this.aggregateSet[host] = this.aggregates.setOf(this.ids[host]!);
  }

  /** Forgets a host; the last one moves into its place. */
  remove(id: string): boolean {
    const host = this.#index.get(id);
    if (host === undefined) return false;
    this.cellTable.release(this.cellStarts[host]!, this.cellCounts[host]!);
    this.failing -= this.#isFailing(host);
    this.imageSets.release(this.imageSet[host]!);
    const last = this.size - 1;
    if (host !== last) {
      for (const list of this.#lists) list[host] = list[last];
      this.copyRow(last, host);
      this.#index.set(this.ids[host]!, host);
    }
    this.#index.delete(id);
    for (const list of this.#lists) list.length = last;
    this.size = last;
    return true;
  }

  #isFailing(host: number): number {
    return Number(this.recentFailures[host]! > 0 || this.quarantinedUntil[host]! > -Infinity);
  }

  #putIdentity(host: number, row: HostRow): boolean {
    const changed = this.names[host] !== row.name || this.zones[host] !== row.zone || this.bootIds[host] !== row.bootId
      || this.disabledReasons[host] !== row.disabledReason
      || this.enabled[host] !== (row.enabled ? 1 : 0) || this.onlyWhenAsked[host] !== (row.onlyWhenAsked ? 1 : 0);
    this.generations[host] = row.generation;
    this.names[host] = row.name;
    this.zones[host] = row.zone;
    this.bootIds[host] = row.bootId;
    this.disabledReasons[host] = row.disabledReason;
    this.enabled[host] = row.enabled ? 1 : 0;
    this.onlyWhenAsked[host] = row.onlyWhenAsked ? 1 : 0;
    return changed;
  }

  /** What is claimed stays claimed, whatever the host is made of now. */
  #putMake(host: number, make: HostMake): void {
    this.makeVersions[host] = make.version;
    const cells = new HostCells(make);
    const before = this.hostCells[host];
    if (before) cells.setClaimed({ ...before.claimed(), resources: {} });
    this.hostCells[host] = cells;
    this.resources[host] = new HostResources(make.resources, this.resources[host] ?? null);
    this.kind[host] = this.kinds.of(make.architecture, make.traits);
    if (this.cellCounts[host] !== cells.cells.length) {
      this.cellTable.release(this.cellStarts[host]!, this.cellCounts[host]!);
      this.cellStarts[host] = this.cellTable.allocate(cells.cells.length);
      this.cellCounts[host] = cells.cells.length;
    }
    this.dedicated[host] = cells.cells.reduce((sum, cell) => sum + cell.dedicated, 0);
    this.#writeCells(host);
  }

  #writeCells(host: number): void {
    this.freeDedicated[host] = this.hostCells[host]?.write(this.cellTable.data, this.cellStarts[host]!) ?? 0;
  }

  #add(id: string): number {
    if (this.size === this.room) this.grow();
    const host = this.size;
    this.size += 1;
    this.#index.set(id, host);
    this.clearRow(host);
    this.ids[host] = id;
    this.hostCells[host] = null;
    this.resources[host] = null;
    this.aggregateSet[host] = this.aggregates.setOf(id);
    return host;
  }
}
