import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';

/** The partitions of scheduler.host_events; its rows are written with what they tell of. */
@Injectable()
export class HostEventsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** Partitions ahead made, old ones dropped; by a function of the tables' owner, for this app may not. Replicas take turns. */
  async keepPartitions(monthsAhead: number, keepDays: number): Promise<void> {
    await this.db.pool.query('SELECT scheduler.keep_event_partitions($1, $2)', [monthsAhead, keepDays]);
  }
}
