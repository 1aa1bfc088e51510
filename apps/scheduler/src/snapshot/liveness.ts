/**
 * Which hosts are alive. Owns the last beat of each host, in memory; stores it seldom and in batches, so that ten
 * thousand beating hosts cost a handful of statements. Every replica hears every beat. A host is alive when its session
 * was heard within the alive timeout and its hypervisor answers.
 *
 * Silence proves something only to one who listened. Right after a start, while the bus is away, and for one timeout
 * after it came back (or after this process itself stood still), the silence of hosts is *uncertain*: nothing may be
 * refused because of it. After a start, a host that was stored alive lately counts as alive for one timeout.
 *
 * If the process dies here, the next one starts from what was stored and from the beats it hears.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { hostBeat } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { BUS, type Bus, type Subscription } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Periodic } from '../periodic.js';

interface Beat {
  bootId: string | null;
  /** Generation of the host's row that named the boot id. */
  generation: number;
  heardAt: number;
  hypervisorUp: boolean;
  storedAt: number;
  storedUp: boolean;
}

/** What the feed knows of a host's session. */
export interface SessionRow { id: string; bootId: string | null; generation: number; hypervisorUp: boolean; silentMs: number | null }

/** Told whenever a host is heard, or first known: keeps the fleet's columns. */
export type HeardListener = (hostId: string, heardAt: number, hypervisorUp: boolean) => void;

@Injectable()
export class Liveness implements OnModuleInit, OnApplicationShutdown {
  readonly #beats = new Map<string, Beat>();
  readonly #timeoutMs: number;
  readonly #store: Periodic;
  #certainFrom = Infinity;
  #lastTick = performance.now();
  #listener: HeardListener = () => {};
  #subscription: Subscription | undefined;

  constructor(@Inject(BUS) private readonly bus: Bus, @Inject(DATABASE) private readonly db: Database, @Inject(CONFIG) config: SchedulerConfig, @Inject(LOGGER) logger: Logger) {
    this.#timeoutMs = config.aliveTimeoutMs;
    this.#store = new Periodic('beats', Math.min(LIMITS.beatsTickMs, config.aliveTimeoutMs / 2), () => this.#tick(), logger);
  }

