/**
 * The fleet as placement sees it: flat columns, one entry per host, so that a thousand hosts are looked through in
 * microseconds. Owns nothing: PostgreSQL is the truth, the feed puts rows in. Never reads a clock or a database. If
 * the process dies here nothing is lost; the next one reads the rows again.
 */
import { Aggregates } from './aggregates.js';
import { Columns } from './columns.js';
import type { ClassRow, DeviceRow, PoolRow } from './devices/device-row.js';
import { DeviceSettings } from './devices/device-settings.js';
import { HostDevices } from './devices/host-devices.js';
import type { AggregateRow, Amounts, Capacity, Claimed, HostMake, HostRow } from './host-row.js';
import { ImageSets } from './image-sets.js';
import { Kinds } from './kinds.js';
import { CellTable } from './numa/cell-table.js';
import { HostCells } from './numa/host-cells.js';
import type { Candidate, PlacementRequest } from './request.js';
import { HostResources } from './resources.js';

const CAPACITY = ['limitVcpus', 'limitMemoryMib', 'limitDiskGib', 'usedVcpus', 'usedMemoryMib', 'usedDiskGib', 'usedPinnedMib', 'largestVcpus', 'largestMemoryMib'] as const;

/** What of a host was used at some moment, for taking assumptions back. */
export interface HostMemory { used: Amounts; pinnedMib: number; claimed: Claimed; devices: ReadonlySet<string> }

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
  /** null: none were ever told. */
  readonly hostDevices: (HostDevices | null)[] = [];
  readonly deviceSettings = new DeviceSettings();
  /** Hosts with devices: mostly none, and nobody has to look. */
  withDevices = 0;
  /** The numbers of all cells; cellStarts and cellCounts say which are a host's. */
  readonly cellTable = new CellTable();
  /** Traits and architecture: `kind` of a host names its entry. */
  readonly kinds = new Kinds();
  readonly aggregates = new Aggregates();
  readonly imageSets = new ImageSets();
  readonly #index = new Map<string, number>();
  readonly #lists: unknown[][] = [this.ids, this.names, this.zones, this.disabledReasons, this.bootIds, this.hostCells, this.resources, this.hostDevices];

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
    if (row.devices !== undefined && row.devices.rows.length > 0) changed = this.#devicesOf(host).put(row.devices.rows) || changed;
    return this.applyCapacity(host, row.capacity, force || !known) || changed;
  }

  /** Are the devices of this host those that the row's versions speak of? An older row says nothing. */
  agreesOn({ id, devices, capacity }: HostRow): boolean {
    const host = this.#index.get(id);
    if (host === undefined || devices === undefined || capacity.version < this.versions[host]!) return true;
    return this.hostDevices[host]?.agrees(devices) ?? devices.count === 0;
  }

  /** All devices of a host, in the place of those known. */
  replaceDevices(id: string, rows: readonly DeviceRow[]): void {
    const host = this.#index.get(id);
    if (host !== undefined && (rows.length > 0 || this.hostDevices[host])) this.#devicesOf(host).replace(rows);
  }

  /** Adds up what a host has free now, so that the next decision need not. */
  countDevices(id: string): void {
    const host = this.#index.get(id);
    if (host !== undefined) this.hostDevices[host]?.stock(this.deviceSettings);
  }

  /** The answer to claims on this host: what was assumed of its devices is settled by it. */
  settleDevices(host: number, rows: readonly DeviceRow[]): void {
    this.hostDevices[host]?.settle(rows);
  }

  /** What was assumed and may never have been is forgotten. */
  forgetAssumedDevices(): void {
    for (const devices of this.hostDevices) devices?.restore(new Set());
  }

  setDeviceSettings(pools: readonly PoolRow[], classes: readonly ClassRow[]): void {
    this.deviceSettings.set(pools, classes);
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
      limitVcpus: limit.vcpus, limitMemoryMib: limit.memoryMib, limitDiskGib: limit.diskGib, usedVcpus: used.vcpus, usedMemoryMib: used.memoryMib, usedDiskGib: used.diskGib, usedPinnedMib: capacity.pinnedMib ?? 0,
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
  assume({ host, amounts, layout }: Candidate, request: Pick<PlacementRequest, 'group'>): void {
    if (layout?.devices !== undefined && layout.devices.length > 0) {
      this.#devicesOf(host).assume(layout.devices.map(({ deviceId }) => deviceId));
      this.usedPinnedMib[host]! += amounts.memoryMib;
    }
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
      pinnedMib: this.usedPinnedMib[host]!,
      claimed: { ...(this.hostCells[host]?.claimed() ?? { cpus: [], cells: [] }), resources: this.resources[host]?.used() ?? {} },
      devices: this.hostDevices[host]?.assumed() ?? new Set(),
    };
  }

  /** As remembered. Only before anything else was taken of that host: rows that came between would be lost. */
  restore(id: string, { used, pinnedMib, claimed, devices }: HostMemory): void {
    const host = this.indexOf(id);
    if (host < 0) return;
    this.usedVcpus[host] = used.vcpus;
    this.usedMemoryMib[host] = used.memoryMib;
    this.usedDiskGib[host] = used.diskGib;
    this.usedPinnedMib[host] = pinnedMib;
    this.hostDevices[host]?.restore(devices);
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
    if (this.hostDevices[host]) this.withDevices -= 1;
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

  #devicesOf(host: number): HostDevices {
    const known = this.hostDevices[host];
    if (known) return known;
    this.withDevices += 1;
    return (this.hostDevices[host] = new HostDevices());
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
    this.hostDevices[host] = null;
    this.aggregateSet[host] = this.aggregates.setOf(id);
    return host;
  }
}
