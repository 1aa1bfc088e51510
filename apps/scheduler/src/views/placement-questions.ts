/**
 * Questions about placement that claim nothing: would it fit, where, how many. Looks at the snapshot, which is as before
 * when the answer is given. Owns nothing; a crash loses the question.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { ClaimRequest, FitAnswer, fitPlacement, getPlacementRules, OutputOf, placementCapacity, ReceivedBy } from '#libs/contracts';
import { timedOut, unavailable } from '#libs/errors';
import { ClaimsRepository } from '../claims/claims.repository.js';
import { DryRun, inAll, roomOn, takers } from '../decide/dry-run.js';
import { FILTERS } from '../decide/filters/all.js';
import { DEFAULT_POLICY, type PlacementPolicy, type PlacementRequest } from '../decide/request.js';
import { WEIGHERS, weightsOf } from '../decide/weighers/all.js';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import { LIMITS } from '../limits.js';
import { Liveness } from '../snapshot/liveness.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { Turns } from '../turns.js';

/** Stands for the server that is not there yet: it is in no group and has no claim. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

@Injectable()
export class PlacementQuestions {
  readonly #policy: PlacementPolicy;
  #last: Promise<unknown> = Promise.resolve();
  #asked = 0;

  constructor(private readonly snapshot: Snapshot, private readonly liveness: Liveness, private readonly claims: ClaimsRepository, @Inject(CONFIG) private readonly config: SchedulerConfig) {
    this.#policy = { strategy: config.weigher ?? DEFAULT_POLICY.strategy, weights: config.weights ?? DEFAULT_POLICY.weights };
  }

  rules(): OutputOf<typeof getPlacementRules> {
    const weights = weightsOf(this.#policy);
    return {
      strategy: this.#policy.strategy, filters: FILTERS.map(({ name }) => ({ name })),
      weighers: WEIGHERS.map(({ name, kind }) => ({ name, kind, multiplier: weights[name] })),
    };
  }

  fit(asked: ReceivedBy<typeof fitPlacement>): Promise<FitAnswer> { return this.#inTurn(() => this.#fit(asked)); }

  capacity(asked: ReceivedBy<typeof placementCapacity>): Promise<OutputOf<typeof placementCapacity>> { return this.#inTurn(() => this.#capacity(asked)); }

  /** One at a time: claims go before curiosity, whoever asks. */
  #inTurn<T>(answer: () => Promise<T>): Promise<T> {
    if (this.#asked >= LIMITS.questionsWaiting) return Promise.reject(unavailable('Many questions about placement are being answered; try again.', { retryAfterS: 1 }));
    this.#asked += 1;
    const mine = this.#last.then(answer).finally(() => { this.#asked -= 1; });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #fit(asked: ReceivedBy<typeof fitPlacement>): Promise<FitAnswer> {
    const named: Pick<ClaimRequest, 'instanceId' | 'hints' | 'group'> = { instanceId: NOBODY as ClaimRequest['instanceId'], hints: asked.hints, group: asked.group };
    const [whereabouts] = await Promise.all([this.claims.whereabouts([named], asked.hintsWithin), this.snapshot.refresh()]);
    const { fleet, atMs } = this.snapshot;
    const company = whereabouts.company(named);
    const request = this.#request({ ...asked, ...company, group: company.group ?? null });
    const run = new DryRun(fleet, this.#policy);
    const turns = new PatientTurns();
    while (run.slice(request, asked.count, () => turns.over)) await turns.next();
    const most = await this.#inAll(request, turns);
    const { placed, explanation } = run.trial;
    const hosts = [...placed].flatMap(([id, count]) => {
      const host = fleet.indexOf(id);
      return host < 0 ? [] : [{ id: id as FitAnswer['hosts'][number]['id'], name: fleet.names[host]!, availabilityZone: fleet.zones[host]!, count }];
    });
    return {
      fits: run.count, most: Math.max(most, run.count), hosts: hosts.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)),
      explanation: explanation && { hostsConsidered: explanation.hostsConsidered, snapshotAt: new Date(atMs).toISOString(), filters: explanation.filters },
    };
  }

  async #capacity({ projectId, wishes }: ReceivedBy<typeof placementCapacity>): Promise<OutputOf<typeof placementCapacity>> {
    await this.snapshot.refresh();
    const { fleet, atMs } = this.snapshot;
    const names = [...new Set(fleet.zones)].sort();
    const turns = new PatientTurns();
    const capacity: OutputOf<typeof placementCapacity>['capacity'] = [];
    for (const wish of wishes) {
      const zones: { name: string; fits: number }[] = [];
      for (const name of names) zones.push({ name, fits: await this.#inAll(this.#request({ ...wish, projectId, availabilityZone: name, requestedHost: null }), turns) });
      capacity.push({ zones });
    }
    return { at: new Date(atMs).toISOString(), capacity };
  }

  async #inAll(request: PlacementRequest, turns: Turns): Promise<number> {
    const { fleet } = this.snapshot;
    const rooms: number[] = [];
    for (const id of takers(fleet, request, this.#policy)) {
      rooms.push(roomOn(fleet, request, id, this.#policy));
      if (turns.over) await turns.next();
    }
    return inAll(request, rooms);
  }

  #request(asked: Omit<PlacementRequest, 'now' | 'aliveTimeoutMs' | 'seed'>): PlacementRequest {
    const { vcpus, memoryMib, diskGib, projectId, needs, sameHosts, differentHosts, group, availabilityZone, requestedHost } = asked;
    return {
      vcpus, memoryMib, diskGib, availabilityZone, requestedHost, notHosts: [], needs: needs ?? null, sameHosts: sameHosts ?? null, differentHosts: differentHosts ?? [], group: group ?? null,
      ...(projectId !== undefined && { projectId }), now: this.liveness.clock.now(), aliveTimeoutMs: this.config.aliveTimeoutMs, seed: 1,
    };
  }
}

/** Ends what nobody waits for any more. */
class PatientTurns extends Turns {
  readonly #asked = performance.now();
  override async next(): Promise<void> {
    if (performance.now() - this.#asked > LIMITS.questionMs) throw timedOut('The fleet is too large for this question at once: ask for fewer, or for one zone.');
    await super.next();
  }
}
