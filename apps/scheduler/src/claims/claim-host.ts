/**
 * Gives a new server its host: choose on the snapshot, take in PostgreSQL, and choose again what was lost to others.
 * Owns the answer to `claimHost`; never the claim, which is a row. If the process dies between the commit and the answer,
 * the same question gets the same host.
 */
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import type { z } from 'zod';
import { imageMark, type claimHost, type ClaimRequest, type PlacementExplanation } from '#libs/contracts';
import { badRequest, conflict, stale, unavailable } from '#libs/errors';
import { LOGGER, type Logger } from '#libs/observability';
import { MOST } from '../decide/capacity.js';
import { place } from '../decide/place.js';
import { DEFAULT_POLICY, type Candidate, type Explanation, type Placement, type PlacementPolicy, type PlacementRequest } from '../decide/request.js';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Liveness } from '../snapshot/liveness.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { Turns } from '../turns.js';
import { ClaimsRepository } from './claims.repository.js';
import { MicroBatch, type Entry } from './micro-batch.js';
import { Peers } from './peers.js';
import type { CapacityNow, Taken, Wanted } from './wanted.js';
import type { Whereabouts } from './whereabouts.js';

type Answer = z.output<typeof claimHost.output>;
type ClaimEntry = Entry<ClaimRequest, Answer>;

/** Timestamps are rounded up to a millisecond on the way here. */
const NEARLY_MS = 20;

interface Choice {
  hostId: string | null;
  /** null: there is none. */
  candidate: Candidate | null;
  /** On the way to it: hosts looked at, and how many each filter refused. */
  considered: number;
  refused: { name: string; refused: number }[];
  /** Of the snapshot it was made on. */
  atMs: number;
}

