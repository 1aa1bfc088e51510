/**
 * A cloud in one process for tests of lost hosts: the real scheduler and compute over a real database, and hosts with the real
 * agent over simulated machines, which can be cut off, lose their power, boot, and be cut off while they do.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { INestMicroservice } from '@nestjs/common';
import {
  createEnrolToken, getImage, getProjectLimits, joinHost, listHosts, signImageUrl, type Contract, type Hint, type HostId, type HostView, type InputOf, type OutputOf, type ReceivedBy,
} from '#libs/contracts';
import { unavailable } from '#libs/errors';
import { createBusApplication, InMemoryBus, type AskOptions, type Bus, type BusContext, type Subscription } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import type { TestDatabase } from '#libs/testing';
import type { z } from 'zod';
import { systemClock } from '../../apps/compute-agent/src/clock.js';
import { HostAgent } from '../../apps/compute-agent/src/host/host-agent.js';
import { imageUrls } from '../../apps/compute-agent/src/images/image-url.js';
import type { Limits } from '../../apps/compute-agent/src/limits.js';
import { Ledger } from '../../apps/compute-agent/src/reconcile/ledger.js';
import { SimulatedMachine } from '../../apps/compute-agent/src/simulated/simulated-machine.js';
import { FAST as FAST_AGENT } from '../../apps/compute-agent/src/testing/test-host.js';
import { ComputeModule, seedCompute } from '../../apps/compute/src/compute.module.js';
import { SchedulerModule, type SchedulerConfig } from '../../apps/scheduler/src/scheduler.module.js';
import { eventually, FAST } from './compute-service.js';
import { IMAGE_ID } from './compute-world.js';
import { admin, joining } from './scheduler.js';

/** One host's connection, which can be cut: both sides think the other is gone. */
class Cable implements Bus {
  #cut = false;
  readonly #watchers = new Set<(connected: boolean) => void>();
  readonly #plugs = new Set<{ plug(): Subscription; now: Subscription | undefined }>();
  constructor(private readonly bus: Bus) {}

