/** Every bound of the public door, with its reason. Milliseconds and bytes. */
export const LIMITS = {
  /** JSON bodies: Nova's user data (64 KiB in base64) and 128 metadata items fit many times over. */
  jsonBodyBytes: 1024 * 1024,
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
  /** Of a value that is quoted back in an error. */
  quotedChars: 200,
  /** Problems of one input that are told at once. */
  problems: 10,
} as const;