@Injectable()
export class ClaimHost implements BeforeApplicationShutdown {
  readonly #policy: PlacementPolicy;
  readonly #batches = new MicroBatch<ClaimRequest, Answer>({
    name: 'claims', most: LIMITS.batch, waiting: LIMITS.waiting, attempts: LIMITS.claimAttempts,
    keyOf: (request) => request.instanceId, run: (entries) => this.#round(entries),
  });
  /** When a claim of more than amounts was lost last, on performance.now(). */
  #contendedAt = -Infinity;

  constructor(private readonly snapshot: Snapshot, private readonly liveness: Liveness, private readonly claims: ClaimsRepository, private readonly peers: Peers, @Inject(CONFIG) private readonly config: SchedulerConfig, @Inject(LOGGER) private readonly logger: Logger) {
    this.#policy = { strategy: config.weigher ?? DEFAULT_POLICY.strategy, weights: config.weights ?? DEFAULT_POLICY.weights };
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#batches.drained();
  }

  /** Throws `stale` at or below a tombstone, `conflict` while an older claim is held, `unavailable` when to come back. */
  async execute(request: ClaimRequest, signal?: AbortSignal): Promise<Answer> {
    if (Math.max(request.vcpus, request.memoryMib, request.diskGib, request.generation) > MOST) throw badRequest(`vCPUs, memory, disk and generation are at most ${MOST}.`);
    return this.#batches.ask(request, signal);
  }

  async #round(entries: ClaimEntry[]): Promise<void> {
    if (!this.snapshot.loaded || (this.#contended() && performance.now() - this.snapshot.readBegan > LIMITS.contendedReadMs && entries.some(({ item }) => item.needs !== null))) await this.snapshot.refresh();
    const { choices, taken, hosts } = await this.#attempt(entries);
    const turns = new Turns();
    await turns.next();
    await turns.map(hosts, (host) => { this.#learn(host); });
    const none: ClaimEntry[] = [];
    let outdated = false;
    await turns.each(entries, (entry, at) => {
      const [choice, got] = [choices[at]!, taken[at]!];
      if (got.is === 'lost' && choice.candidate === null) none.push(entry);
      else outdated = this.#settle(entry, choice, got) === 'outdated' || outdated;
    });
    // The same for all of them: one read, whatever the number of those that found no room.
    if (none.length > 0) await this.#recheck(none);
    else if (outdated) await this.snapshot.refresh();
  }

  /**
   * No is said from the newest commit alone: a reading of the fleet that began after the question came and after all that this
   * batch took is committed, and with the groups as they were at that very reading. Whoever finds room there comes again.
   */
  async #recheck(entries: ClaimEntry[]): Promise<void> {
    const items = entries.map(({ item }) => item);
    const before = await this.claims.whereabouts(items);
    await this.snapshot.refresh();
    const answers = await this.#inTurns(entries, (entry) => {
      const { atMs, torn } = this.snapshot;
      const { placement } = this.#place(entry.item, before, entry.attempts);
      return 'explanation' in placement && !torn ? { explanation: placement.explanation, atMs } : null;
    });
    const after = await this.claims.whereabouts(items);
    await new Turns().each(entries, (entry, at) => {
      const answer = answers[at]!;
      if (answer !== null && before.knownOf(entry.item) === after.knownOf(entry.item)) this.#refuse(entry, answer.explanation, answer.atMs);
      else this.#again(entry);
    });
  }

  /** Chooses for all and takes what was chosen; meanwhile the fleet counts what is not committed yet. */
  async #attempt(entries: ClaimEntry[]): Promise<{ choices: Choice[]; taken: Taken[]; hosts: CapacityNow[] }> {
    const whereabouts = await this.claims.whereabouts(entries.map(({ item }) => item));
    this.snapshot.assumed += 1;
    try {
      const choices = await this.#inTurns(entries, (entry) => this.#choose(entry, whereabouts));
      return { choices, ...(await this.#take(entries, choices)) };
    } finally {
      this.snapshot.assumed -= 1;
    }
  }

  /** Decisions one after the other; now and then everything else of the process has its turn. */
  #inTurns<T>(entries: ClaimEntry[], decide: (entry: ClaimEntry) => T): Promise<T[]> {
    return new Turns().map(entries, decide);
  }

  #choose({ item: request, attempts }: ClaimEntry, whereabouts: Whereabouts): Choice {
    const { fleet, atMs } = this.snapshot;
    const { placement, asked } = this.#place(request, whereabouts, attempts);
    if ('explanation' in placement) return { hostId: null, candidate: null, considered: fleet.size, refused: [], atMs };
    const candidate = this.#pick(placement.candidates, attempts);
    const hostId = fleet.ids[candidate.host]!;
    fleet.assume(candidate, asked);
    whereabouts.chose(request.instanceId, hostId);
    return { hostId, candidate, considered: fleet.size, refused: placement.refused, atMs };
  }

  #place(request: ClaimRequest, whereabouts: Whereabouts, attempts: number): { placement: Placement; asked: PlacementRequest } {
    const began = performance.now();
    const scatter = request.needs !== null && this.#contended();
    // The exact CPUs of a host are worth something to one scheduler only; plain amounts are there for all of them.
    const hosts = request.needs !== null && attempts === 0 ? this.peers.preference() : undefined;
    const asked = {
      vcpus: request.vcpus, memoryMib: request.memoryMib, diskGib: request.diskGib, projectId: request.projectId, needs: request.needs, ...whereabouts.company(request),
      availabilityZone: request.availabilityZone, requestedHost: request.requestedHost, notHosts: request.notHosts, ...(request.image !== undefined && { image: imageMark(request.image) }),
      now: this.liveness.clock.now(), aliveTimeoutMs: this.config.aliveTimeoutMs, seed: Math.trunc(Math.random() * 0x1_0000_0000),
      scatter: scatter ? Math.trunc(Math.random() * 0x1_0000) : 0,
    };
    const placement = place(this.snapshot.fleet, asked, hosts ? { ...this.#policy, prefer: { among: LIMITS.among, hosts } } : this.#policy);
    meters.placing.observe((performance.now() - began) / 1000);
    return { placement, asked };
  }

  #contended(): boolean {
    return performance.now() - this.#contendedAt < LIMITS.contendedMs;
  }

  /**
   * The best, unless others were faster: equal schedulers choose equally, and the exact CPUs of the best host are worth
   * something to one of them only. Then any of the best few.
   */
  #pick(candidates: readonly Candidate[], attempts: number): Candidate {
    const contended = attempts > 0 || (candidates[0]!.layout !== null && this.#contended());
    return candidates[contended ? Math.floor(Math.random() * candidates.length) : 0]!;
  }

  async #take(entries: ClaimEntry[], choices: Choice[]): Promise<{ taken: Taken[]; hosts: CapacityNow[] }> {
    meters.batch.observe(entries.length);
    try {
      return await this.claims.claim(entries.map(({ item }, at) => wanted(item, choices[at]!)));
    } catch (error) {
      // Taken or not: nobody knows. What was assumed must not stay.
      this.snapshot.distrust();
      throw error;
    }
  }

  /** The statement read the hosts' newest capacity: what was assumed is replaced by what is. */
  #learn({ hostId, capacity, enabled, devices }: CapacityNow): void {
    const { fleet } = this.snapshot;
    const host = fleet.indexOf(hostId);
    if (host < 0) return;
    fleet.applyCapacity(host, capacity);
    if (devices !== undefined) fleet.settleDevices(host, devices);
    fleet.setEnabled(host, enabled);
  }

  /** Leaves the entry open when it shall come again. */
  #settle(entry: ClaimEntry, choice: Choice, taken: Taken): 'outdated' | undefined {
    switch (taken.is) {
      case 'claimed':
        meters.claims.inc({ outcome: 'claimed' });
        entry.answer({ outcome: 'claimed', hostId: taken.hostId as never, hostName: taken.hostName, availabilityZone: taken.availabilityZone, layout: taken.layout, explanation: taken.hostId === choice.hostId ? onTheWay(choice) : null });
        return undefined;
      case 'stale':
        meters.claims.inc({ outcome: 'stale' });
        entry.fail(stale(`Instance ${entry.item.instanceId} has moved on: generation ${taken.generation} is released or claimed, ${entry.item.generation} was asked for.`));
        return undefined;
      case 'held':
        meters.claims.inc({ outcome: 'held' });
        entry.fail(conflict(`Instance ${entry.item.instanceId} still holds its claim of generation ${taken.generation}: release that first.`));
        return undefined;
      case 'lost':
        return this.#lost(entry, choice);
    }
  }

  /** Somebody is faster than our snapshot: choose again on a newer one. */
  #lost(entry: ClaimEntry, { candidate }: Choice): 'outdated' {
    meters.conflicts.inc();
    if (candidate !== null && candidate.layout !== null) this.#contendedAt = performance.now();
    this.#again(entry);
    return 'outdated';
  }

  #again(entry: ClaimEntry): void {
    entry.attempts += 1;
    if (entry.attempts >= LIMITS.claimAttempts) entry.fail(unavailable('Many servers are being placed at the same moment; try again.', { retryAfterS: 1 }));
  }

  /** Only while silence of hosts proves something. Leaves the entry open when it shall come again. */
  #refuse(entry: ClaimEntry, explanation: Explanation, atMs: number): void {
    const requestedAtMs = Date.parse(entry.item.requestedAt);
    if (atMs < requestedAtMs) {
      // Within a rounded millisecond the next read settles it. Beyond, the clock that wrote the request is ahead of the database's: not to be decided now.
      entry.attempts += 1;
      if (requestedAtMs - atMs < NEARLY_MS && entry.attempts < LIMITS.claimAttempts) return;
      entry.fail(unavailable('The request is newer than the database; try again.', { retryAfterS: 1, internal: `requested at ${entry.item.requestedAt}, snapshot at ${new Date(atMs).toISOString()}` }));
      return;
    }
    const certainty = this.liveness.certainty();
    if (!certainty.certain && explanation.filters.some((filter) => filter.name === 'alive')) {
      entry.fail(unavailable('Hosts that may have room have not been heard since the scheduler listens again; try again.', { retryAfterS: certainty.retryAfterS }));
      return;
    }
    meters.claims.inc({ outcome: 'refused' });
    for (const filter of explanation.filters) meters.refusals.inc({ filter: filter.name }, filter.refused);
    this.logger.info({ instanceId: entry.item.instanceId, nearest: explanation.nearest, filters: explanation.filters.map(({ name, refused }) => ({ name, refused })) }, 'no host for this server');
    entry.answer({ outcome: 'refused', explanation: toContract(explanation, atMs) });
  }
}

