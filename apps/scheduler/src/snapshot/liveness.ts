/**
 * Which hosts are alive. Owns the last beat and the last echo of each host, in memory; stores beats seldom and in batches,
 * so that ten thousand beating hosts cost a handful of statements. Every replica hears every beat. A host is alive when
 * its session was heard within the alive timeout, echoes come back from it, and its hypervisor answers.
 *
 * Silence proves something only to one who listened: it is counted by a clock that stands while we could not hear
 * (listening-clock.ts). Right after a start, while the bus is away, and for one timeout after it came back (or after this
 * process itself stood still), the silence of hosts is *uncertain*: nothing may be refused because of it. After a start, a
 * host that was stored alive lately counts as alive for one timeout.
 *
 * If the process dies here, the next one starts from what was stored and from the beats it hears.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { hostBeat } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { BUS, type Bus, type Subscription } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { conditionOf, type Condition, type Patience } from '../decide/condition.js';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Periodic } from '../periodic.js';
import { ListeningClock } from './listening-clock.js';

export interface Beat {
  bootId: string | null;
  /** Generation of the host's row that named the boot id. */
  generation: number;
  /** On the listening clock. */
  heardAt: number;
  /** Wall clock, epoch ms, for people; null: not by this process. */
  heardWallMs: number | null;
  hypervisorUp: boolean;
  storedAt: number;
  storedUp: boolean;
  /** Its agent answers echoes. */
  echoes: boolean;
  /** Listening clock: the next routine echo. */
  echoAt: number;
  unanswered: number;
  unansweredWhy: string | null;
  asking: boolean;
  /** Since when (wall clock) it has been in the condition that it was last seen in. */
  state: Condition['state'];
  stateSinceMs: number;
  lostBooked: boolean;
}

/** What the feed knows of a host's session. */
export interface SessionRow { id: string; bootId: string | null; generation: number; hypervisorUp: boolean; silentMs: number | null; echoes?: boolean; lostBooked?: boolean }

/** Told whenever a host is heard, or first known: keeps the fleet's columns. */
export type HeardListener = (hostId: string, heardAt: number, answers: boolean) => void;

export interface LiveFacts { alive: boolean; hypervisorUp: boolean; lastSeenMs: number | null; condition: { state: Condition['state']; sinceMs: number | null; reason: string } }

@Injectable()
export class Liveness implements OnModuleInit, OnApplicationShutdown {
  readonly clock = new ListeningClock();
  readonly beats = new Map<string, Beat>();
  readonly patience: Patience;
  readonly #timeoutMs: number;
  readonly #store: Periodic;
  #certainFrom = Infinity;
  #lastTick = performance.now();
  #listener: HeardListener = () => {};
  #imagesListener: (hostId: string, images: readonly string[]) => void = () => {};
  #subscription: Subscription | undefined;
  /** Listening clock: when anybody at all was heard. */
  #anybodyAt = 0;
  #massSilence = false;

  constructor(@Inject(BUS) private readonly bus: Bus, @Inject(DATABASE) private readonly db: Database, @Inject(CONFIG) config: SchedulerConfig, @Inject(LOGGER) private readonly logger: Logger) {
    this.#timeoutMs = config.aliveTimeoutMs;
    this.patience = { aliveTimeoutMs: config.aliveTimeoutMs, suspectMs: config.aliveTimeoutMs / 2, echoesWhenSilent: LIMITS.echoesWhenSilent, echoesWhenHeard: LIMITS.echoesWhenHeard };
    this.#store = new Periodic('beats', Math.min(LIMITS.beatsTickMs, config.aliveTimeoutMs / 2), () => this.#tick(), logger);
  }

