// One whole cloud: replicas of compute and scheduler, hosts with their agents, and stand-ins for identity and images. Owns who
// is alive, and how each is started anew from what is durable: the database, the ledgers, the machines.
import { getImage, getProjectLimits, openDiskTransfer, signImageUrl } from '#libs/contracts';
import { ComputeModule } from '../../../apps/compute/src/compute.module.js';
import { HostAgent } from '../../../apps/compute-agent/src/host/host-agent.js';
import { imageUrls } from '../../../apps/compute-agent/src/images/image-url.js';
import { LIMITS } from '../../../apps/compute-agent/src/limits.js';
import { DeviceLedger } from '../../../apps/compute-agent/src/devices/device-ledger.js';
import { Ledger } from '../../../apps/compute-agent/src/reconcile/ledger.js';
import { SimulatedMachine } from '../../../apps/compute-agent/src/simulated/simulated-machine.js';
import { StepError } from '../../../apps/compute-agent/src/errors.js';
import { SchedulerModule } from '../../../apps/scheduler/src/scheduler.module.js';
import { compose } from './compose.mjs';
import { Network } from './network.mjs';
import { Process } from './time.mjs';
import { GuestDisks } from './guest-disks.mjs';
import { conditionOf, everything, freshDisks } from './virtual-fs.mjs';

export const IMAGE_ID = '0ddba11a-0000-4000-8000-000000000001';
export const TEMPO = { loopPollMs: 2_000, waitTickMs: 1_500, buildDeadlineMs: 90_000, operateDeadlineMs: 90_000, claimDeadlineMs: 90_000, deleteTickMaxMs: 30_000, nudgeAfterMs: 20_000, powerOffGraceMs: 15_000 };
const AGENT_LIMITS = { ...LIMITS, powerOffMs: 8_000, pressAgainMs: 3_000, tickEveryMs: 15_000, fullPullEveryMs: 120_000, fullReportEveryMs: 60_000, deviceBackoffMaxMs: 20_000, deviceWishesEveryMs: 30_000 };
const noLogger = () => { const log = { level: 'silent' }; for (const word of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) log[word] = () => {}; log.child = () => log; return log; };
export const logger = noLogger();
const SLOW = new Set(['define', 'startDomain', 'pressPowerButton', 'destroy', 'undefine', 'bookReboots', 'observe', 'list', 'fetchImage', 'makeDisk', 'makeConfigDrive', 'remove', 'pause', 'resume', 'save', 'dropSaved', 'receiveDisk', 'keepDisk', 'restoreDisk', 'growDisk', 'dropDisks', 'dropPrevious', 'bookSpec', 'deviceUses', 'bookDevices', 'attachDevice', 'detachDevice']);

/** Of a simulated machine's file, the last line counts. */
const lastLine = (text) => text.split('\n').at(-1);

/** Of each host: half of its CPUs are given one by one. */
const CPUS = { shared: [0, 1, 2, 3], dedicated: [4, 5, 6, 7] };

export class Cloud {
  /** instance id -> Map(host id -> power or 'files'): what is really there, seen on the disks. */
  there = new Map();
  /** instance id -> Map(host name -> what its machine remembers of it). */
  kept = new Map();
  /** Hosts that were fenced at some time: what they have may be without a claim until they are taken back and have let go. */
  fencedOnce = new Set();
  /** The database was restored to an older state; and hosts are not all adopted yet. */
  failedOver = false;
  adopting = false;
  /** Acts on machines so far, and where the one crash of a law is to be: { what: commit or act, when, n }. */
  steps = 0;
  crashAt;
  broken = [];
  /** Devices, in the seeds that have some. */
  devices;
  injected = new Map();
  /** Servers that an admin set to ERROR. */
  setToError = new Set();
  /** Servers whose guests switched themselves off, or crashed. */
  ended = new Set();
  limits = { instances: 40, cores: -1, ramMib: -1, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 };