  get connected(): boolean { return !this.#cut && this.bus.connected; }
  onConnection(listener: (connected: boolean) => void): void { this.#watchers.add(listener); }

  set(connected: boolean): void {
    this.#cut = !connected;
    for (const plug of this.#plugs) {
      void plug.now?.stop();
      plug.now = connected ? plug.plug() : undefined;
    }
    for (const watcher of this.#watchers) watcher(connected);
  }

  async ask<C extends Contract>(contract: C, input: InputOf<C>, options?: AskOptions): Promise<OutputOf<C>> {
    if (this.#cut) throw unavailable('The message bus is not connected.');
    const answer = await this.bus.ask(contract, input, options);
    if (this.#cut) throw unavailable('The connection was lost.');
    return answer;
  }
  hint<P extends z.ZodType>(hint: Hint<P>, payload: z.input<P>, options?: { hostId?: string }): void { if (!this.#cut) this.bus.hint(hint, payload, options); }
  handle<C extends Contract>(contract: C, handler: (input: ReceivedBy<C>, context: BusContext) => Promise<OutputOf<C>>, options: { group: string; hostId?: string }): Subscription {
    return this.#plug(() => this.bus.handle(contract, handler, options));
  }
  onHint<P extends z.ZodType>(hint: Hint<P>, listener: (payload: z.output<P>, context: { hostId: string | undefined }) => void, options?: { hostId?: string; group?: string }): Subscription {
    return this.#plug(() => this.bus.onHint(hint, listener, options));
  }
  async close(): Promise<void> { this.set(false); }

  #plug(plug: () => Subscription): Subscription {
    const entry = { plug, now: this.#cut ? undefined : plug() };
    this.#plugs.add(entry);
    return { stop: async () => { this.#plugs.delete(entry); await entry.now?.stop(); } };
  }
}

export class SimHost {
  readonly folder = mkdtempSync(join(tmpdir(), 'lost-host-'));
  cable!: Cable;
  machine!: SimulatedMachine;
  agent: HostAgent | undefined;
  ledger!: Ledger;
  /** Every domain ever destroyed or removed here. */
  readonly destroyed: string[] = [];
  connected = true;

  constructor(readonly id: HostId, readonly name: string, private readonly cloud: WholeCloud) {}

  /** Power on: a new boot unless `sameBoot`. */
  async boot(): Promise<this> {
    this.cable = new Cable(this.cloud.bus);
    if (!this.connected) this.cable.set(false);
    this.ledger = await Ledger.open({ folder: join(this.folder, 'ledger'), durable: false, wallMs: Date.now, onProblem: () => undefined });
    this.machine = new SimulatedMachine({ folder: join(this.folder, 'machine'), cloudId: this.cloud.cloudId, urlOf: imageUrls(this.cable, this.id), after: systemClock.after });
    for (const verb of ['destroy', 'undefine', 'remove'] as const) {
      const original = this.machine[verb].bind(this.machine);
      this.machine[verb] = async (id: string): Promise<void> => { this.destroyed.push(id); await original(id); };
    }
    this.agent = new HostAgent({
      hostId: this.id, name: this.name, simulated: true, bootId: this.machine.bootId, bus: this.cable, ledger: this.ledger, machine: this.machine,
      offer: { share: {}, reservedMemoryMib: 0, reservedDiskGib: 0, virtType: 'simulated', hostAddress: '127.0.0.1' },
      clock: systemClock, random: Math.random, logger: createLogger('host', 'silent'), limits: this.cloud.agentLimits, onFatal: () => { this.cloud.fatal.push(this.name); },
    });
    this.agent.start();
    return this;
  }

  /** The plug: guests are off, the agent is gone, nothing is said. */
  async powerOff(): Promise<void> {
    this.cable.set(false);
    await this.agent?.stop();
    this.agent = undefined;
    const folder = join(this.folder, 'machine');
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      // The last line counts.
      const kept = JSON.parse(readFileSync(join(folder, file), 'utf8').split('\n').at(-1) as string) as { power: string | null };
      if (kept.power === 'running' || kept.power === 'paused') writeFileSync(join(folder, file), JSON.stringify({ ...kept, power: 'crashed' }));
    }
    rmSync(join(folder, 'boot-id'), { force: true });
  }

  cut(): void { this.connected = false; this.cable.set(false); }
  reconnect(): void { this.connected = true; this.cable.set(true); }

  async running(): Promise<string[]> {
    if (!this.agent) return [];
    return [...(await this.machine.observe(new Set())).domains.values()].filter(({ power }) => power === 'running' || power === 'paused').map(({ id }) => id);
  }
  async domains(): Promise<string[]> { return [...(await this.machine.observe(new Set())).domains.keys()]; }

  async close(): Promise<void> {
    await this.agent?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class WholeCloud {
  bus = new InMemoryBus();
  readonly hosts: SimHost[] = [];
  readonly fatal: string[] = [];
  /** Ids that were seen running on two hosts at once. */
  readonly twice = new Set<string>();
  agentLimits: Limits = { ...FAST_AGENT, pullEveryMs: 100, beatEveryMs: 60, tickEveryMs: 60, announceMaxMs: 100 };
  cloudId = '';
  /** Far more than a slow machine keeps hosts of this process from their beats. */
  aliveTimeoutMs = 1_500;
  computeTempo: Partial<typeof FAST> = {};
  fenceAgents: SchedulerConfig['fenceAgents'];
  #apps: INestMicroservice[] = [];
  #watch: NodeJS.Timeout | undefined;

  constructor(readonly t: TestDatabase) {}

  async start(): Promise<this> {
    const [schedulerDb, computeDb] = [await this.t.open('scheduler', 5), await this.t.open('compute', 6)];
    this.cloudId = computeDb.cloudId;
    await seedCompute(computeDb);
    const serve = { group: 'world' };
    this.bus.handle(getProjectLimits, async () => ({ limits: { instances: -1, cores: -1, ramMib: -1, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 }, generation: 1 }), serve);
    this.bus.handle(getImage, async () => ({ id: IMAGE_ID, name: 'tiny', status: 'active', sizeBytes: 1000, virtualSizeBytes: 2000, diskFormat: 'qcow2', sha512: 'ab', minDiskGib: 0, minRamMib: 0, properties: {} }), serve);
    this.bus.handle(signImageUrl, async () => ({ url: 'http://images.test/x', expiresAtMs: 1, sha512: 'ab', sizeBytes: 1000 }), serve);
    const logger = createLogger('cloud', 'silent');
    this.#apps = [
      await createBusApplication(SchedulerModule.register({
        bus: this.bus, db: schedulerDb, logger, signer: { signHostUser: async () => 'jwt' },
        config: { natsUrls: ['nats://127.0.0.1:1'], aliveTimeoutMs: this.aliveTimeoutMs, powerKey: new Uint8Array(32).fill(7), ...(this.fenceAgents && { fenceAgents: this.fenceAgents }) },
      }), this.bus, 'scheduler'),
      await createBusApplication(ComputeModule.register({ bus: this.bus, db: computeDb, logger, config: { ...FAST, leaseMs: 1_000, ...this.computeTempo } }), this.bus, 'compute'),
    ];
    for (const app of this.#apps) await app.listen();
    this.#watch = setInterval(() => void this.#look(), 15);
    return this;
  }

  /** The control plane goes away and comes again, perhaps over another state of the database. */
  async stop(): Promise<void> {
    clearInterval(this.#watch);
    for (const app of this.#apps) await app.close();
    this.#apps = [];
    await this.bus.close();
  }

  /** Hosts find the control plane that runs now. */
  async restartOver(t: TestDatabase): Promise<WholeCloud> {
    const next = new WholeCloud(t);
    next.agentLimits = this.agentLimits;
    await next.start();
    for (const host of this.hosts) {
      const again = new SimHost(host.id, host.name, next);
      rmSync(again.folder, { recursive: true, force: true });
      Object.assign(again, { folder: host.folder });
      await host.agent?.stop();
      next.hosts.push(await again.boot());
    }
    return next;
  }

  async addHost(name: string): Promise<SimHost> {
    const { tokens } = await this.bus.ask(createEnrolToken, { caller: admin, availabilityZone: 'nova', onlyWhenAsked: false, simulated: true, ttlS: 600, count: 1 });
    const join = joining(tokens[0]!, { name, hostId: randomUUID() as never, simulated: true });
    await this.bus.ask(joinHost, join);
    const host = new SimHost(join.hostId as HostId, name, this);
    this.hosts.push(host);
    return host.boot();
  }

  async view(host: SimHost): Promise<HostView> { return (await this.bus.ask(listHosts, { id: host.id })).hosts[0]!; }

  /** It is lost, and its session has lapsed too: echoes tell sooner that it is lost than another boot of it is let in. */
  lost(host: SimHost): Promise<void> {
    return eventually(async () => {
      const { condition, lastSeenAt } = await this.view(host);
      return condition?.state === 'lost' && Date.now() - Date.parse(lastSeenAt!) > this.aliveTimeoutMs + 100;
    }, () => `${host.name} is not lost`);
  }

  async close(): Promise<void> {
    for (const host of this.hosts) await host.close();
    await this.stop();
  }

  async #look(): Promise<void> {
    const seen = new Set<string>();
    for (const host of this.hosts) {
      for (const id of await host.running()) {
        if (seen.has(id)) this.twice.add(id);
        seen.add(id);
      }
    }
  }
}
