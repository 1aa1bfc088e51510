/** Every bound of the image store, with its reason. Bytes and milliseconds unless named otherwise. */
export const LIMITS = {
  // what an image may carry (Glance's own defaults, so that what fits there fits here)
  nameChars: 255,
  tags: 128,
  tagChars: 255,
  properties: 128,
  propertyNameChars: 255,
  propertyValueChars: 65_535,
  /** Operations of one PATCH: all properties and tags, each twice. */
  patchOperations: 512,
  /** Minimum disk (GiB) and RAM (MiB): PostgreSQL's integer. */
  minimum: 2_147_483_647,

  // lists
  pageDefault: 100,
  pageMax: 1000,
  sortKeys: 6,
  filterValues: 100,

  // uploads
  /** At the same time in one process: each holds slabs * slabBytes, and all share the hash threads. */
  uploads: 16,
  slabs: 4,
  /** Large enough that a message per slab and hash thread costs nothing against the hashing. */
  slabBytes: 1024 * 1024,
  /** What is looked at to tell the format: qcow2's header and its extensions, ISO 9660's mark at 32 KiB. */
  headBytes: 64 * 1024,
  /** A disk inside an image: beyond, no host could hold it. */
  virtualSizeBytes: 16 * 1024 ** 4,
  /** An upload of unknown length reserves so much of its project's limit ahead of what has come: a commit less per slab. */
  reserveAheadBytes: 64 * 1024 * 1024,
  /** Free space is asked for again after this many bytes. */
  spaceCheckBytes: 64 * 1024 * 1024,
  /** Written data is pushed to the disk in parts of this size while more arrives, so that the final sync is short. */
  flushBytes: 64 * 1024 * 1024,
  /** Left free, or a twentieth of the file system where that is less: the database may live on the same disk. */
  reserveBytes: 1024 ** 3,
  /** An upload slower than slowBytes per slowWindowMs holds its place for nothing. */
  slowWindowMs: 60_000,
  slowBytes: 60 * 1024,
  /** How often a running upload says that it is alive, and the silence after which it is not. */
  beatMs: 5_000,
  leaseMs: 20_000,
  /** The last statement of an upload is repeated this long while the database is away: the bytes are all here. */
  finishPatienceMs: 15_000,
  /** Hash threads end after this long without work. */
  hashIdleMs: 60_000,
  /** At shutdown, uploads get this long to end, and once more this long to put their image back when they were cut off. */
  closeMs: 5_000,

  // downloads
  readBytes: 512 * 1024,
  /** Life of a signed URL: a host asks for a new one to resume. */
  urlMs: 5 * 60_000,

  // sweeping
  sweepMs: 60_000,
  /** A complete file that no row names is left this long: its upload may be finishing, or the row being repaired. */
  orphanMs: 60 * 60_000,
  sweepBatch: 500,
} as const;

/** What tests shorten. */
export type Timings = Record<'beatMs' | 'leaseMs' | 'sweepMs' | 'orphanMs' | 'finishPatienceMs' | 'slowWindowMs', number>;
