/** How long and how many, for what this lib does to a real host. */
export const PCI_LIMITS = {
  /** Making 256 VFs with drivers took seconds on real cards; a guest that is asked to let a VF go has 2.9 s in the lab. */
  numVfsMs: 60_000,
  /** Binding a GPU to its driver loads firmware. */
  bindMs: 30_000,
  /** A function may take 100 ms for its reset and up to 60 s until it answers again. */
  resetMs: 70_000,
  ipMs: 10_000,
  /** Reading what needs a device's lock: someone else's writer may hang on it. */
  lockedReadMs: 3_000,
  /** Vital product data is read through a serial bus on the card. */
  serialMs: 10_000,
  /** Then a card has none. */
  serialAttempts: 3,
  /** How often a look begins anew because an interface was renamed under it. */
  renames: 3,
  /** Looks at files at once: the thread pool has four threads, and others need it too. */
  readsAtOnce: 16,
  /** How often the bus is looked at for changes; a look costs some milliseconds. */
  changeEveryMs: 5_000,
  /** `ip` prints about 300 bytes for each VF. */
  outputBytes: 16 * 1024 * 1024,
} as const;
