/**
 * A cloud for tests of moves: the real compute and scheduler services over a real database, and hosts that are scripted here as
 * simply as can be: what they were told, what they have, what runs. Every start of a guest is checked against all hosts.
 */
import type { INestMicroservice } from '@nestjs/common';
import {
  getImage, getProjectLimits, hostFenced, hostHint, openDiskTransfer, pullDesired, readmitHost, reportObserved, signImageUrl,
  LIVE_DEVICES, type ClaimedDevice, type DesiredInstance, type HostId, type HostInventory, type ImageSummary, type ObservedDevice, type ObservedInstance, type ProjectLimits,
} from '#libs/contracts';
import type { Database } from '#libs/db';
import { createBusApplication, InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import type { TestDatabase } from '#libs/testing';
import { SchedulerModule } from '../../apps/scheduler/src/scheduler.module.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { IMAGE_ID } from './compute-world.js';
import { host as joined, report, type Scheduler } from './scheduler.js';

interface Built { specGeneration: number; vcpus: number; disk: string }
interface Guest extends Built { power: 'running' | 'stopped'; diskGeneration: number; rebootCount: number; /** What is in its domain. */ devices?: readonly ClaimedDevice[]; /** Of before, beside it. */ kept?: Built }

export class MovingHost {
  readonly guests = new Map<string, Guest>();
  readonly ledger = new Map<string, DesiredInstance>();
  /** It does what it is told; it is heard. */
  works = true;
  connected = true;
  /** What it cannot do any more, for good. */
  broken: 'build' | 'stop' | 'start' | undefined;
  /** Its guests do not answer when a device is to leave; what it can't attach, for good. It speaks of devices (LIVE_DEVICES). */
  deaf = false;
  unattachable: string | undefined;
  speaks = false;
  bootId = 'boot-1';
  epoch = 1;
  since = 0;
  #busy = false;
  #again = false;
  #errors = new Map<string, string>();

  constructor(readonly id: string, readonly name: string, private readonly world: MovesWorld) {}

  /** Pull, act, report; errors are lost messages, which the next round makes good. */
  async round(): Promise<void> {
    if (!this.connected || this.#busy) { this.#again = this.#busy; return; }
    this.#busy = true;
    try {
      for (let more = true; more;) {
        const page = await this.world.bus.ask(pullDesired, { bootId: this.bootId, since: this.since }, { hostId: this.id });
        this.epoch = page.epoch;
        if (page.reportOnly) break;
        for (const { instance } of page.entries) this.#listen(instance as DesiredInstance);
        this.since = page.upTo;
        more = page.more;
      }
      if (this.works) for (const wanted of [...this.ledger.values()]) await this.#act(wanted);
      await this.#report();
    } catch { /* the next round */ } finally {
      this.#busy = false;
      if (this.#again) { this.#again = false; setTimeout(() => void this.round(), 1); }
    }
  }

  /** Cut off: what it was just saying is said or lost by then. */
  async disconnect(): Promise<void> {
    this.connected = false;
    while (this.#busy) await new Promise((done) => setTimeout(done, 5));
  }

  /** The law of a ledger: a lower word than the last is refused. */
  #listen(wanted: DesiredInstance): void {
    const known = this.ledger.get(wanted.id);
    if (known && known.generation > wanted.generation) this.world.law(`${this.name} was told ${wanted.generation} of ${wanted.id} after ${known.generation}`);
    else this.ledger.set(wanted.id, wanted);
  }

  async #act(wanted: DesiredInstance): Promise<void> {
    const { id } = wanted;
    this.#errors.delete(id);
    if (wanted.intent === 'deleted') { this.guests.delete(id); return; }
    let guest = this.guests.get(id);
    if (guest === undefined) {
      if (this.broken === 'build') { this.#errors.set(id, 'the disk is full'); return; }
      const disk = wanted.diskFrom ? await this.world.transfer(wanted.diskFrom, this) : `image ${wanted.diskGeneration}`;
      // What took long may not be wanted any more.
      if (this.ledger.get(id) !== wanted) return;
      guest = { power: 'stopped', specGeneration: wanted.specGeneration, diskGeneration: wanted.diskGeneration, vcpus: wanted.vcpus, rebootCount: wanted.rebootCount, disk };
      this.guests.set(id, guest);
    }
    if (wanted.intent !== 'running' && guest.power === 'running') { if (this.broken === 'stop') { this.#errors.set(id, 'it does not go off'); return; } guest.power = 'stopped'; }
    if (guest.specGeneration !== wanted.specGeneration) this.#rebuild(wanted, guest);
    if (wanted.previous === null) delete guest.kept;
    if (wanted.intent === 'running' && guest.power === 'stopped') {
      if (this.broken === 'start') { this.#errors.set(id, 'it does not start'); return; }
      if (guest.specGeneration !== wanted.specGeneration) return;
      guest.power = 'running';
      this.world.started(id);
    }
    if (guest.rebootCount !== wanted.rebootCount && wanted.rebootType === 'hard') guest.devices = wanted.layout?.devices ?? [];
    guest.rebootCount = wanted.rebootCount;
    this.#plug(wanted, guest);
  }

  /** Of a guest that is off: its definition. */
  #plug(wanted: DesiredInstance, guest: Guest): void {
    const layout = wanted.layout?.devices ?? [];
    const has = (devices: readonly ClaimedDevice[], { deviceId }: ClaimedDevice): boolean => devices.some((one) => one.deviceId === deviceId);
    const before = guest.devices ?? layout;
    guest.devices = guest.power === 'stopped' ? layout
      : [...before.filter((one) => this.deaf || has(layout, one)), ...layout.filter((one) => !has(before, one) && this.unattachable === undefined)];
  }

  #devices(wanted: DesiredInstance, guest: Guest | undefined): ObservedDevice[] {
    const layout = wanted.intent === 'deleted' ? [] : wanted.layout?.devices ?? [];
    const there = guest?.devices ?? [];
    return [...layout, ...there.filter(({ deviceId }) => !layout.some((one) => one.deviceId === deviceId))].map(({ deviceId, identity, generation }): ObservedDevice => {
      const [wants, has] = [layout, there].map((devices) => devices.some((one) => one.deviceId === deviceId));
      const failed = wants === true && has === false && this.unattachable !== undefined;
      return { deviceId, identity, generation, state: failed ? 'failed' : !has ? 'attaching' : wants ? 'attached' : 'needs-guest-stop', ...(failed && { message: this.unattachable }) };
    });
  }

  #rebuild(wanted: DesiredInstance, guest: Guest): void {
    const { previous } = wanted;
    guest.power = 'stopped';
    if (previous?.then === 'keep' && guest.specGeneration === previous.specGeneration) {
      if (this.broken === 'build') { this.#errors.set(wanted.id, 'the disk is full'); return; }
      guest.kept = { specGeneration: guest.specGeneration, vcpus: guest.vcpus, disk: guest.disk };
      Object.assign(guest, { specGeneration: wanted.specGeneration, vcpus: wanted.vcpus });
    } else if (previous?.then === 'restore' && (guest.kept?.specGeneration ?? guest.specGeneration) === previous.specGeneration) {
      Object.assign(guest, guest.kept ?? {}, { specGeneration: wanted.specGeneration });
      delete guest.kept;
    } else this.#errors.set(wanted.id, `cannot make ${wanted.specGeneration} of ${guest.specGeneration}`);
  }

  async #report(): Promise<void> {
    const instances = [...this.ledger.values()].map((wanted): ObservedInstance => {
      const guest = this.guests.get(wanted.id);
      const error = this.#errors.get(wanted.id);
      return {
        id: wanted.id, generation: wanted.generation, startedAtMs: null, rebootCount: guest?.rebootCount ?? 0,
        state: guest?.power ?? (wanted.intent === 'deleted' ? 'absent' : error === undefined ? 'building' : 'failed'),
        built: guest ? { specGeneration: guest.specGeneration, diskGeneration: guest.diskGeneration } : null,
        doing: guest || error !== undefined || wanted.intent === 'deleted' ? null : 'make-disk',
        ...(this.speaks && { devices: this.#devices(wanted, guest) }),
        error: error === undefined ? null : { code: 'broken', message: error, attempts: 3, final: true },
      };
    });
    const { forget } = await this.world.bus.ask(reportObserved, { bootId: this.bootId, epoch: this.epoch, incarnation: 1, instances, orphans: [] }, { hostId: this.id });
    // Only what it still is told to have gone: a newer word may have come meanwhile.
    for (const id of forget) if (this.ledger.get(id)?.intent === 'deleted') this.ledger.delete(id);
  }
}

export class MovesWorld {
  readonly bus = new InMemoryBus();
  readonly hosts: MovingHost[] = [];
  limits: ProjectLimits = { instances: -1, cores: -1, ramMib: -1, keypairs: 100, metadataItems: 128, serverGroups: -1, serverGroupMembers: -1 } as ProjectLimits;
  /** What was done against the law. */
  readonly broken: string[] = [];
  #scheduler: INestMicroservice | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(readonly test: TestDatabase, private readonly db: Database) {}

  /** `sizes`: hosts' memory, MiB. */
  async open(sizes: readonly number[] = [65_536, 65_536], capabilities = ['REBUILD', 'DISK_TRANSFER', 'RESIZE_IN_PLACE'], shape: Partial<HostInventory> = {}): Promise<this> {
    const serve = { group: 'world' };
    const image: ImageSummary = { id: IMAGE_ID, name: 'tiny', status: 'active', sizeBytes: 1000, virtualSizeBytes: 2000, diskFormat: 'qcow2', sha512: 'ab', minDiskGib: 0, minRamMib: 0, properties: {} };
    this.bus.handle(getProjectLimits, async () => ({ limits: this.limits, generation: 1 }), serve);
    this.bus.handle(getImage, async () => image, serve);
    this.bus.handle(signImageUrl, async () => ({ url: 'http://images.test/x', expiresAtMs: 1, sha512: 'ab', sizeBytes: 1000 }), serve);
    this.bus.onHint(hostHint, (_payload, { hostId }) => void this.hosts.find((host) => host.id === hostId)?.round());
    this.#scheduler = await createBusApplication(SchedulerModule.register({
      bus: this.bus, db: this.db, logger: createLogger('test', 'silent'), signer: { signHostUser: async () => 'jwt' }, config: { natsUrls: ['nats://127.0.0.1:1'], aliveTimeoutMs: 600_000 },
    }), this.bus, 'scheduler');
    await this.#scheduler.listen();
    for (const memoryMib of sizes) await this.join(memoryMib, capabilities, shape);
    this.#timer = setInterval(() => { for (const host of this.hosts) void host.round(); }, 25);
    return this;
  }

  /** One more host. */
  async join(memoryMib = 65_536, capabilities = ['REBUILD', 'DISK_TRANSFER', 'RESIZE_IN_PLACE'], shape: Partial<HostInventory> = {}): Promise<void> {
    const app = this.#scheduler as INestMicroservice;
    const scheduler = { bus: this.bus, app, stop: async () => undefined } as Scheduler;
    const { id, name } = await joined(scheduler, 'nova', { memoryMib, vcpus: 16, diskGib: 1000, ...shape });
    await report(scheduler, id, 'boot-1', { memoryMib, vcpus: 16, diskGib: 1000, ...shape, generation: 2 }, { capabilities });
    const joining = new MovingHost(id, name, this);
    joining.speaks = capabilities.includes(LIVE_DEVICES);
    this.hosts.push(joining);
    await app.get(Snapshot).refresh();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const host of this.hosts) host.connected = false;
    await this.#scheduler?.close();
    await this.bus.close();
  }

  law(broken: string): void { this.broken.push(broken); }

  /** Where it runs now, by what hosts have. */
  running(id: string): string[] { return this.hosts.filter(({ guests }) => guests.get(id)?.power === 'running').map(({ name }) => name); }
  having(id: string): string[] { return this.hosts.filter(({ guests }) => guests.has(id)).map(({ name }) => name); }
  hostNamed(name: string | null): MovingHost { return this.hosts.find((host) => host.name === name) as MovingHost; }
  other(than: MovingHost): MovingHost { return this.hosts.find((host) => host !== than) as MovingHost; }
  /** The law above all: nothing ever runs twice, but for what runs behind a fence, where nobody can look. */
  started(id: string): void {
    const where = this.hosts.filter((host) => host.connected && host.guests.get(id)?.power === 'running');
    if (where.length > 1) this.law(`${id} runs on ${where.map(({ name }) => name).join(' and ')}`);
  }

  /** The way of a disk from host to host. */
  async transfer({ transferId, key }: { transferId: string; key: string }, to: MovingHost): Promise<string> {
    const { sourceHostId, instanceId } = await this.bus.ask(openDiskTransfer, { transferId, key });
    const source = this.hosts.find(({ id }) => id === sourceHostId);
    const guest = source?.guests.get(instanceId);
    if (!source?.connected || guest === undefined) throw new Error('the disk is not there now');
    if (guest.power !== 'stopped') this.law(`${to.name} took the disk of ${instanceId} while it ran`);
    return guest.disk;
  }

  /** The host is lost and fenced; nothing it does is seen from here. */
  async fence(host: MovingHost): Promise<void> {
    await host.disconnect();
    await this.test.admin.query('UPDATE scheduler.hosts SET epoch = epoch + 1 WHERE id = $1', [host.id]);
    await this.bus.ask(hostFenced, { hostId: host.id as HostId, epoch: host.epoch });
  }

  async readmit(host: MovingHost): Promise<void> {
    await this.bus.ask(readmitHost, { hostId: host.id as HostId, epoch: host.epoch });
    host.connected = true;
  }

  /** Live claims, as [purpose, host name, vCPUs]. */
  async claims(id: string): Promise<unknown[]> {
    const { rows } = await this.test.admin.query(
      'SELECT c.purpose, h.name, c.vcpus FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id WHERE c.instance_id = $1 ORDER BY c.purpose', [id]);
    return rows.map(({ purpose, name, vcpus }) => [purpose, name, vcpus]);
  }
}

