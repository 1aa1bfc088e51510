/** A cloud around the compute service for its tests: identity, images, a scheduler and hosts, all scripted, all in memory. */
import { randomUUID } from 'node:crypto';
import {
  claimHost, getImage, getProjectLimits, hostHint, inspectOnHost, listDeviceClassNames, listHosts, listZones, pullDesired, readConsoleLog, releaseClaim, reportObserved, settleMove, signImageUrl,
  type Caller, type ClaimRequest, type DesiredInstance, type HostId, type HostView, type ImageId, type ImageSummary, type Layout, type ObservedInstance, type PlacementExplanation, type ProjectLimits,
} from '#libs/contracts';
import { conflict, internalError, stale, unavailable } from '#libs/errors';
import { InMemoryBus } from '#libs/messaging';

export const IMAGE_ID = '0ddba11a-0000-4000-8000-000000000001' as ImageId;
const NOW = '2026-01-01T00:00:00.000Z';

/** One host: a ledger, domains, and a loop that pulls, acts and reports. */
export class ScriptedHost {
  readonly id = randomUUID() as HostId;
  readonly bootId = randomUUID();
  alive = true;
  epoch = 1;
  capabilities = ['PAUSE', 'SUSPEND', 'REBUILD', 'RESIZE_IN_PLACE', 'DISK_TRANSFER'];
  /** Performs nothing while true; still pulls. */
  idle = false;
  /** Gives up on everything that is to be built. */
  broken = false;
  readonly ledger = new Map<string, DesiredInstance>();
  readonly domains = new Map<string, { state: ObservedInstance['state']; rebootCount: number; built?: ObservedInstance['built'] }>();
  since = 0;
  #busy = false;
  #again = false;

  constructor(readonly name: string, private readonly world: ComputeWorld) {}