  constructor(world, store, hosts, cell) {
    this.world = world;
    this.store = store;
    store.counted = (process, when, n) => this.#crashesHere('commit', when, n, process);
    this.cell = cell;
    this.network = new Network(world);
    this.disks = new GuestDisks(world, (law, text) => this.violated(law, text), (name) => this.fencedOnce.has(name));
    this.services = [{ kind: 'compute', name: 'compute-1' }, { kind: 'compute', name: 'compute-2' }, { kind: 'scheduler', name: 'scheduler-1' }];
    this.hosts = hosts.map((host) => ({ ...host, kind: 'host', errors: 0, cut: false, slowMs: 0 }));
    freshDisks((path, text) => this.#saw(path, text));
    const rest = this.network.join(new Process('rest', 'rest'));
    rest.handle(getProjectLimits, async () => ({ limits: this.limits, generation: 1 }), { group: 'rest' });
    rest.handle(getImage, async () => ({ id: IMAGE_ID, name: 'tiny', status: 'active', sizeBytes: 1000, virtualSizeBytes: 2000, diskFormat: 'qcow2', sha512: 'ab', minDiskGib: 0, minRamMib: 0, properties: {} }), { group: 'rest' });
    rest.handle(signImageUrl, async () => ({ url: 'http://images.test/x', expiresAtMs: 1, sha512: 'ab', sizeBytes: 1000 }), { group: 'rest' });
    this.client = this.network.join(new Process('client', 'client'));
    this.door = this.network.join(new Process('door', 'rest'));
  }

  /** Nothing is left on any machine, and no host remembers anything. */
  get isEmpty() { return [...this.there.values()].every((places) => places.size === 0) && this.hosts.every((host) => host.ledger !== undefined && host.ledger.entries.size === 0); }
  hadRoom() { return false; }
  get all() { return [...this.services, ...this.hosts]; }
  start() { for (const one of this.all) this.startOne(one); }

  startOne(one) {
    one.cancelStart?.();
    one.process = new Process(one.name, one.kind);
    one.bus = this.network.join(one.process, one.cut === true);
    this.world.trace(`start ${one.name}`);
    this.world.after(this.world.random.between(1, 200), () => {
      const began = one.kind === 'host' ? this.#startHost(one) : this.#startService(one);
      began.catch((error) => { if (one.process.state !== 'dead') { this.world.trace(`${one.name} did not start: ${error.message}`); this.crash(one); } });
    }, one.process);
  }

  /** `againMs` null: it stays away until somebody starts it. */
  crash(one, againMs = this.world.random.between(200, 8_000)) {
    if (againMs === null) one.cancelStart?.();
    if (one.process.state === 'dead') return;
    this.world.trace(`crash ${one.name}`);
    const { process } = one;
    this.world.kill(process);
    void one.bus.close();
    // Nobody reaches into an agent that is dead.
    if (one.kind === 'host') one.machine = one.ledger = one.agent = undefined;
    this.world.after(0, () => this.store.dropped(process), null);
    if (againMs !== null) one.cancelStart = this.world.after(againMs, () => this.startOne(one), null);
  }

  cut(one, ms) {
    one.cut = one.bus.cut = true;
    this.world.trace(`cut ${one.name}`);
    one.bus.look();
    if (ms !== null) this.world.after(ms, () => { if (one.lost !== true) this.uncut(one); }, null);
  }
  uncut(one) { one.cut = one.bus.cut = false; one.bus.look(); }

  freeze(one, ms) {
    const { process } = one;
    this.world.trace(`freeze ${one.name}`);
    this.world.freeze(process);
    this.world.after(4_900, () => (process.state === 'frozen' ? this.store.dropped(process) : undefined), null);
    this.world.after(ms, () => this.world.thaw(process), null);
  }

  /** Power is cut and comes back: guests are off, and it is another boot. */
  reboot(host, againMs = this.world.random.between(3_000, 20_000)) {
    this.crash(host, againMs);
    if (host.kernel) this.devices.reboot(host);
    for (const [path, text] of [...everything()]) {
      if (!path.startsWith(`/sim/${host.name}/machine/`)) continue;
      if (path.endsWith('/boot-id')) { everything().delete(path); continue; }
      const kept = JSON.parse(lastLine(text));
      if (kept.power === null || kept.power === undefined) continue;
      everything().set(path, JSON.stringify({ ...kept, power: 'stopped' }));
      this.#saw(path, everything().get(path));
    }
  }

  #crashesHere(what, when, n, process) {
    const { crashAt } = this;
    if (crashAt?.what !== what || crashAt.when !== when || crashAt.n !== n) return false;
    const one = this.all.find((each) => each.process === process);
    if (one === undefined) return false;
    this.crashAt = undefined;
    this.crash(one);
    return true;
  }

