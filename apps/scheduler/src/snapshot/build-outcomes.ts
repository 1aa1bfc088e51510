/**
 * Hears how builds end on hosts and tells placement: hosts on which they fail are liked less, and left out for a while when
 * it goes on. Owns these counts, in memory alone: what the bus lost or a restart forgot is learned again at the next failure.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { buildEnded } from '#libs/contracts';
import { BUS, type Bus, type Subscription } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { afterBuild, isForgotten, mostQuarantined, type Builds } from '../decide/quarantine.js';
import { LIMITS } from '../limits.js';
import { Periodic } from '../periodic.js';
import { Liveness } from './liveness.js';
import { Snapshot } from './snapshot.js';

@Injectable()
export class BuildOutcomes implements OnModuleInit, OnApplicationShutdown {
  readonly #builds = new Map<string, Builds>();
  readonly #forget: Periodic;
  #subscription: Subscription | undefined;

  constructor(private readonly snapshot: Snapshot, private readonly liveness: Liveness, @Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) private readonly logger: Logger) {
    this.#forget = new Periodic('build-outcomes', LIMITS.buildsTickMs, async () => this.#tick(), logger);
  }

  onModuleInit(): void {
    // No group: every scheduler hears all of them.
    this.#subscription = this.bus.onHint(buildEnded, ({ hostId, good }) => this.ended(hostId, good));
    this.#forget.start(LIMITS.buildsTickMs);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#subscription?.stop();
    await this.#forget.stop();
  }

  ended(hostId: string, good: boolean): void {
    const known = this.#builds.get(hostId) ?? null;
    if (known === null && good) return;
    const now = this.liveness.clock.now();
    let builds = afterBuild(known, good, now, LIMITS.quarantine);
    if (builds !== null && builds.until > now && this.#quarantined(now, hostId) >= mostQuarantined(this.snapshot.fleet.size, LIMITS.quarantine)) builds = { ...builds, until: -Infinity };
    if (builds !== null && builds.until > now) this.logger.warn({ host: hostId, failures: builds.failures, forMs: builds.until - now }, 'builds keep failing on this host: it gets no new servers for a while');
    this.#set(hostId, builds);
  }

  #quarantined(now: number, but: string): number {
    let count = 0;
    for (const [hostId, { until }] of this.#builds) if (hostId !== but && until > now) count += 1;
    return count;
  }

  #tick(): void {
    const now = this.liveness.clock.now();
    for (const [hostId, builds] of this.#builds) if (isForgotten(builds, now, LIMITS.quarantine)) this.#set(hostId, null);
  }

  #set(hostId: string, builds: Builds | null): void {
    if (builds === null) this.#builds.delete(hostId);
    else this.#builds.set(hostId, builds);
    this.snapshot.fleet.setFailures(hostId, builds?.failures ?? 0, builds?.until ?? -Infinity);
  }
}
