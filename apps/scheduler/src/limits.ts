/** Limits of the scheduler, with reasons. Times in milliseconds. */
export const LIMITS = {
  /** Claims or releases in one statement: large enough that a burst is few commits, small enough that one waits only some ms. */
  batch: 128,
  /** Requests that wait for a statement; beyond it the asker is told to come back rather than left to time out. */
  waiting: 5_000,
  /**
   * Rounds one claim goes through before its asker is told to come back. Each was lost to somebody who got the room, so
   * the fleet as a whole moves on; four schedulers that chase one last slot lose 3 of 4 rounds each.
   */
  claimAttempts: 32,
  /** A change that nobody told us about (another replica's) is seen after this. */
  feedPollMs: 1_000,
  /** Everything is read and compared this often: repairs what a bug of the feed would leave wrong, and reports it. */
  feedFullMs: 60_000,
  /** How often beats are looked through for what is worth storing. */
  beatsTickMs: 2_000,
  /** A host that goes on living is stored this seldom. */
  beatsStoreMs: 8_000,
  /** Rows of one beats statement. */
  beatsBatch: 2_000,
  /** Claims older than the longest message is ever, ten times over; late ones are refused that long. */
  tombstoneDays: 10,
  /** A used or expired token answers a repeat of its host that long. */
  tokenDays: 10,
  sweepMs: 3_600_000,
  /** Rows of one sweep statement: never a long lock. */
  sweepBatch: 10_000,
  /** While the database is away: how long until the next try of a periodic task. */
  retryMs: 1_000,
} as const;
