/** Bounds of token verification, with their reasons. */
export const TOKEN_LIMITS = {
  /** A header longer than this is no token of ours (20 roles fit in 2 KiB) and is not even parsed. */
  maxTokenChars: 8_192,
  /** Verified tokens kept: about 2 KiB each, so at most ~8 MiB; beyond, the least recently used is verified again (0.1 ms). */
  verifiedTokens: 4_096,
  /** The keys are fetched again this often, so that a retired key stops counting. */
  keysRefreshMs: 30_000,
  /** A token with an unknown key makes us ask, at most this often: forged key ids must not flood identity. */
  unknownKeyRefreshMs: 1_000,
  /** After a failed fetch the next one waits this long. */
  failedRefreshMs: 200,
  /** Without a fresh answer for this long the keys are no longer trusted (503): the default lifetime of a token. */
  keysTrustedMs: 3_600_000,
  /** A token from this far in the future (clocks of two machines) is still taken. */
  clockSkewS: 60,
} as const;
