/**
 * What is due of devices now and then: the figures, partitions of their history, and rows of what has been gone for long and left
 * nothing open, or was given up by an operator, or was never seen by its host. Each statement is small; a crash only delays.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { LOGGER, type Logger } from '#libs/observability';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Periodic } from '../periodic.js';
import { DeviceViewsRepository } from './device-views.repository.js';
import { DevicesRepository } from './devices.repository.js';

@Injectable()
export class DeviceKeeper implements OnModuleInit, OnApplicationShutdown {
  readonly #figures: Periodic;
  readonly #sweep: Periodic;
  #quarantined = 0;

  constructor(
    private readonly views: DeviceViewsRepository, private readonly devices: DevicesRepository,
    @Inject(DATABASE) private readonly db: Database, @Inject(CONFIG) private readonly config: SchedulerConfig, @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.#figures = new Periodic('device figures', LIMITS.deviceMetersMs, () => this.count(), logger);
    this.#sweep = new Periodic('device sweep', LIMITS.sweepMs, () => this.sweep(), logger);
  }

  onModuleInit(): void {
    this.#figures.start(LIMITS.deviceMetersMs * Math.random());
    this.#sweep.start(LIMITS.sweepMs * (0.05 + Math.random() * 0.2));
  }

  async onApplicationShutdown(): Promise<void> { await Promise.all([this.#figures.stop(), this.#sweep.stop()]); }

  async count(): Promise<void> {
    const counts = await this.views.counts('class_name');
    meters.devices.reset();
    let quarantined = 0;
    for (const [name, { available, claimed, scrubbing, quarantined: waiting, unusable, missing }] of counts) {
      for (const [state, count] of Object.entries({ available, claimed, scrubbing, quarantined: waiting, unusable, missing })) meters.devices.set({ class: name, state }, count);
      quarantined += waiting;
    }
    if (quarantined > this.#quarantined) this.logger.error({ quarantined }, 'devices are in quarantine: see skylite device list --state quarantined');
    this.#quarantined = quarantined;
  }

  async sweep(): Promise<void> {
    await this.db.pool.query('SELECT scheduler.keep_device_history($1, $2)', [LIMITS.eventsMonthsAhead, this.config.eventsKeepDays ?? LIMITS.eventsKeepDays]);
    const { rowCount: dropped } = await this.db.pool.query(
      'DELETE FROM scheduler.device_troubles WHERE at < now() - make_interval(days => $1) OR seq <= (SELECT max(seq) FROM scheduler.device_troubles) - $2', [LIMITS.troublesKept.days, LIMITS.troublesKept.rows]);
    if ((dropped ?? 0) > 0) this.logger.error({ dropped }, 'compute has not booked trouble with devices for long; it stands in their history alone');
    const { rows: hosts } = await this.db.pool.query<{ host_id: string }>(`SELECT DISTINCT d.host_id FROM scheduler.devices d WHERE ${GONE}`, [LIMITS.deviceGoneDays]);
    for (const { host_id: hostId } of hosts) {
      await this.db.transaction(async (client) => {
        await this.devices.lock(client, [hostId]);
        await client.query(`DELETE FROM scheduler.devices d WHERE d.host_id = $2 AND ${GONE}`, [LIMITS.deviceGoneDays, hostId]);
      });
    }
  }
}

/** Of scheduler.devices d: not there for so many days, nobody's, and nothing of it is open. A row that only a claim told of was never there. */
const GONE = `(d.missing_since IS NOT NULL OR d.facts IS NULL) AND coalesce(d.missing_since, d.first_seen_at) < now() - make_interval(days => $1)
  AND (d.facts IS NULL OR d.forgotten_at IS NOT NULL OR (d.quarantine_generation IS NULL AND greatest(d.clean_at, d.released_at, -1) >= d.generation))
  AND d.held_by IS NULL AND NOT EXISTS (SELECT FROM scheduler.device_claims c WHERE c.device_id = d.id)`;
