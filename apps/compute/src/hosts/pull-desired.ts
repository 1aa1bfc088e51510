import { Inject, Injectable } from '@nestjs/common';
import type { OutputOf, pullDesired, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { LIMITS } from '../limits.js';
import { desiredInstance } from './decide/desired-instance.js';
import { HostFeedsRepository } from './host-feeds.repository.js';
import { HostSessions } from './host-sessions.js';

/** Answers a host what shall be true on it: what changed since it asked last. Reads only. */
@Injectable()
export class PullDesired {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly feeds: HostFeedsRepository, private readonly sessions: HostSessions) {}

  async pull(hostId: string, { bootId, since }: ReceivedBy<typeof pullDesired>): Promise<OutputOf<typeof pullDesired>> {
    const epoch = await this.sessions.check(hostId, bootId);
    const base = { incarnation: this.db.incarnation, epoch };
    const top = await this.feeds.top(hostId);
    if (since === top) return { ...base, entries: [], upTo: top, more: false, reportOnly: false };
    // The host knows more than we do: the database was restored from an older state. It only reports until it is adopted.
    if (since > top) return { ...base, entries: [], upTo: since, more: false, reportOnly: true };
    const page = await this.feeds.page(hostId, since);
    const entries: OutputOf<typeof pullDesired>['entries'] = [];
    let bytes = 0;
    for (const row of page.rows) {
      const entry = { sequence: Number(row.host_sequence), instance: desiredInstance(row) };
      bytes += Buffer.byteLength(JSON.stringify(entry));
      if (entries.length > 0 && bytes > LIMITS.pageBytes) break;
      entries.push(entry);
    }
    const more = page.more || entries.length < page.rows.length;
    return { ...base, entries, upTo: more ? entries.at(-1)?.sequence ?? since : page.top, more, reportOnly: false };
  }
}
