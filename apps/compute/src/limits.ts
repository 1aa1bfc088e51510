/** Every bound of this app in one place, with its reason. Milliseconds unless the name says otherwise. */
export const LIMITS = {
  // the instance loop
  /** Rows just written that wait for the loop; what is more is read again. */
  rowsKept: 2_000,
  /** Instances worked at once: waiting for the scheduler hides well, the pool behind it is small. */
  loopConcurrency: 16,
  /** Found due without a wake-up, at the latest. */
  loopPollMs: 1_000,
  /** Longer than any one step (the claim's deadline is 10 s); after a crash another replica waits this long. */
  leaseMs: 15_000,
  /** Steps in one pass; the longest way (withdraw, release, unassign) has six. */
  stepsPerPass: 12,
  /** A host that has work is looked after this often: its hint may be lost, and its deadline's clock is wound here. */
  waitTickMs: 10_000,
  /** A host that does not settle for this long is told anew (a new place in its feed), so that it reports anew. */
  nudgeAfterMs: 60_000,
  /** Deletions have no deadline (they end with proof or a fence); they are looked after less and less often. */
  deleteTickMaxMs: 300_000,
  /** Nothing happened in all this time, with host, database and bus in reach: ERROR, explained. */
  buildDeadlineMs: 600_000,
  /** Start, stop, reboot. ACPI takes its time; the host turns hard long before this. */
  operateDeadlineMs: 600_000,
  /** No answer but errors from placement for this long while it was in reach. */
  claimDeadlineMs: 300_000,
  /** Down without having been seen up since it was told to run: then it switched itself off. */
  powerOffGraceMs: 60_000,
  retryMinMs: 250,
  retryMaxMs: 15_000,

  // requests
  /** Creates under way at a time: half as many as the loop works on, so that what was asked for is also built. */
  createsAtOnce: 8,
  /** Servers that wait for the loop, beyond which the next create waits, and for how long at most; looked at this often. */
  createsBehind: 32,
  createPatienceMs: 1_000,
  createLookMs: 10,
  /** A write that lost its race this often gives up with `unavailable`. */
  writeAttempts: 8,
  /** Regular expressions of strangers: longer than this is an attack or a mistake. */
  listStatementMs: 2_000,
  /** Servers of one answer, in bytes; a message takes 1,000,000 with what is around them. */
  answerBytes: 990_000,
  /** What may be long of the servers of an answer that no message limits: whoever asks has to hold it, and asks again for the rest. */
  handedOverBytes: 4 * 1024 * 1024,
  /** By how much one server may be longer than the first beside what is measured: the digits of its numbers. */
  listedSlackBytes: 60,
  /** Nova's. */
  tagsPerServer: 50,
  /** Nova's limit on user data is 65535 characters of base64. */
  userDataChars: 65_535,

  /** Extra specs of one flavor: every server made of it carries them. */
  extraSpecs: 256,
  /** Nova's, as the contracts say it where extra specs come alone. Values may be empty. */
  extraSpecChars: 255,

  /** Kinds of devices and attachments of one server, and slots of its guest, as contracts and layouts count them. */
  deviceNeeds: 32,
  devicesOfServer: 64,
  /** For an answer about devices within the request for them, which has ten seconds in all; then the loop asks. */
  attachAskMs: 5_000,

  // hosts
  /** NATS takes 1 MiB; half of it leaves room for escaping and headers. */
  pageBytes: 512 * 1024,
  pageEntries: 500,
  /** How old may knowledge of a host be that decides whether it is alive. */
  hostFreshMs: 5_000,
  /** And of its session (epoch, boot id), where it fits what the host says; where it does not, it is asked for anew. */
  sessionFreshMs: 60_000,
  hostsKept: 20_000,
  /** A pull's answer lets a host start guests for this long: many pulls may be lost before it matters. */
  hostLeaseMs: 120_000,
  /** Adopting after a restore: hosts asked at a time, claims in a message (well below 1 MiB), findings shown of one host. */
  adoptAtOnce: 64,
  adoptAskMs: 2_000,
  /** No new host is begun after this: the asker's 10 s are for the one under way too. */
  adoptMs: 6_000,
  /** Claims of one message: each may say where a hundred CPUs are, 4 KiB of text. */
  adoptClaims: 200,
  adoptShown: 500,
  adoptFlavors: 10_000,
  inspectEvents: 100,
  /** Notes of what nobody knows, of one host: a report names at most 500, and what is gone from there is kept for a while. */
  orphansOfHost: 2_000,
  /** They are shown for minutes after they were seen last; kept for people who ask a few days later. */
  orphansKeptMs: 7 * 86_400_000,
  /** Removed in one statement. */
  orphansSwept: 5_000,

  // timelines
  /** Rows that one timeline is made of, the newest: some hundred operations. */
  timelineRows: 5_000,
  /** Lines of one answer: under NATS' 1 MiB with long messages. */
  timelineLines: 1_000,
  timelineMessageChars: 500,
  /** Partitions of events are made this many months ahead: nobody notices a keeper that was away for a quarter. */
  eventsMonthsAhead: 3,
  /** Days for which events are kept, unless the operator says otherwise: over a year, for audits. */
  eventsKeepDays: 400,
  keepEventsMs: 3_600_000,
  /** Words of devices that wait to be booked: a card that falls out says 256, and what is beyond stands in the devices' own history. */
  deviceTroubles: 1_000,
  /** Those that were booked are known for so long: twice as long as the scheduler says them. */
  bookedTroublesDays: 14,
  // moves
  /** Moves that are to be confirmed by themselves are looked for this often, and read so many at a time. */
  confirmLookMs: 30_000,
  confirmedAtOnce: 100,

  /** Console text asked of a host must leave the asker time to answer. */
  hostAnswerMs: 4_000,

  // consoles
  /** A ticket is copied from a terminal into a browser within this time; it stands in URLs, so not longer. */
  consoleTicketTtlMs: 120_000,
  /** Tickets of one server that wait to be used: people use one. */
  consoleTicketsUnused: 50,
  /** Used tickets say who looked; the server's history says it for longer. */
  consoleTicketsKeptMs: 30 * 86_400_000,
  /** Old ones removed with each new one: more than one, so that they become fewer. */
  consoleTicketsSwept: 10,
  /** Flavors of one question for capacity: the scheduler looks at the whole fleet for each and each zone. */
  capacityFlavors: 200,
  /** A host's time to open a console and dial the door; the asker waits a little longer. */
  consoleConnectMs: 7_000,
} as const;