  onModuleInit(): void {
    this.#listenAnew();
    this.bus.onConnection((connected) => { if (connected) this.#listenAnew(); });
    this.#subscription = this.bus.onHint(hostBeat, (beat, { hostId }) => { if (hostId) this.heard(hostId, beat.bootId, beat.hypervisorUp); });
    this.#store.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#subscription?.stop();
    await this.#store.stop();
  }

  onHeard(listener: HeardListener): void {
    this.#listener = listener;
  }

  /** The feed read this host. */
  adopt(row: SessionRow): void {
    const known = this.#beats.get(row.id);
    if (known && (row.generation < known.generation || row.bootId === known.bootId)) {
      known.generation = Math.max(known.generation, row.generation);
      this.#listener(row.id, known.heardAt, known.hypervisorUp);
      return;
    }
    const now = performance.now();
    const silent = row.silentMs ?? Infinity;
    const lately = silent <= this.#timeoutMs + LIMITS.beatsStoreMs + LIMITS.beatsTickMs;
    const heardAt = lately ? now : now - silent;
    this.#beats.set(row.id, { bootId: row.bootId, generation: row.generation, heardAt, hypervisorUp: row.hypervisorUp, storedAt: now - silent, storedUp: row.hypervisorUp });
    this.#listener(row.id, heardAt, row.hypervisorUp);
  }

  /** A new session was admitted here: from now on its beats count. Its inventory came from a hypervisor that answers. */
  began(hostId: string, bootId: string, generation: number): void {
    const heardAt = performance.now();
    this.#beats.set(hostId, { bootId, generation, heardAt, hypervisorUp: true, storedAt: heardAt, storedUp: true });
    this.#listener(hostId, heardAt, true);
  }

  /** A sign of life; that of a session which does not hold the host is none. */
  heard(hostId: string, bootId: string, hypervisorUp: boolean): void {
    const beat = this.#beats.get(hostId);
    if (!beat) return;
    if (beat.bootId !== bootId) {
      meters.foreignBeats.inc();
      return;
    }
    beat.heardAt = performance.now();
    beat.hypervisorUp = hypervisorUp;
    this.#listener(hostId, beat.heardAt, hypervisorUp);
  }

  forget(hostId: string): void {
    this.#beats.delete(hostId);
  }

  /** Milliseconds since the host's session was heard; Infinity: never. */
  silentMs(hostId: string): number {
    const beat = this.#beats.get(hostId);
    return beat ? performance.now() - beat.heardAt : Infinity;
  }

  /** What is known of a host now; `lastSeenMs`: epoch milliseconds, null when it was never heard. */
  of(hostId: string): { alive: boolean; hypervisorUp: boolean; lastSeenMs: number | null } {
    const beat = this.#beats.get(hostId);
    const silent = this.silentMs(hostId);
    if (!beat || silent === Infinity) return { alive: false, hypervisorUp: false, lastSeenMs: null };
    return { alive: silent <= this.#timeoutMs && beat.hypervisorUp, hypervisorUp: beat.hypervisorUp, lastSeenMs: Date.now() - silent };
  }

  /** Does silence prove anything now? Else: seconds after which it may. */
  certainty(): { certain: true } | { certain: false; retryAfterS: number } {
    const missing = this.#certainFrom - performance.now();
    if (this.bus.connected && missing <= 0) return { certain: true };
    return { certain: false, retryAfterS: Math.min(Math.max(1, Math.ceil(missing / 1000)), 5) };
  }

  counts(): { known: number; alive: number } {
    const now = performance.now();
    let alive = 0;
    for (const beat of this.#beats.values()) if (beat.hypervisorUp && now - beat.heardAt <= this.#timeoutMs) alive += 1;
    return { known: this.#beats.size, alive };
  }

  #listenAnew(): void {
    this.#certainFrom = performance.now() + this.#timeoutMs;
  }

  async #tick(): Promise<void> {
    const now = performance.now();
    // This process stood still (suspended, starved): beats may lie unread, their age is ours.
    if (now - this.#lastTick > this.#timeoutMs) this.#listenAnew();
    this.#lastTick = now;
    const { known, alive } = this.counts();
    meters.hosts.set({ state: 'known' }, known);
    meters.hosts.set({ state: 'alive' }, alive);
    const due = [...this.#beats].filter(([, beat]) => beat.heardAt !== -Infinity && (beat.hypervisorUp !== beat.storedUp || beat.heardAt - beat.storedAt >= LIMITS.beatsStoreMs));
    for (let from = 0; from < due.length; from += LIMITS.beatsBatch) await this.#storeSome(due.slice(from, from + LIMITS.beatsBatch));
  }

  /** Skips rows that another replica writes right now: it writes the same. */
  async #storeSome(due: [string, Beat][]): Promise<void> {
    const now = performance.now();
    const taken = due.map(([id, beat]) => ({ id, beat, heardAt: beat.heardAt, up: beat.hypervisorUp }));
    await this.db.pool.query({
      name: 'scheduler-beats',
      text: `WITH heard AS (SELECT id, up, now() - make_interval(secs => silent_ms / 1000) AS at FROM unnest($1::uuid[], $2::boolean[], $3::float8[]) AS h(id, up, silent_ms)),
          due AS (SELECT b.host_id FROM scheduler.host_beats b JOIN heard ON heard.id = b.host_id
            WHERE b.last_seen_at IS NULL OR b.last_seen_at < heard.at - interval '1 second' OR b.hypervisor_up <> heard.up
            FOR NO KEY UPDATE OF b SKIP LOCKED)
        UPDATE scheduler.host_beats b SET hypervisor_up = heard.up, last_seen_at = greatest(b.last_seen_at, heard.at)
        FROM heard, due WHERE due.host_id = b.host_id AND heard.id = b.host_id`,
      values: [taken.map((one) => one.id), taken.map((one) => one.up), taken.map((one) => now - one.heardAt)],
    });
    for (const { beat, heardAt, up } of taken) {
      beat.storedAt = heardAt;
      beat.storedUp = up;
    }
  }
}