/** What needs amounts only is told from what takes more: the plain statement is far cheaper. */
function wanted(item: ClaimRequest, { hostId, candidate }: Choice): Wanted {
  const { instanceId, purpose, generation, projectId, group } = item;
  const { vcpus, memoryMib, diskGib } = candidate?.amounts ?? item;
  const resources = candidate?.amounts.resources ?? {};
  const plain = candidate === null || (candidate.layout === null && group === null && Object.keys(resources).length === 0);
  return { instanceId, purpose, generation, projectId, hostId, vcpus, memoryMib, diskGib, exact: plain ? null : { layout: candidate.layout, resources, group } };
}

const toContract = ({ hostsConsidered, filters, nearest }: Explanation, atMs: number): PlacementExplanation => ({
  hostsConsidered, snapshotAt: new Date(atMs).toISOString(), filters,
  ...(nearest !== null && { nearest: { name: nearest.name, blockers: nearest.blockers.map(({ filter, needed, free }) => ({ filter, needed, free })) } }),
});

/** Numbers of each host would cost more than the choice itself; how many fell out where costs nothing. */
const onTheWay = ({ considered, refused, atMs }: Choice): PlacementExplanation => ({
  hostsConsidered: considered, snapshotAt: new Date(atMs).toISOString(),
  filters: refused.map((filter) => ({ ...filter, reason: `${filter.refused === 1 ? '1 host' : `${filter.refused} hosts`} fell out here; a host was found.`, hosts: [] })),
});