  /** Pull, act, report: once more when woken meanwhile. Errors are a lost message: the next round finds it. */
  async round(): Promise<void> {
    if (!this.alive) return;
    if (this.#busy) { this.#again = true; return; }
    this.#busy = true;
    try {
      const told = new Set<string>();
      for (let more = true; more;) {
        const page = await this.world.bus.ask(pullDesired, { bootId: this.bootId, since: this.since }, { hostId: this.id });
        for (const { instance } of page.entries) { this.ledger.set(instance.id, instance as DesiredInstance); told.add(instance.id); }
        this.since = page.upTo;
        more = page.more;
      }
      if (!this.idle) for (const wanted of this.ledger.values()) this.#act(wanted);
      await this.report([...this.ledger.keys()]);
    } catch { /* the next round */ } finally {
      this.#busy = false;
      if (this.#again) { this.#again = false; void this.round(); }
    }
  }

  #act(wanted: DesiredInstance): void {
    const domain = this.domains.get(wanted.id);
    if (wanted.intent === 'deleted') { this.domains.delete(wanted.id); return; }
    if (this.broken && !domain) return;
    // A guest that went down by itself stays down until somebody wants something new.
    if (domain?.state === 'stopped' && this.world.selfStopped.has(wanted.id)) return;
    this.domains.set(wanted.id, { state: wanted.intent as ObservedInstance['state'], rebootCount: wanted.rebootCount, built: { specGeneration: wanted.specGeneration, diskGeneration: wanted.diskGeneration } });
  }

  async report(ids: string[]): Promise<void> {
    const instances = ids.map((id) => this.observe(id)).filter((seen) => seen !== undefined);
    const { forget } = await this.world.bus.ask(reportObserved, { bootId: this.bootId, epoch: this.epoch, incarnation: 1, instances, orphans: [] }, { hostId: this.id });
    for (const id of forget) this.ledger.delete(id);
  }

  observe(id: string): ObservedInstance | undefined {
    const wanted = this.ledger.get(id);
    if (!wanted) return undefined;
    const domain = this.domains.get(id);
    const gaveUp = this.broken && !domain && wanted.intent !== 'deleted';
    return {
      id: wanted.id, generation: wanted.generation, startedAtMs: null, rebootCount: domain?.rebootCount ?? 0, doing: domain || wanted.intent === 'deleted' || gaveUp ? null : 'fetch-image',
      state: gaveUp ? 'failed' : domain?.state ?? (wanted.intent === 'deleted' ? 'absent' : 'building'),
      built: domain?.built ?? null,
      error: gaveUp ? { code: 'broken', message: 'the disk is full', attempts: 3, final: true } : null,
    };
  }

  view(): HostView {
    return {
      id: this.id, number: 1, name: this.name, availabilityZone: 'nova', enabled: true, disabledReason: null, alive: this.alive, hypervisorUp: true, lastSeenAt: NOW, simulated: true,
      virtType: 'simulated', agentVersion: '0', capabilities: this.capabilities, inventory: null, used: { vcpus: 0, memoryMib: 0, diskGib: 0, instances: 0 }, ratios: { cpu: 1, ram: 1, disk: 1 },
      bootId: this.bootId, epoch: this.epoch, updatedAt: NOW,
    };
  }
}

export class ComputeWorld {
  readonly bus = new InMemoryBus();
  readonly hosts: ScriptedHost[];
  /** By instance; the second one of a move by `ID move`. */
  readonly claims = new Map<string, { generation: number; host: ScriptedHost; layout: Layout | null }>();
  /** What was asked of the scheduler, and what it gives of a host. */
  readonly asked: ClaimRequest[] = [];
  layoutFor: (request: ClaimRequest) => Layout | null = () => null;
  readonly tombstones = new Map<string, number>();
  readonly selfStopped = new Set<string>();
  limits: ProjectLimits = { instances: -1, cores: -1, ramMib: -1, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 };
  limitsOf: (projectId: string) => { limits: ProjectLimits; generation: number } = () => ({ limits: this.limits, generation: 1 });
  image: ImageSummary = { id: IMAGE_ID, name: 'tiny', status: 'active', sizeBytes: 1000, virtualSizeBytes: 2000, diskFormat: 'qcow2', sha512: 'ab', minDiskGib: 0, minRamMib: 0, properties: {} };
  full = false;
  /** Device classes, and how many devices of each there are: on all hosts, and at most on one. */
  deviceClasses: Record<string, { total: number; available: number; mostPerHost: number; mostAvailablePerHost: number }> = {};
  schedulerAway = false;
  /** Takes claims, and then answers with an error. */
  schedulerStammers = false;
  /** What was done against the law. */
  readonly broken: string[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(hostCount = 2, pollMs = 50) {
    this.hosts = Array.from({ length: hostCount }, (_, index) => new ScriptedHost(`host-${index + 1}`, this));
    const serve = { group: 'world' };
    this.bus.handle(getProjectLimits, async ({ projectId }) => this.limitsOf(projectId), serve);
    this.bus.handle(getImage, async () => this.image, serve);
    this.bus.handle(signImageUrl, async () => ({ url: 'http://images.test/x', expiresAtMs: 1, sha512: 'ab', sizeBytes: 1000 }), serve);
    this.bus.handle(listZones, async () => ({ zones: [{ name: 'nova', available: true, onlyWhenAsked: false, hosts: [] }] }), serve);
    this.bus.handle(listHosts, async ({ id }) => {
      this.#present();
      return { hosts: this.hosts.filter((host) => id === undefined || host.id === id).map((host) => host.view()) };
    }, serve);
    this.bus.handle(listDeviceClassNames, async () => {
      this.#present();
      return { names: Object.keys(this.deviceClasses), version: '1', counts: this.deviceClasses };
    }, serve);
    this.bus.handle(claimHost, async (request) => {
      this.#present();
      const key = claimKey(request.instanceId, request.purpose);
      const held = this.claims.get(key);
      if (held?.generation === request.generation && this.schedulerStammers) throw internalError('the answer was lost');
      if (held?.generation === request.generation) return claimed(held);
      if (request.generation <= (this.tombstones.get(key) ?? 0)) throw stale('released before');
      if (this.full) return { outcome: 'refused' as const, explanation: EXPLANATION };
      if (held) throw conflict(`${key} still holds its claim of generation ${held.generation}.`);
      this.asked.push(request);
      const free = this.hosts.filter(({ id }) => !request.notHosts.includes(id));
      const claim = { generation: request.generation, host: free[this.claims.size % free.length] as ScriptedHost, layout: this.layoutFor(request) };
      this.claims.set(key, claim);
      if (this.schedulerStammers) throw internalError('the answer was lost');
      return claimed(claim);
    }, serve);
    this.bus.handle(releaseClaim, async ({ instanceId, generation, purpose }) => {
      this.#present();
      const key = claimKey(instanceId, purpose);
      if (purpose === 'run') for (const host of this.hosts) if (host.domains.has(instanceId)) this.broken.push(`the claim of ${instanceId} was released while ${host.name} has it`);
      this.tombstones.set(key, Math.max(generation, this.tombstones.get(key) ?? 0));
      return { released: this.claims.delete(key) };
    }, serve);
    this.bus.handle(settleMove, async ({ instanceId }) => {
      const move = this.claims.get(claimKey(instanceId, 'move'));
      if (move !== undefined) this.claims.set(instanceId, move);
      this.claims.delete(claimKey(instanceId, 'move'));
      return {};
    }, serve);
    this.bus.onHint(hostHint, (_payload, { hostId }) => void this.hosts.find((host) => host.id === hostId)?.round());
    for (const host of this.hosts) {
      this.bus.handle(readConsoleLog, async () => ({ output: `log of ${host.name}` }), { group: 'hosts', hostId: host.id });
      this.bus.handle(inspectOnHost, async () => ({ hostname: host.name, virtType: 'simulated' as const, simulated: true, ledger: null, observed: null, domainXml: null, files: [] }), { group: 'hosts', hostId: host.id });
    }
    this.#timer = setInterval(() => { for (const host of this.hosts) void host.round(); }, pollMs);
  }

  hostOf(instanceId: string): ScriptedHost {
    const host = this.hosts.find(({ ledger, domains }) => ledger.has(instanceId) || domains.has(instanceId));
    if (!host) throw new Error(`no host has ${instanceId}`);
    return host;
  }

  /** A guest switches itself off. */
  powerOff(instanceId: string, state: 'stopped' | 'crashed' = 'stopped'): void {
    this.selfStopped.add(instanceId);
    const host = this.hostOf(instanceId);
    const before = host.domains.get(instanceId);
    host.domains.set(instanceId, { state, rebootCount: before?.rebootCount ?? 0, ...(before?.built && { built: before.built }) });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const host of this.hosts) host.alive = false;
    await this.bus.close();
  }

  #present(): void { if (this.schedulerAway) throw unavailable('The scheduler is away.'); }
}

const claimKey = (instanceId: string, purpose: string): string => (purpose === 'run' ? instanceId : `${instanceId} ${purpose}`);
const claimed = ({ host, layout }: { host: ScriptedHost; layout: Layout | null }): { outcome: 'claimed'; hostId: HostId; hostName: string; availabilityZone: string; layout: Layout | null } =>
  ({ outcome: 'claimed', hostId: host.id, hostName: host.name, availabilityZone: 'nova', layout });

const EXPLANATION: PlacementExplanation = {
  hostsConsidered: 2, snapshotAt: NOW,
  filters: [{ name: 'ram', refused: 2, reason: '2 hosts have less than 128 MiB free (most: 64)', hosts: [{ name: 'host-1', needed: 128, free: 64 }, { name: 'host-2', needed: 128, free: 32 }] }],
};

export const callerOf = (projectId: string, change: Partial<Caller> = {}): Caller => ({
  userId: 'u1', userName: 'demo', projectId, projectName: projectId, domainId: 'default', roles: ['member'], isAdmin: false, requestId: `req-${randomUUID()}`, ...change,
});
