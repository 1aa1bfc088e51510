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
  /**
   * Decisions of a batch, rows of a read: they go on this long before everything else of the process has its turn. One
   * decision takes 3 ms at most in a fleet of 10,000 hosts, so nobody waits for more than the two together (decision 20).
   */
  turnMs: 4,
  /** After a claim of CPUs, cells or pages was lost to another scheduler, choices are spread over the best few for this long, */
  contendedMs: 5_000,
  /** and made on a snapshot that is no older than this: what others have taken meanwhile is worth one read for a batch. */
  contendedReadMs: 20,
  /** Where several schedulers are, each takes exact CPUs, cells and pages from hosts of its own among so many of the best. */
  among: 32,
  /** A scheduler tells others that it is there this often, and is forgotten when it was not heard for three times that; more of them are not counted. */
  peersSayMs: 2_000,
  peersForgetMs: 7_000,
  peers: 64,
  /** A change that nobody told us about (another replica's) is seen after this. */
  feedPollMs: 1_000,
  /** Everything is read and compared this often: repairs what a bug of the feed would leave wrong, and reports it. */
  feedFullMs: 60_000,
  /** Rows of a full read that are taken at a time: some 3 ms. */
  feedRows: 500,
  /** Hosts whose devices are read at a time: 256 on each are some 5 ms. */
  feedDeviceHosts: 8,
  /** How often beats are looked through for what is worth storing. */
  beatsTickMs: 2_000,
  /** A host that goes on living is stored this seldom. */
  beatsStoreMs: 8_000,
  /** How often hosts are looked through for echoes that are due; a tick that is late by more than `stallMs` says that this process stood still. */
  echoTickMs: 500,
  stallMs: 2_000,
  /** The routine echo of a host that sends beats: 1,000 hosts are some 65 questions a second. */
  echoEveryMs: 15_000,
  /** After one that did not come back. */
  echoAgainMs: 700,
  /** How long an echo of a silent host is waited for; the routine one has the contract's time. */
  echoSuspectMs: 1_000,
  /** Echoes under way at a time: a burst of suspicions must not become a storm. */
  echoesAtOnce: 64,
  /** Silence that confirms what two missing echoes say; a host that still sends beats gets three. */
  echoesWhenSilent: 2,
  echoesWhenHeard: 3,
  /** When everybody falls silent at once it is more likely that we are deaf: so much longer nobody is called lost. */
  massSilenceMs: 20_000,
  /** Rows of one beats statement. */
  beatsBatch: 2_000,
  /** Claims older than the longest message is ever, ten times over; late ones are refused that long. */
  tombstoneDays: 10,
  /** A used or expired token answers a repeat of its host that long. */
  tokenDays: 10,
  /** Fences that wait for their next step are looked for this often; a request wakes the loop at once. */
  fencePollMs: 2_000,
  /** Whoever took a fence's step up has this long. */
  fenceStepMs: 45_000,
  fenceAgainMs: 5_000,
  /** Cutting a host's power is tried this often before the fence gives up. */
  powerAttempts: 5,
  powerMs: 30_000,
  /** By machine, without --force: no more than this share of hosts may look lost, and one host always may. */
  lostShare: 0.1,
  lostLatelyMs: 3_600_000,
  hostEvents: 50,
  /** A question that claims nothing: its asker waits 8 s. 10,000 hosts are 10 ms for a plain flavor, 0.7 s for one with a layout. */
  questionMs: 7_000,
  /** Questions under way and waiting; beyond, who asks comes again. */
  questionsWaiting: 16,
  /** Claims in one answer, some 250 bytes each: no host has as many, and they fit one message. */
  listedAllocations: 2_000,
  /** Aggregates are listed without pages, as in Nova: their names, metadata and hosts' names (`bytes`), and 250 bytes for each, fit one message. */
  aggregates: { count: 1_000, bytes: 655_360 },
  /** Three failures in a row may be chance no more; a minute later a trial costs one server, a broken host half an hour between two. */
  quarantine: { failures: 3, firstMs: 60_000, mostMs: 1_800_000, keptMs: 3_600_000, share: 0.1 },
  buildsTickMs: 30_000,
  /** Slots of a guest, as layouts count them. */
  devicesOfServer: 64,
  /** More devices for a server are chosen so often, each time because others were faster: eight schedulers at one host's last ones. */
  attachAttempts: 8,
  /** No device is given out as often: a host that says so is wrong, and its row could count no further. */
  deviceGenerations: 1_000_000_000,
  /** Entries and bytes of one page of wishes: a pool may list thousands of VLANs. */
  wishesPage: 1_000,
  wishesPageBytes: 600_000,
  /** Troubles of one report that servers' people read of: a whole card that falls out is 256 VFs. How many compute is asked to book at once, how often it is looked for some, and how long it is left alone at the most when it does not answer. */
  troublesTold: 256,
  troublesAtOnce: 100,
  troublesPollMs: 5_000,
  troublesRetryMostMs: 60_000,
  /** What was not booked for so long, or has so many after it, is dropped: it stands in the devices' history. */
  troublesKept: { days: 7, rows: 50_000 },
  /** Hosts of one read while a change of classes or pools is thought through: some 1,000 devices, 20 ms. */
  planHosts: 4,
  /** Hosts whose devices are placed anew one after the other before others are asked again, and how often that is looked for without a hint. */
  placeHosts: 32,
  placePollMs: 5_000,
  /** Bytes of a list of devices: some 700 of them. */
  deviceListBytes: 700_000,
  topologyDevices: 1_500,
  /** Hosts of one transaction while rows are made anew: nobody's claim waits for long. */
  rescanHosts: 50,
  deviceClasses: 200,
  devicePools: 500,
  deviceMetersMs: 30_000,
  /** Numbers of classes for flavors' checks may be so old: counting a quarter of a million devices takes some tenths of a second. */
  deviceCountsMs: 2_000,
  /** Gone for so long, clean, and not in quarantine: the row goes. Should it come back, its host knows the generation. */
  deviceGoneDays: 90,
  sweepMs: 3_600_000,
  /** Partitions of host events are made this many months ahead, and kept this many days unless the operator says otherwise. */
  eventsMonthsAhead: 3,
  eventsKeepDays: 400,
  /** Rows of one sweep statement: never a long lock. */
  sweepBatch: 10_000,
  /** While the database is away: how long until the next try of a periodic task. */
  retryMs: 1_000,
} as const;
