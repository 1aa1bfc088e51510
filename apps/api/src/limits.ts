/** Every bound of this app in one place, with its reason. */
export const LIMITS = {
  /** Entries of a list's page; Nova's own default. Clients follow the next link. */
  page: 1000,
  /** Bytes of a list that are held until all of it is made: a page without long user data or metadata has a megabyte and a half. A longer one is sent while it is made. */
  listHeldBytes: 4 * 1024 * 1024,
  /** Servers of one request: as many ids as the create contract carries. */
  serversPerRequest: 200,
  /** Servers that one hint names: as many as the contract carries. */
  hintedServers: 100,
  /** Entries left out at the front of a list that knows no marker: beyond, there is nothing anyway. */
  offset: 1_000_000,
  /** Tags of one server, and characters of one: Nova's. */
  tags: 50,
  tagChars: 60,
  /** Base64 characters of user data: Nova's. */
  userDataChars: 65_535,
  /** Sort keys of one list: each is a column of the order. */
  sortKeys: 5,
  /** A filter that is a regular expression: as long as the longest name, and what the list contract carries. */
  regexChars: 255,
  /** States in one list's filter: more than there are, and what the list contract carries. */
  statesAsked: 20,
  /** A flavor's rxtx factor is kept as a number of 4 bytes. */
  rxtxFactorMin: 1e-37,
  rxtxFactorMax: 3.4e38,
  /** Servers read to say which are on which hypervisor; beyond, ask for one hypervisor. */
  hypervisorServers: 20_000,
  /** Lists longer than this show how hosts were up to so long ago, milliseconds: nobody sees the difference, and asking costs as much as the list. */
  hostStatesShared: 20,
  hostStatesFreshMs: 1_000,
  /** Hosts that join per second, and at once: a token cannot be guessed at that pace, and signing costs CPU. */
  joinsPerSecond: 10,
  joinsAtOnce: 20,
  /** Kinds of refused requests that are written to the audit trail together, this long after the first. */
  denialsAtOnce: 100,
  denialsMs: 1_000,
  /** Audit records of one answer, and of one question while all are streamed. */
  auditRecords: 1_000,
  auditPage: 500,
  /** Entries of one server’s timeline at a time. */
  timelineEntries: 200,
  /** Records of keyed requests are looked through this often, and dropped so many at a time: never a long lock. Milliseconds, rows. */
  sweepMs: 600_000,
  sweepBatch: 5_000,
  /** Event streams: while somebody listens, one cheap question this often, for all of them; later while nobody answers. Milliseconds. */
  changesPollMs: 250,
  changesRetryMs: 1_000,
  changesPage: 1_000,
  /** A client that was away is told so many pages of what it missed; beyond, it is faster to look at everything anew. */
  streamPages: 100,
  /** Changes kept for one client while it is told what it missed, some 200 bytes each. */
  streamWaiting: 10_000,
  /** Unread bytes after which a client is cut off: the streams together then hold half a gigabyte at the very most. */
  streamBufferBytes: 256 * 1024,
  /** Well under the 60 s after which usual proxies drop a connection that says nothing. */
  streamBeatMs: 15_000,
  /** Is its token still good? Two seconds at most are promised, one of which it takes to hear of it. */
  streamWatchMs: 500,
  /** Nobody stays for ever: tokens end, and load is shared out anew. */
  streamLifeMs: 3_600_000,
  streamRetryMs: 1_000,
  /** What is still unread when a stream is cut off has this long to leave. */
  streamGoodbyeMs: 5_000,
  streamsPerProject: 20,
  streams: 2_000,
  /** Enrolment tokens of one request. */
  enrolTokens: 10_000,

  // consoles
  /** One message of a client's: keys, a paste; of a host's: a piece of a screen. Larger ends the console. */
  consoleClientMessageBytes: 256 * 1024,
  consoleHostMessageBytes: 1024 * 1024,
  /** A console at which nobody types and that shows nothing new. */
  consoleIdleMs: 30 * 60_000,
  /** Whatever happens: a day's work. */
  consoleMaxMs: 12 * 3_600_000,
  /** For the client's answer to a goodbye. */
  consoleGoodbyeMs: 3_000,

  // disks between hosts
  /** Carried by one process at a time: each is a stream as fast as its hosts are. */
  diskRelays: 16,
  diskRelayRetryS: 5,
  /** The host that has the disk was asked over the bus and dials at once. */
  diskDialMs: 5_000,
  /** Neither side takes or gives a byte. */
  diskIdleMs: 30_000,
} as const;
