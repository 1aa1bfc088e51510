import { Inject, Injectable } from '@nestjs/common';
import { disownHost, type OutputOf, type pullDesired, type ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { BUS, type Bus } from '#libs/messaging';
import { LIMITS } from '../limits.js';
import { desiredInstance } from './decide/desired-instance.js';
import { DeparturesRepository } from './departures.repository.js';
import { FencedHosts } from './fenced-hosts.js';
import { HostDirectory } from './host-directory.js';
import { HostFeedsRepository, type FeedPage } from './host-feeds.repository.js';
import { HostSessions } from './host-sessions.js';

type Answer = OutputOf<typeof pullDesired>;

/** Answers a host what shall be true on it: what changed since it asked last. Reads only, but for the note that a fenced host came back. */
@Injectable()
export class PullDesired {
  constructor(
    @Inject(DATABASE) private readonly db: Database, private readonly feeds: HostFeedsRepository, private readonly sessions: HostSessions,
    private readonly departures: DeparturesRepository, private readonly fences: FencedHosts, private readonly directory: HostDirectory, @Inject(BUS) private readonly bus: Bus,
  ) {}

  async pull(hostId: string, { bootId, since }: ReceivedBy<typeof pullDesired>): Promise<Answer> {
    const session = await this.sessions.session(hostId, bootId);
    // Mostly it has all there is, which is cheap to see; after a ring of ours it has not.
    const page = this.directory.takeHint(hostId) ? await this.feeds.page(hostId, since) : undefined;
    const { top, epoch, fencedAt, returnedAt } = page ?? await this.feeds.top(hostId);
    const base = { incarnation: this.db.incarnation, epoch: Math.max(epoch, session.epoch) };
    const silence = { ...base, entries: [], upTo: since, more: false, reportOnly: true };
    if (fencedAt !== null) {
      if (returnedAt === null) await this.fences.returned(hostId);
      return silence;
    }
    if (!session.adopted) return silence;
    // The host knows more than we do: the database was restored from an older state. It only reports until it is adopted.
    if (since > top) {
      await this.bus.ask(disownHost, { hostId: hostId as never, reason: `it has heard of change ${since} for it, the database only of ${top}: an older state was restored` }).catch(() => undefined);
      return silence;
    }
    const lease = session.leaseRequired === undefined ? {} : { lease: { ms: LIMITS.hostLeaseMs, required: session.leaseRequired } };
    if (since === top) return { ...base, ...lease, entries: [], upTo: top, more: false, reportOnly: false };
    return { ...base, ...lease, ...(await this.#changes(hostId, since, page ?? await this.feeds.page(hostId, since))), reportOnly: false };
  }

  async #changes(hostId: string, since: number, page: FeedPage): Promise<Pick<Answer, 'entries' | 'upTo' | 'more'>> {
    const reaches = page.more ? Number(page.rows.at(-1)?.host_sequence ?? since) : page.top;
    // Read after the page, or seen by its statement: every sequence up to the page's end is committed by then.
    const left = page.departs ? await this.departures.page(hostId, since, reaches) : [];
    const all = [...page.rows.map((row) => ({ sequence: Number(row.host_sequence), instance: desiredInstance(row) })), ...left].sort((a, b) => a.sequence - b.sequence);
    const entries: Answer['entries'] = [];
    let bytes = 0;
    for (const entry of all) {
      bytes += Buffer.byteLength(JSON.stringify(entry));
      if (entries.length > 0 && (bytes > LIMITS.pageBytes || entries.length >= LIMITS.pageEntries)) break;
      entries.push(entry);
    }
    const more = page.more || entries.length < all.length;
    return { entries, upTo: more ? (entries.at(-1)?.sequence ?? since) : page.top, more };
  }
}