  onModuleInit(): void {
    this.#listenAnew();
    if (!this.bus.connected) this.clock.deafen();
    this.bus.onConnection((connected) => {
      if (!connected) this.clock.deafen();
      else {
        this.#listenAnew();
        this.clock.hearAgain(this.#timeoutMs);
      }
    });
    this.#subscription = this.bus.onHint(hostBeat, (beat, { hostId }) => {
      if (!hostId || !this.heard(hostId, beat.bootId, beat.hypervisorUp)) return;
      if (beat.images) this.#imagesListener(hostId, beat.images);
    });
    this.#store.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#subscription?.stop();
    await this.#store.stop();
  }

  onHeard(listener: HeardListener): void {
    this.#listener = listener;
  }

  /** Told whenever a host says which images it has, by their marks. */
  onImages(listener: (hostId: string, images: readonly string[]) => void): void {
    this.#imagesListener = listener;
  }

  /** The feed read this host. */
  adopt(row: SessionRow): void {
    const known = this.beats.get(row.id);
    if (known) {
      known.echoes = row.echoes ?? false;
      known.lostBooked = row.lostBooked ?? known.lostBooked;
    }
    if (known && (row.generation < known.generation || row.bootId === known.bootId)) {
      known.generation = Math.max(known.generation, row.generation);
      this.tell(row.id, known);
      return;
    }
    const now = this.clock.now();
    const silent = row.silentMs ?? Infinity;
    const lately = silent <= this.#timeoutMs + LIMITS.beatsStoreMs + LIMITS.beatsTickMs;
    const beat = this.#fresh(row.bootId, row.generation, lately ? now : now - silent, row.hypervisorUp);
    Object.assign(beat, { storedAt: now - silent, echoes: row.echoes ?? false, lostBooked: row.lostBooked ?? false, heardWallMs: silent === Infinity ? null : Date.now() - silent });
    this.beats.set(row.id, beat);
    this.tell(row.id, beat);
  }

  /** A new session was admitted here: from now on its beats count. Its inventory came from a hypervisor that answers. */
  began(hostId: string, bootId: string, generation: number, echoes = false): void {
    const lostBooked = this.beats.get(hostId)?.lostBooked ?? false;
    const beat = { ...this.#fresh(bootId, generation, this.clock.now(), true), heardWallMs: Date.now(), echoes, lostBooked };
    this.beats.set(hostId, beat);
    this.#anybodyAt = beat.heardAt;
    this.tell(hostId, beat);
  }

  /** A sign of life; that of a session which does not hold the host is none. Answers whether it was one. */
  heard(hostId: string, bootId: string, hypervisorUp: boolean): boolean {
    const beat = this.beats.get(hostId);
    if (!beat) return false;
    if (beat.bootId !== bootId) {
      meters.foreignBeats.inc();
      return false;
    }
    beat.heardAt = this.clock.now();
    beat.heardWallMs = Date.now();
    beat.hypervisorUp = hypervisorUp;
    this.#anybodyAt = beat.heardAt;
    this.#massSilence = false;
    this.tell(hostId, beat);
    return true;
  }

  forget(hostId: string): void {
    this.beats.delete(hostId);
  }

  /** Milliseconds since the host's session was heard, counted while we listened; Infinity: never. */
  silentMs(hostId: string): number {
    const beat = this.beats.get(hostId);
    return beat ? this.clock.now() - beat.heardAt : Infinity;
  }

  /** What is known of a host now; `lastSeenMs`: epoch milliseconds, null when it was never heard. */
  of(hostId: string): LiveFacts {
    const beat = this.beats.get(hostId);
    if (!beat || beat.heardAt === -Infinity) return { alive: false, hypervisorUp: false, lastSeenMs: null, condition: { state: 'unknown', sinceMs: null, reason: 'it was never heard' } };
    const condition = this.look(hostId, beat);
    return {
      alive: condition.state === 'alive', hypervisorUp: beat.hypervisorUp, lastSeenMs: beat.heardWallMs,
      condition: { ...condition, sinceMs: condition.state === 'lost' ? beat.heardWallMs : beat.stateSinceMs },
    };
  }

  /** Does silence prove anything now? Else: seconds after which it may. */
  certainty(): { certain: true } | { certain: false; retryAfterS: number } {
    const missing = this.#certainFrom - performance.now();
    if (this.bus.connected && missing <= 0 && !this.clock.deaf) return { certain: true };
    return { certain: false, retryAfterS: Math.min(Math.max(1, Math.ceil(missing / 1000)), 5) };
  }

  counts(): { known: number; alive: number } {
    let alive = 0;
    for (const [hostId, beat] of this.beats) if (this.look(hostId, beat).state === 'alive') alive += 1;
    return { known: this.beats.size, alive };
  }

  /** The condition it is in, and since when. Placement hears of every turn, also of one that time alone has made. */
  look(hostId: string, beat: Beat): Condition {
    const condition = conditionOf({ silentMs: this.clock.now() - beat.heardAt, hypervisorUp: beat.hypervisorUp, unanswered: beat.unanswered, unansweredWhy: beat.unansweredWhy }, this.patience);
    if (condition.state !== beat.state) {
      [beat.state, beat.stateSinceMs] = [condition.state, Date.now()];
      this.#listener(hostId, beat.heardAt, answers(beat));
    }
    return condition;
  }

  tell(hostId: string, beat: Beat): void {
    this.look(hostId, beat);
    this.#listener(hostId, beat.heardAt, answers(beat));
  }

  /** This process stood still: beats may lie unread, their age is ours. */
  stoodStill(ms: number): void {
    this.#listenAnew();
    this.clock.deafen(ms);
    this.clock.hearAgain(Math.min(ms, this.#timeoutMs));
  }

  /** Everybody silent at once: more likely it is us. Once, and not for long. */
  watchForMassSilence(): void {
    const now = this.clock.now();
    if (this.#massSilence || this.clock.deaf || this.#anybodyAt === 0 || now - this.#anybodyAt <= this.patience.suspectMs) return;
    let before = 0;
    for (const beat of this.beats.values()) if (now - beat.heardAt <= this.#timeoutMs) before += 1;
    if (before < 2) return;
    this.#massSilence = true;
    this.logger.warn({ hosts: before }, 'all hosts fell silent at once: the bus or this process may be at fault; nobody is called lost yet');
    this.clock.hearAgain(Math.min(LIMITS.massSilenceMs, 2 * this.#timeoutMs));
  }

  #fresh(bootId: string | null, generation: number, heardAt: number, hypervisorUp: boolean): Beat {
    return {
      bootId, generation, heardAt, heardWallMs: null, hypervisorUp, storedAt: heardAt, storedUp: hypervisorUp, echoes: false,
      // Spread from the first one on: hosts that were read together are not asked together.
      echoAt: this.clock.now() + Math.random() * LIMITS.echoEveryMs, unanswered: 0, unansweredWhy: null, asking: false,
      state: 'unknown', stateSinceMs: Date.now(), lostBooked: false,
    };
  }

  #listenAnew(): void {
    this.#certainFrom = performance.now() + this.#timeoutMs;
  }

  async #tick(): Promise<void> {
    const now = performance.now();
    if (now - this.#lastTick > this.#timeoutMs) this.stoodStill(now - this.#lastTick);
    this.#lastTick = now;
    const { known, alive } = this.counts();
    meters.hosts.set({ state: 'known' }, known);
    meters.hosts.set({ state: 'alive' }, alive);
    const due = [...this.beats].filter(([, beat]) => beat.heardAt !== -Infinity && (beat.hypervisorUp !== beat.storedUp || beat.heardAt - beat.storedAt >= LIMITS.beatsStoreMs));
    for (let from = 0; from < due.length; from += LIMITS.beatsBatch) await this.#storeSome(due.slice(from, from + LIMITS.beatsBatch));
    await this.#bookLosses();
  }

  /** Skips rows that another replica writes right now: it writes the same. */
  async #storeSome(due: [string, Beat][]): Promise<void> {
    const now = this.clock.now();
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

  /** Books who got lost and who came back, once whatever the number of replicas; nothing while nothing changes. */
  async #bookLosses(): Promise<void> {
    if (!this.certainty().certain) return;
    const changed = [...this.beats].flatMap(([id, beat]) => {
      const { state, reason } = this.look(id, beat);
      const lost = state !== 'alive' && state !== 'unknown';
      return state === 'unknown' || lost === beat.lostBooked ? [] : [{ id, beat, lost, text: lost ? `${state}: ${reason}` : 'it answers again', sinceMs: state === 'lost' ? Math.max(0, Date.now() - (beat.heardWallMs ?? Date.now())) : 0 }];
    });
    if (changed.length === 0) return;
    await this.db.pool.query(`
      WITH seen AS (SELECT * FROM unnest($1::uuid[], $2::boolean[], $3::text[], $4::float8[]) AS s(id, lost, text, silent_ms)),
        booked AS (
          UPDATE scheduler.host_beats b SET lost_since = CASE WHEN seen.lost THEN now() - make_interval(secs => seen.silent_ms / 1000) END, lost_reason = CASE WHEN seen.lost THEN seen.text END
          FROM seen WHERE seen.id = b.host_id AND (b.lost_since IS NOT NULL) <> seen.lost RETURNING b.host_id, seen.lost, seen.text)
      INSERT INTO scheduler.host_events (host_id, kind, message) SELECT host_id, CASE WHEN lost THEN 'lost' ELSE 'back' END, text FROM booked`,
    [changed.map(({ id }) => id), changed.map(({ lost }) => lost), changed.map(({ text }) => text), changed.map(({ sinceMs }) => sinceMs)]);
    for (const { id, beat, lost, text } of changed) {
      beat.lostBooked = lost;
      this.logger[lost ? 'warn' : 'info']({ hostId: id, why: text }, lost ? 'a host is lost' : 'a host is back');
    }
  }
}

/** May it take new servers, as far as its signs of life go? Silence alone is judged by placement itself, by the age of what it was heard. */
const answers = ({ hypervisorUp, state, unanswered }: Beat): boolean => hypervisorUp && state !== 'unresponsive' && !(state === 'lost' && unanswered > 0);
