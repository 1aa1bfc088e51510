/**
 * The numbers of the fleet, a typed array for each, which grow together. Pure storage: knows no meaning, decides nothing.
 */
export class Columns {
  protected room = 0;
  generations = new Float64Array(0);
  versions = new Float64Array(0);
  makeVersions = new Float64Array(0);
  onlyWhenAsked = new Uint8Array(0);
  enabled = new Uint8Array(0);
  hypervisorUp = new Uint8Array(0);
  /** When the host was last heard, on the caller's monotonic clock, ms; -Infinity: never. */
  heardAt = new Float64Array(0);
  /** Builds that failed on it lately, and until when it takes nothing new for that, on the clock of heardAt. */
  recentFailures = new Int32Array(0);
  quarantinedUntil = new Float64Array(0);
  limitVcpus = new Int32Array(0);
  limitMemoryMib = new Int32Array(0);
  limitDiskGib = new Int32Array(0);
  usedVcpus = new Int32Array(0);
  usedMemoryMib = new Int32Array(0);
  usedDiskGib = new Int32Array(0);
  /** Of usedMemoryMib what is pinned, for guests with devices. */
  usedPinnedMib = new Int32Array(0);
  largestVcpus = new Int32Array(0);
  largestMemoryMib = new Int32Array(0);
  /** Dedicated CPUs in all cells, and those that nobody has. */
  dedicated = new Int32Array(0);
  freeDedicated = new Int32Array(0);
  /** Where a host's cells are in the cell table, and how many. */
  cellStarts = new Int32Array(0);
  cellCounts = new Int32Array(0);
  /** Index of what it is (traits, architecture), and of the aggregates it is in; 0: nothing, none. */
  kind = new Int32Array(0);
  aggregateSet = new Int32Array(0);
  /** Index of the images it has; 0: none, or nobody said. */
  imageSet = new Int32Array(0);
  /** Working space of one place() call; place() is synchronous, so one is enough. Marks are 0 between uses. */
  scratchHosts = new Int32Array(0);
  scratchScores = new Float64Array(0);
  scratchMarks = new Int32Array(0);

  /** A row of a host of which nothing is known. */
  protected clearRow(host: number): void {
    for (const name of NAMES) this[name][host] = 0;
    this.generations[host] = -1;
    this.versions[host] = -1;
    this.makeVersions[host] = -1;
    this.heardAt[host] = -Infinity;
    this.quarantinedUntil[host] = -Infinity;
  }

  protected copyRow(from: number, to: number): void {
    for (const name of NAMES) this[name][to] = this[name][from]!;
  }

  protected grow(): void {
    this.room = Math.max(64, this.room * 2);
    for (const name of NAMES) {
      const old = this[name];
      const grown = new (old.constructor as new (length: number) => typeof old)(this.room);
      grown.set(old as never);
      (this as Record<string, unknown>)[name] = grown;
    }
  }
}

const NAMES = [
  'generations', 'versions', 'makeVersions', 'onlyWhenAsked', 'enabled', 'hypervisorUp', 'heardAt', 'recentFailures', 'quarantinedUntil',
  'limitVcpus', 'limitMemoryMib', 'limitDiskGib', 'usedVcpus', 'usedMemoryMib', 'usedDiskGib', 'usedPinnedMib', 'largestVcpus', 'largestMemoryMib',
  'dedicated', 'freeDedicated', 'cellStarts', 'cellCounts', 'kind', 'aggregateSet', 'imageSet', 'scratchHosts', 'scratchScores', 'scratchMarks',
] as const;
