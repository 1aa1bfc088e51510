/**
 * The fleet in memory, fed from PostgreSQL in commit order. Owns the one Fleet that placement looks at; is never the
 * truth: every choice made on it is checked again when it is claimed. Woken by changes made in this process, polls for
 * those of other replicas, and reads everything now and then, which repairs (and counts) what it had wrong.
 * If the process dies here, the next one reads everything once.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { LOGGER, type Logger } from '#libs/observability';
import { Fleet } from '../decide/fleet.js';
import { AggregatesRepository } from '../aggregates/aggregates.repository.js';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Periodic } from '../periodic.js';
import { Turns } from '../turns.js';
import { Liveness } from './liveness.js';
import { EVERYTHING, SnapshotRepository, type FeedRead, type FeedRow } from './snapshot.repository.js';

@Injectable()
export class Snapshot implements OnModuleInit, OnApplicationShutdown {
  readonly fleet = new Fleet();
  /** Database time of the newest read, epoch ms; 0 before the first. */
  atMs = 0;
  /** When the newest read that succeeded began, on performance.now(); -Infinity before the first. */
  readBegan = -Infinity;
  /** A newer reading is in the fleet by half: what is seen now was never so. */
  torn = false;
  /** Choices that are counted in the fleet and not yet committed. */
  assumed = 0;
  #since = EVERYTHING;
  #makesSince = EVERYTHING;
  #force = false;
  #fullAt = 0;
  #aggregates = 0;
  #deviceSettings = 0;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  readonly #poll: Periodic;

  constructor(private readonly repository: SnapshotRepository, private readonly liveness: Liveness, private readonly aggregates: AggregatesRepository, @Inject(LOGGER) private readonly logger: Logger) {
    this.#poll = new Periodic('snapshot', LIMITS.feedPollMs, () => this.refresh(), logger);
  }

  onModuleInit(): void {
    this.liveness.onHeard((hostId, heardAt, up) => this.fleet.setHeard(hostId, heardAt, up));
    // Of hosts that are not read yet nothing is kept: they say it again within a minute.
    this.liveness.onImages((hostId, images) => this.fleet.setImages(hostId, images));
    this.#poll.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#poll.stop();
    await this.#running?.catch(() => undefined);
  }

  get loaded(): boolean { return this.atMs > 0; }

  /** Something changed here: read soon. */
  wake(): void {
    this.#poll.wake();
  }

  /** Resolves when a read that began after this call is in the fleet. Calls that wait share one read. */
  refresh(): Promise<void> {
    if (!this.#running) return this.#begin();
    this.#next ??= this.#running.catch(() => undefined).then(() => {
      this.#next = undefined;
      return this.#begin();
    });
    return this.#next;
  }

  /** What is in memory may be wrong (a statement whose outcome is unknown): the next read replaces everything. */
  distrust(): void {
    this.#since = EVERYTHING;
    this.#force = true;
    this.wake();
  }

  #begin(): Promise<void> {
    this.#running = this.#read().finally(() => { this.#running = undefined; });
    return this.#running;
  }

  async #read(): Promise<void> {
    const began = performance.now();
    const full = this.#since === EVERYTHING || began - this.#fullAt >= LIMITS.feedFullMs;
    const since = full ? EVERYTHING : this.#since;
    const force = this.#force;
    this.#force = false;
    const read = await this.#fetch(since, force ? EVERYTHING : this.#makesSince).catch((error: unknown) => {
      this.#force ||= force;
      throw error;
    });
    const first = !this.loaded;
    let repairs = 0;
    const turns = new Turns();
    this.torn = true;
    if (force) this.fleet.forgetAssumedDevices();
    const unsure: string[] = [];
    for (const row of read.rows) {
      repairs += this.#take(row, full && !first && !force, force);
      if (!this.fleet.agreesOn(row)) unsure.push(row.id);
      if (turns.over) await turns.next();
    }
    if (full) {
      this.#removeAllBut(read.rows);
      this.#fullAt = began;
    }
    await this.#readDevices(unsure, turns);
    this.torn = false;
    if (repairs > 0) {
      meters.repairs.inc(repairs);
      this.logger.warn({ hosts: repairs }, 'the full read found rows that the feed had missed; repaired');
    }
    this.#since = this.#force ? EVERYTHING : read.next;
    this.#makesSince = read.next;
    this.atMs = read.atMs;
    this.readBegan = began;
  }

  async #fetch(since: string, makesSince: string): Promise<FeedRead> {
    const read = await this.repository.read(since, makesSince);
    if (read.aggregates !== this.#aggregates) this.fleet.setAggregates(await this.aggregates.members());
    this.#aggregates = read.aggregates;
    if (read.deviceSettings !== this.#deviceSettings) {
      const { pools, classes } = await this.repository.deviceSettings();
      this.fleet.setDeviceSettings(pools, classes);
      // What hosts have of it is counted anew here, where others have their turn, and not within a decision.
      const turns = new Turns();
      for (const id of [...this.fleet.ids]) {
        this.fleet.countDevices(id);
        if (turns.over) await turns.next();
      }
    }
    this.#deviceSettings = read.deviceSettings;
    return read;
  }

  /** Of hosts whose devices are not those that their rows speak of: at first all, later those of which a change was missed. */
  async #readDevices(hostIds: readonly string[], turns: Turns): Promise<void> {
    for (let at = 0; at < hostIds.length; at += LIMITS.feedDeviceHosts) {
      const read = await this.repository.devicesOf(hostIds.slice(at, at + LIMITS.feedDeviceHosts));
      for (const [hostId, devices] of read) {
        this.fleet.replaceDevices(hostId, devices);
        this.fleet.countDevices(hostId);
        if (turns.over) await turns.next();
      }
    }
  }

  /** Answers 1 when a full read repaired what should have been right. */
  #take(row: FeedRow, check: boolean, force: boolean): number {
    // Uncommitted choices make a fleet differ rightly; then only newer rows are taken.
    const repair = check && !row.fresh && this.assumed === 0 && this.fleet.isCurrent(row);
    const changed = this.fleet.put(row, force || repair);
    this.liveness.adopt(row);
    return repair && changed ? 1 : 0;
  }

  #removeAllBut(rows: readonly FeedRow[]): void {
    const there = new Set(rows.map((row) => row.id));
    const gone = this.fleet.ids.filter((id) => !there.has(id));
    for (const id of gone) {
      this.fleet.remove(id);
      this.liveness.forget(id);
    }
  }
}
