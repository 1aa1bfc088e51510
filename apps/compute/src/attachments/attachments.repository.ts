import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { changeStatement, type Change } from '../instances/change.js';
import type { Usage } from '../instances/decide/quota.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { usageOf } from '../quota/usage.repository.js';

/** One more attachment in its server's row, and the project's quota: one transaction. */
@Injectable()
export class AttachmentsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /**
   * Writes the change if the row is still of this version; undefined: somebody was faster.
   * @param limit counts the project's usage under the project's lock, or throws; undefined: nothing limits it
   */
  async add(row: InstanceRow, change: Change, className: string, limit: ((used: Usage) => void) | undefined): Promise<InstanceRow | undefined> {
    return this.db.transaction(async (client) => {
      if (limit !== undefined) {
        await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 1))', [row.project_id]);
        limit(await usageOf(client, row.project_id, { [className]: 1 }));
      }
      const { text, values } = changeStatement(row.id, row.version, change);
      return (await client.query<InstanceRow>(text, values)).rows[0];
    });
  }
}
