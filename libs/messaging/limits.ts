/** Limits of the bus, with reasons. */
export const LIMITS = {
  /** NATS' own default maximum is 1 MiB; what is larger must be paged or fetched by URL. */
  messageBytes: 1_000_000,
  /** Calls of one contract under way in one process; more are told "busy" at once rather than queued unseen. */
  runningCallsPerContract: 2_000,
  /** A handshake waits for the server and for this process itself, which may have a thousand of them under way. Milliseconds. */
  connectMs: 5_000,
  /** A connection that died without a word is noticed after two to three of these. Milliseconds. */
  pingMs: 5_000,
  /** And a host's after one to two of these: thousands of hosts ping one server, and the control plane misses them sooner anyway. */
  hostPingMs: 15_000,
  /** 1,000 connections of one process are back in 5 s; of 1,000 processes, 2,000 a second come. */
  reconnectSpacingMs: 5,
  reconnectJitterMs: 500,
} as const;

/** Limits that NATS itself enforces on every user, with reasons. */
export const LIMITS_OF_USERS = {
  /** A host needs three subscriptions, a service some tens. */
  subscriptions: 500,
  payloadBytes: 1_048_576,
  /** 30 s in nanoseconds: longer than any contract's timeout. */
  answerWithinNs: 30_000_000_000,
} as const;
