/** Limits of every loop, with reasons. Milliseconds. */
export const RECONCILE_LIMITS = {
  /** Keys worked at once: enough to hide waiting for the bus, few enough for the pool behind it. */
  concurrency: 16,
  /** Keys leased in one go. */
  batch: 64,
  /** How long a key stays ours without a sign of life; longer than any single step's deadline. */
  leaseMs: 30_000,
  /** Found due without being told, at the latest. */
  pollMs: 1_000,
  /** After the source itself failed (database away). */
  retrySourceMs: 500,
  /** Waiting for work under way at stop. */
  drainMs: 10_000,
} as const;