  async #startService(one) {
    const db = this.store.database(one.process, this.cell);
    const module = one.kind === 'compute'
      ? ComputeModule.register({ bus: one.bus, db, logger, config: TEMPO })
      : SchedulerModule.register({ bus: one.bus, db, logger, signer: { signHostUser: async () => 'jwt' }, config: { natsUrls: ['nats://sim'], aliveTimeoutMs: 10_000 } });
    await compose(module, one.bus, one.kind).start();
  }

  async #startHost(host) {
    const { world } = this;
    // This agent's, as long as it lives: the host may have another one by the time something comes back to it.
    const { process } = host;
    const clock = { nowMs: () => Math.floor(world.now), wallMs: () => Date.now(), after: (ms, task) => world.after(ms, task, process) };
    const ledger = await Ledger.open({ folder: `/sim/${host.name}/ledger`, durable: true, wallMs: clock.wallMs, onProblem: () => {} });
    const raw = new SimulatedMachine({
      folder: `/sim/${host.name}/machine`, cloudId: this.cell.cloud_id, urlOf: imageUrls(host.bus, host.id), after: clock.after, shape: { vcpus: 8, memoryMib: 8192, diskGib: 100, cells: 1 }, cpus: CPUS, shutdownMs: 1_000,
      ...(host.kernel && { kernel: host.kernel }),
    });
    host.machine = raw;
    this.devices?.machineIsUp(host.name, raw);
    host.ledger = ledger;
    const machine = this.#harsh(host, raw, process);
    if (raw.pci) this.devices.listen(raw.pci.pci, process);
    const devices = raw.pci && { pci: raw.pci.pci, mayWrite: true, ledger: await DeviceLedger.open({ folder: `/sim/${host.name}/ledger`, durable: true, bootId: raw.bootId, wallMs: clock.wallMs, onProblem: () => {} }) };
    const agent = new HostAgent({
      ...(devices && { devices }),
      hostId: host.id, name: host.name, simulated: true, bootId: raw.bootId, bus: host.bus, ledger, machine,
      offer: { cpus: CPUS, share: {}, reservedMemoryMib: 0, reservedDiskGib: 0, virtType: 'simulated', hostAddress: '127.0.0.1' },
      clock, random: () => world.random.next(), logger, limits: AGENT_LIMITS, pullEveryMs: 10_000, onFatal: () => this.crash(host, 12_000),
    });
    host.agent = agent;
    agent.start();
  }

  /** The machine, with calls that take time and fail as libvirt and disks do. */
  #harsh(host, raw, process) {
    const { world } = this;
    const wrap = new Proxy(raw, {
      get: (target, key) => {
        if (key === 'hypervisor' || key === 'files') return wrap;
        const value = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        if (!SLOW.has(key)) return value.bind(target);
        return (...args) => new Promise((resolve, reject) => {
          const ms = world.random.between(0.5, 20) + world.random.between(0, conditionOf(host.name).slowMs + host.slowMs);
          world.after(ms, () => {
            // A host that sees nothing does nothing: looking fails more rarely than acting.
            if (host.errors > 0 && world.random.chance(key === 'observe' || key === 'list' || key === 'deviceUses' ? host.errors * 0.15 : host.errors)) {
              const id = args[0]?.desired?.id ?? args[0]?.id ?? (typeof args[0] === 'string' ? args[0] : undefined);
              if (id) this.injected.set(id, (this.injected.get(id) ?? 0) + 1);
              reject(new StepError('libvirt-38', 'libvirt said no.', 'counted'));
              return;
            }
            world.trace(`${host.name} ${key}`);
            const n = key === 'observe' || key === 'list' || key === 'deviceUses' ? -1 : ++this.steps;
            if (this.#crashesHere('act', 'before', n, process)) return;
            if (key === 'receiveDisk') { this.#receive(host, process, args[0], () => target[key](...args)).then(resolve, reject); return; }
            target[key](...args).then(resolve, reject);
            this.#crashesHere('act', 'after', n, process);
          }, process);
        });
      },
    });
    return wrap;
  }

  /** A disk from another host, through the door: nothing is sent, but everybody is asked who would be. */
  async #receive(host, process, { id, diskGeneration, diskFrom }, take) {
    const away = (why) => new StepError('disk-source-away', `The disk cannot be fetched: ${why}.`, 'free');
    if (!host.bus.connected) throw away('this host is cut off');
    const { sourceHostId, instanceId } = await this.door.ask(openDiskTransfer, { transferId: diskFrom.transferId, key: diskFrom.key }).catch((error) => {
      throw error.kind === 'forbidden' ? new StepError('disk-transfer', 'The transfer of the disk was refused.', 'counted') : away(error.message);
    });
    const source = this.hosts.find((each) => each.id === sourceHostId);
    if (source.process.state !== 'alive' || !source.bus.connected || source.machine === undefined) throw away('its host does not answer');
    if (source.agent?.reconciler.restingDisk(id) !== diskGeneration) throw away('its host does not send it yet');
    if (instanceId !== id) this.violated('disk of another', `${id} got the disk of ${instanceId}`);
    if (process.state === 'dead') return;
    this.disks.copies(id, source.name, host.name);
    await take();
  }

  /** A machine's file changed: the only eyes that checkers have on guests. */
  #saw(path, text) {
    if (this.devices && path.includes('/ledger/device')) this.devices.booked(path.split('/')[2]);
    const match = /^\/sim\/([^/]+)\/machine\/([0-9a-f-]{36})\.json$/.exec(path);
    if (!match) return;
    const [, name, id] = match;
    const kept = text === undefined || text === '' ? undefined : JSON.parse(lastLine(text));
    const places = this.there.get(id) ?? new Map();
    if (kept === undefined) places.delete(name);
    else places.set(name, kept.power ?? 'files');
    this.there.set(id, places);
    const all = this.kept.get(id) ?? new Map();
    if (kept === undefined) all.delete(name);
    else all.set(name, kept);
    this.kept.set(id, all);
    this.disks.saw(id, name, kept);
    const running = [...places].filter(([, power]) => power === 'running' || power === 'paused').map(([host]) => host);
    if (running.length > 1) this.violated('runs twice', `${id} runs on ${running.join(' and ')}`);
  }

  violated(law, text) { this.broken.push({ law, text, at: Math.round(this.world.now) }); this.world.trace(`BROKEN ${law}: ${text}`); if (this.world.log) this.#show(text); }
  /** Of a replay: the rows and the story of each server that the words name, at this moment. */
  #show(text) {
    for (const id of new Set(text.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [])) {
      const say = (what, rows) => { for (const row of rows) this.world.log(`  ${what} ${JSON.stringify(Object.fromEntries(Object.entries(row).filter(([key, value]) => value !== null && key !== 'spec')))}`); };
      const read = (text) => this.store.lookNow(text, [id]);
      say('instance', read('SELECT * FROM compute.instances WHERE id = $1'));
      say('move', read('SELECT * FROM compute.migrations WHERE instance_id = $1 ORDER BY id'));
      say('claim', read('SELECT c.*, h.name FROM scheduler.claims c LEFT JOIN scheduler.hosts h ON h.id = c.host_id WHERE instance_id = $1'));
      say('departure', read('SELECT * FROM compute.departures WHERE instance_id = $1'));
      say('event', read('SELECT id, at, host_name, step, kind, message, detail FROM compute.instance_events WHERE instance_id = $1 ORDER BY id'));
      for (const host of this.hosts) say(`${host.name} has`, [{ there: this.there.get(id)?.get(host.name), kept: this.kept.get(id)?.get(host.name), remembers: host.ledger?.entries.get(id) }]);
    }
  }
}
