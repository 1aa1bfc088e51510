/** Bounds of the copies of limits, with their reasons. Milliseconds unless named otherwise. */
export const QUOTA_LIMITS = {
  /** Measured from when it was asked for; the rest of two seconds is for the answer's way and for the transaction that counts by it. */
  freshMs: 1_500,
  /** Identity away: the last copy counts this long, then what needs a limit waits for identity. */
  staleMs: 300_000,
  /** Identity away and a copy at hand: asked again after this long, so that not every request waits for a deadline. */
  retryMs: 1_000,
  /** Projects whose limits are kept; the one asked for longest ago goes first. */
  kept: 10_000,
} as const;
