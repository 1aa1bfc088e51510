/** Every bound of the public door, with its reason. Milliseconds and bytes. */
export const LIMITS = {
  /** JSON bodies: Nova's user data (64 KiB in base64) and 128 metadata items fit many times over. */
  jsonBodyBytes: 1024 * 1024,
  /** Nesting of a JSON body: ours have less than ten levels; whoever walks one by recursion must not run out of stack. */
  jsonDepth: 100,
  /** A JSON body must have arrived by then: a client that sends a byte a second holds no memory for long. */
  jsonBodyMs: 30_000,
  /** All headers must have arrived by then (slowloris). */
  headersMs: 15_000,
  /** Headers of one request: a token with many roles is 2 KiB, proxies add theirs. */
  headerBytes: 32 * 1024,
  /** Longer URLs than this are refused by the router (one path parameter; names are at most 255). */
  paramChars: 512,
  /** A connection on which nothing moves at all is closed: above every timeout of our own answers. */
  idleSocketMs: 120_000,
  /** Longer than the 60 s after which usual proxies drop their side, so that it is they who close. */
  keepAliveMs: 75_000,
  /** How often the deadlines above are looked at. */
  connectionCheckMs: 5_000,
  /** Open connections of one process; beyond, the kernel's queue and then refusal. */
  connections: 10_000,
  /** A refused upload is read on for this long, so that the client comes to read why, and then cut off. */
  lingerMs: 30_000,
  /** After a deadline was missed and said so: time for the answer to leave, then the connection goes. */
  cutMs: 1_000,
  /** Requests under way get this long when the process shuts down; an upload that is cut off starts over. */
  closeMs: 10_000,
  /** While it shuts down, connections that became idle are looked for this often. */
  closeIdleMs: 50,
  /** Projects whose brakes are remembered, some 200 bytes each; one that is forgotten starts with a full burst. */
  braked: 10_000,
  /** A UUID has 36; what is longer than a name anywhere else is a mistake. */
  idempotencyKeyChars: 255,
  /** How long a keyed request counts as being performed when nothing more is heard: longer than any handler's questions take together. */
  idempotencyLockMs: 30_000,
  idempotencyKeepMs: 86_400_000,
  /** Keys of one project in that time: more than one a second all day, at about 2 KiB each. */
  idempotencyKeysPerProject: 100_000,
  /** The longest answer to a POST (10,000 enrolment tokens) fits; a longer one is not kept. */
  idempotentAnswerBytes: 1024 * 1024,
  /** Of a value that is quoted back in an error. */
  quotedChars: 200,
  /** Problems of one input that are told at once. */
  problems: 10,
  /** WebSockets of one process; each is two sockets of the connections above, a console has two. */
  webSockets: 4_000,
  /** Who does not answer two of these is gone; also keeps proxies from closing what is idle. */
  webSocketPingMs: 20_000,
  /** Sent and not yet taken by the other side: beyond, its source waits. */
  webSocketBufferBytes: 1024 * 1024,
  /** For the answer to a goodbye. */
  goodbyeMs: 3_000,
} as const;
