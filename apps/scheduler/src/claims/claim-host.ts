/**
 * Gives a new server its host: choose on the snapshot, take in PostgreSQL, and choose again what was lost to others.
 * Owns the answer to `claimHost`; never the claim, which is a row. If the process dies between the commit and the answer,
 * the same question gets the same host.
 */
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import type { z } from 'zod';
import type { claimHost, ClaimRequest, PlacementExplanation } from '#libs/contracts';
import { badRequest, conflict, stale, unavailable } from '#libs/errors';
import { LOGGER, type Logger } from '#libs/observability';
import { MOST } from '../decide/capacity.js';
import { place } from '../decide/place.js';
import { DEFAULT_POLICY, type Explanation, type PlacementPolicy } from '../decide/request.js';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Liveness } from '../snapshot/liveness.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { ClaimsRepository, type CapacityNow, type Taken, type Wanted } from './claims.repository.js';
import { MicroBatch, type Entry } from './micro-batch.js';

type Answer = z.output<typeof claimHost.output>;
type ClaimEntry = Entry<ClaimRequest, Answer>;

/** Timestamps are rounded up to a millisecond on the way here. */
const NEARLY_MS = 20;

interface Choice {
  hostId: string | null;
  explanation: Explanation | null;
  /** Of the snapshot it was made on. */
  atMs: number;
  readBegan: number;
}

@Injectable()
export class ClaimHost implements BeforeApplicationShutdown {
  readonly #policy: PlacementPolicy;
  readonly #batches = new MicroBatch<ClaimRequest, Answer>({
    name: 'claims', most: LIMITS.batch, waiting: LIMITS.waiting, attempts: LIMITS.claimAttempts,
    keyOf: (request) => request.instanceId, run: (entries) => this.#round(entries),
  });

  constructor(private readonly snapshot: Snapshot, private readonly liveness: Liveness, private readonly claims: ClaimsRepository, @Inject(CONFIG) private readonly config: SchedulerConfig, @Inject(LOGGER) private readonly logger: Logger) {
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
    if (!this.snapshot.loaded) await this.snapshot.refresh();
    const choices = entries.map((entry) => this.#choose(entry.item));
    const { taken, hosts } = await this.#take(entries, choices);
    for (const host of hosts) this.#learn(host);
    let outdated = false;
    entries.forEach((entry, at) => {
      outdated = this.#settle(entry, choices[at]!, taken[at]!) === 'outdated' || outdated;
    });
    // The same round for all of them: one read, whatever the number of those that found no room.
    if (outdated) await this.snapshot.refresh();
  }

  #choose(request: ClaimRequest): Choice {
    const { fleet, atMs, readBegan } = this.snapshot;
    const began = performance.now();
    const placement = place(fleet, {
      vcpus: request.vcpus, memoryMib: request.memoryMib, diskGib: request.diskGib,
      availabilityZone: request.availabilityZone, requestedHost: request.requestedHost, notHosts: request.notHosts,
      now: this.liveness.clock.now(), aliveTimeoutMs: this.config.aliveTimeoutMs, seed: Math.trunc(Math.random() * 0x1_0000_0000),
    }, this.#policy);
    meters.placing.observe((performance.now() - began) / 1000);
    if ('explanation' in placement) return { hostId: null, explanation: placement.explanation, atMs, readBegan };
    const host = placement.candidates[0]!;
    fleet.assume(host, request);
    return { hostId: fleet.ids[host]!, explanation: null, atMs, readBegan };
  }

  async #take(entries: ClaimEntry[], choices: Choice[]): Promise<{ taken: Taken[]; hosts: CapacityNow[] }> {
    meters.batch.observe(entries.length);
    this.snapshot.assumed += 1;
    try {
      return await this.claims.claim(entries.map(({ item }, at): Wanted => ({
        instanceId: item.instanceId, purpose: item.purpose, generation: item.generation, projectId: item.projectId, hostId: choices[at]!.hostId,
        vcpus: item.vcpus, memoryMib: item.memoryMib, diskGib: item.diskGib,
      })));
    } catch (error) {
      // Taken or not: nobody knows. What was assumed must not stay.
      this.snapshot.distrust();
      throw error;
    } finally {
      this.snapshot.assumed -= 1;
    }
  }

  /** The statement read the hosts' newest capacity: what was assumed is replaced by what is. */
  #learn({ hostId, capacity, enabled }: CapacityNow): void {
    const { fleet } = this.snapshot;
    const host = fleet.indexOf(hostId);
    if (host < 0) return;
    fleet.applyCapacity(host, capacity);
    fleet.setEnabled(host, enabled);
  }

  /** Leaves the entry open when it shall come again. */
  #settle(entry: ClaimEntry, choice: Choice, taken: Taken): 'outdated' | undefined {
    switch (taken.is) {
      case 'claimed':
        meters.claims.inc({ outcome: 'claimed' });
        entry.answer({ outcome: 'claimed', hostId: taken.hostId as never, hostName: taken.hostName, availabilityZone: taken.availabilityZone });
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
        return choice.explanation === null ? this.#lost(entry) : this.#refuse(entry, choice, choice.explanation);
    }
  }

  /** Somebody is faster than our snapshot: choose again on a newer one. */
  #lost(entry: ClaimEntry): 'outdated' {
    meters.conflicts.inc();
    entry.attempts += 1;
    if (entry.attempts >= LIMITS.claimAttempts) entry.fail(unavailable('Many servers are being placed at the same moment; try again.', { retryAfterS: 1 }));
    return 'outdated';
  }

  /** No is said only from a snapshot that was read after the question came, and only while silence of hosts proves something. */
  #refuse(entry: ClaimEntry, choice: Choice, explanation: Explanation): 'outdated' | undefined {
    const requestedAtMs = Date.parse(entry.item.requestedAt);
    if (choice.readBegan < entry.askedAt) return 'outdated';
    if (choice.atMs < requestedAtMs) {
      // Within a rounded millisecond the next read settles it. Beyond, the clock that wrote the request is ahead of the database's: not to be decided now.
      entry.attempts += 1;
      if (requestedAtMs - choice.atMs < NEARLY_MS && entry.attempts < LIMITS.claimAttempts) return 'outdated';
      entry.fail(unavailable('The request is newer than the database; try again.', { retryAfterS: 1, internal: `requested at ${entry.item.requestedAt}, snapshot at ${new Date(choice.atMs).toISOString()}` }));
      return undefined;
    }
    const certainty = this.liveness.certainty();
    if (!certainty.certain && explanation.filters.some((filter) => filter.name === 'alive')) {
      entry.fail(unavailable('Hosts that may have room have not been heard since the scheduler listens again; try again.', { retryAfterS: certainty.retryAfterS }));
      return undefined;
    }
    meters.claims.inc({ outcome: 'refused' });
    for (const filter of explanation.filters) meters.refusals.inc({ filter: filter.name }, filter.refused);
    this.logger.info({ instanceId: entry.item.instanceId, nearest: explanation.nearest, filters: explanation.filters.map(({ name, refused }) => ({ name, refused })) }, 'no host for this server');
    entry.answer({ outcome: 'refused', explanation: toContract(explanation, choice.atMs) });
    return undefined;
  }
}

const toContract = ({ hostsConsidered, filters }: Explanation, atMs: number): PlacementExplanation => ({ hostsConsidered, snapshotAt: new Date(atMs).toISOString(), filters });
