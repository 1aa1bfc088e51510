/** Every bound of the agent in one place, with its reason. Times in milliseconds, sizes in bytes unless named. */
export const LIMITS = {
  /** A lost hint or event delays by at most this: the loop looks anyway. */
  tickEveryMs: 5_000,
  /** Between two looks, when events come in a stream: as long as the last look took, at most this. */
  tickPauseMaxMs: 200,
  /** Pulls without a hint while something changes; then ever more seldom. */
  pullEveryMs: 5_000,
  /** At rest: a third of what a pull's lease lasts, and whoever waits for a host rings it every ten seconds anyway. */
  pullAtRestMs: 40_000,
  /** Everything is pulled again now and then: an entry that vanished from the ledger's folder comes back. */
  fullPullEveryMs: 600_000,
  /** Whole answers in a row that leave an entry out before it is dropped, if nothing of it is there: half an hour at rest. */
  leftOutPulls: 4,
  /** Everything is reported again now and then: what the control plane lost comes back. */
  fullReportEveryMs: 300_000,
  /** Alive is judged by more than two beats (ten seconds), and by an echo after five of silence, which one beat never makes. */
  beatEveryMs: 4_000,
  /** Base images are named in a beat when they change, and in every so many beats for schedulers that have begun since; no more of them than this. */
  imagesEveryBeats: 15,
  toldImages: 64,
  /** A fifth of an interval up or down, so that hosts started together do not stay together. */
  jitter: 0.2,
  /** Work in progress is reported only when it lasts: a boot should cost one report, not six. */
  reportTransientAfterMs: 1_000,
  /** `absent` is said again, ever more slowly, until the control plane has booked it and lets the ledger forget. */
  absentAgainMinMs: 5_000,
  absentAgainMaxMs: 60_000,
  /** A report or pull that failed is repeated, unless something else asks for it earlier. */
  askAgainMs: 1_000,
  /** Below the contract's maximum of 500, so that 250 full observations stay well under NATS' 1 MiB. */
  reportBatch: 250,
  reportedOrphans: 500,
  /** A broken control plane that says `more` for ever must not hold the loop. */
  pullPages: 10_000,

  /** Chains of actions at a time: libvirt takes four calls a connection, disks fill the rest. */
  chains: 8,
  /** Of them those that move a guest's memory, or bytes of images and disks, count apart: they take minutes to an hour, and must not
   * hold up another guest's start or stop. Memory: as many as libvirt takes on that connection. */
  memoryChains: 4,
  copyChains: 8,
  /** Questions about domains asked of libvirt together: it queues what is more. */
  observeAtOnce: 64,
  /** More parallel downloads share the same wire and all finish later. */
  downloads: 2,
  /** A guest that lets a device go does so within seconds; one that was asked and does not answer is asked again, ever more seldom. */
  detachAgainMs: 10_000,
  detachAgainMaxMs: 300_000,
  /** Tries of one step for one generation before the host gives up and says so. */
  attempts: 5,
  backoffMinMs: 500,
  backoffMaxMs: 30_000,

  /** A guest's time to power off after the button, then its power is cut. */
  powerOffMs: 60_000,
  /** The button again: a guest that was still booting did not hear it. */
  pressAgainMs: 10_000,

  /** Deadlines of single actions. A guest's memory is written and read at 100 MB/s or better, a disk copied likewise. */
  actionMs: { short: 30_000, disk: 120_000, start: 120_000, memory: 1_800_000, copy: 3_600_000, image: 3_600_000 },

  /** Bytes of a serial log given out; virtlogd itself keeps a few MiB. */
  consoleLogBytes: 512 * 1024,
  /** No bytes for this long: the download is broken off and resumed. */
  downloadIdleMs: 30_000,
  /** Disks sent to, and taken from, other hosts at a time: more share the same wire, and guests share the disks. */
  diskSends: 2,
  diskReceives: 2,
  diskReadBytes: 1024 * 1024,
  /** The digest of a disk that is sent is kept every so far, for as many disks: a mark weighs less than a KiB. */
  diskMarkBytes: 256 * 1024 * 1024,
  diskMarksOf: 8,
  /** Left free on the images' file system, so that running guests can still grow. */
  keepFreeBytes: 512 * 1024 * 1024,
  /** One config drive: cloud-init's own limits are far lower. */
  configDriveBytes: 16 * 1024 * 1024,

  /** An agent of this host that still ends its steps is waited for: longer than those are given. */
  onlyOneMs: 10_000,
  /** A started agent acts once the control plane has let it in, or at the latest after this: guests come back without one,
   * and a copy of a host's identity is refused before it starts the same guests a second time. */
  firstWordMs: 5_000,
  /** What the host offers is said again now and then: capacity may have changed. */
  announceEveryMs: 600_000,
  /** An announcement that was not answered is repeated. */
  announceMinMs: 500,
  announceMaxMs: 5_000,
  /** A simulated host misses nothing of its machine, so it looks without a reason only for the sake of the loop; and a
   * thousand of them in one process must cost next to nothing. Pulls without a hint: at most 50 a second over the fleet. */
  simulatedTickEveryMs: 30_000,
  fleetPullMinMs: 15_000,
  fleetPullPerHostMs: 20,
  /** Simulated hosts connecting at a time when a fleet starts. */
  fleetConnects: 10,
  /** Joining asks one HTTP request; a busy control plane may take a moment. */
  joinMs: 15_000,
  /** Told that too many join at once, a machine tries again for this long. */
  joinPatienceMs: 60_000,

  /** The host's devices are looked at when something says so, and this often; not more often than the pause in a stream of events. */
  deviceLookEveryMs: 30_000,
  deviceLookPauseMs: 200,
  /** Looks in a row while each changes something: a PF's VFs need two or three. */
  deviceRounds: 16,
  /** Changes are planned on what was seen at most this long ago. */
  deviceFreshMs: 1_000,
  /** A change that fails is tried again ever more seldom; cleaning one device so often before it is called dirty. */
  deviceBackoffMaxMs: 300_000,
  scrubAttempts: 3,
  /** What is wanted of devices is asked when somebody rings or a report is answered so, and now and then. */
  deviceWishesEveryMs: 60_000,
  /** A broken control plane that names another page for ever must not hold the loop. */
  deviceWishPages: 1_000,
  deviceReportAgainMs: 5_000,

  /** Consoles open at a time: of a host (each a few buffers), and of one server (people who look together). */
  consolesOfHost: 256,
  consolesOfInstance: 8,
  /** A guest's screen and the door answer at once, or something is wrong. */
  consoleOpenMs: 3_000,
  /** Beyond this a side is slow, and the other waits for it. */
  consoleBufferBytes: 1024 * 1024,
  /** The door sends what clients typed, in pieces of at most this. */
  consoleFrameBytes: 1024 * 1024,
  /** A door that does not answer two of these is gone. */
  consolePingMs: 20_000,
} as const;

type Widened<T> = { readonly [K in keyof T]: T[K] extends number ? number : Widened<T[K]> };
export type Limits = Widened<typeof LIMITS>;
