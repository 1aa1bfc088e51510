// Every bound of this library in one place, with its reason. All times in milliseconds.
export const LIMITS = {
  /** libvirtd works on at most 5 requests of one connection and stops reading it until one ends; a slot below that keeps
   * keepalive answers flowing while slow calls run. */
  inFlightPerLink: 4,
  /** Calls waiting for a slot: a host loop that queues more than this is looping, not working. */
  queuedPerLink: 512,
  /** Connect, authenticate, open: a daemon that has to probe its QEMU first took 12 s on a slow machine. */
  connectMs: 20_000,
  /** Questions and small changes answer in milliseconds; a domain's job lock can hold them for a while. */
  controlCallMs: 15_000,
  /** Start, stop and capability probing work with processes, disks and firmware. */
  longCallMs: 120_000,
  /** All slots held by calls whose deadline passed: after this long without an answer the link is given up. */
  stuckMs: 30_000,
  keepaliveIntervalMs: 5_000,
  /** Unanswered pings after which a link is dead. Counted in ticks, so that a pause of our own process is not taken for the daemon's. */
  keepaliveCount: 4,
  reconnectMinMs: 100,
  reconnectMaxMs: 5_000,
  /** Open console streams of one host: each has a connection of its own, and libvirtd's default max_clients is 5000. */
  streams: 64,
  /** Bytes waiting to leave one socket before the link counts as stuck: several of the largest frames. */
  sendBufferBytes: 128 * 1024 * 1024,
  /** sun_path of Linux, without its closing NUL. */
  socketPathBytes: 107,
} as const;
