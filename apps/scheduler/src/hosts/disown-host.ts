/**
 * A host was found to know more than this database: it takes nothing new and only reports until somebody adopts it. One
 * transaction; said once, however often it is found.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { disownHost, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { LOGGER, type Logger } from '#libs/observability';
import { Snapshot } from '../snapshot/snapshot.js';
import { book, openOrShut } from './hosts.repository.js';

@Injectable()
export class DisownHost {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly snapshot: Snapshot, @Inject(LOGGER) private readonly logger: Logger) {}

  async execute({ hostId, reason }: ReceivedBy<typeof disownHost>): Promise<Record<string, never>> {
    const changed = await this.db.transaction(async (client) => {
      const { rowCount } = await client.query('UPDATE scheduler.hosts SET adopted_incarnation = 0 WHERE id = $1 AND adopted_incarnation <> 0', [hostId]);
      if (rowCount === 0) return false;
      await openOrShut(client, hostId, this.db.incarnation);
      await book(client, { hostId, kind: 'knows-more', message: reason });
      return true;
    });
    if (changed) {
      this.logger.error({ hostId, reason }, 'a host knows more than this database: it only reports until it is adopted');
      this.snapshot.wake();
    }
    return {};
  }
}
