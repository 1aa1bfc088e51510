/** Bounds of token verification, with their reasons. */
export const TOKEN_LIMITS = {
  /** A header longer than this is no token of ours (20 roles fit in 2 KiB) and is not even parsed. */
  maxTokenChars: 8_192,
  /** Verified tokens kept: about 2 KiB each, so at most ~8 MiB; beyond, the least recently used is verified again (0.1 ms). */
  verifiedTokens: 4_096,
  /** Keys and revocations are asked for again this long after an answer: half of what the promise of two seconds allows. */
  refreshMs: 1_000,
  /** A token with an unknown key makes us ask, at most this often: forged key ids must not flood identity. */
  unknownKeyRefreshMs: 250,
  /** After a failed fetch the next one waits this long. */
  failedRefreshMs: 200,
  /**
   * What was revoked longer ago than this is known, or no token is trusted (503). A request that comes later than this
   * after the last answer waits for a new one first.
   */
  trustedMs: 2_000,
  /** What goes on after its request (a stream) ends that long after the last answer: to end all of them with every hiccup would bring them all back at once. */
  goesOnMs: 10_000,
  /** What goes on after its request is looked after this often: with refreshMs within the promise. */
  watchMs: 500,
  /** A token from this far in the future (clocks of two machines) is still taken. */
  clockSkewS: 60,
  /** Revocations kept, about 300 bytes each; beyond, every token of before is refused and everybody logs in again. */
  revocations: 200_000,
  /** Transactions remembered of one and the same revocation; more of them within a moment are covered by its time. */
  revocationXids: 8,
  /** Pages of one round, of 1,000 rows each: more than a day's revocations can be. */
  revocationPages: 10_000,
  /** What has expired is looked for this often. */
  pruneMs: 60_000,
  /** Application credentials whose access rules are kept; asked for again when they come back. */
  accessRuleLists: 1_024,
  /** Segments and characters of a path that access rules look at. */
  accessPathChars: 4_096,
} as const;
