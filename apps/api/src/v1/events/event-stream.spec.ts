import { PassThrough } from 'node:stream';
import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Change } from '#libs/contracts';
import type { ChangeFeed, Listener } from './change-feed.js';
import { EventStream } from './event-stream.js';
import type { Place } from './place.js';

const place = (xid: number): Place => ({ xid: String(xid), id: '0', incarnation: 1 });
const change = (xid: number): Change => ({ position: { xid: String(xid), id: String(xid) }, kind: 'server', id: `i-${xid}`, projectId: 'p', what: `w-${xid}`, at: '2030-01-01T00:00:00.000Z', requestId: null });

/** A feed by hand: what is committed, and when the live part begins. */
class HandFeed {
  committed: number[] = [];
  horizon = 10;
  listener: Listener | undefined;
  asked = 0;
  listen(listener: Listener): () => void { this.listener = listener; return () => undefined; }
  async since(after: Place): Promise<object> {
    this.asked += 1;
    const changes = this.committed.filter((xid) => (xid > Number(after.xid) || (xid === Number(after.xid) && after.id === '0')) && xid < this.horizon).map(change);
    return { changes, upTo: { xid: String(this.horizon), id: '0' }, incarnation: 1, more: false, gone: false };
  }
  commit(xid: number): void { this.committed.push(xid); this.horizon = xid + 1; }
}

const sinks: PassThrough[] = [];
afterEach(() => { for (const sink of sinks.splice(0)) sink.destroy(); });
const streamOf = (feed: HandFeed, from: Place, mayGoOn?: () => boolean): { told: () => string[] } => {
  const sink = new PassThrough();
  sinks.push(sink);
  let text = '';
  sink.on('data', (data: Buffer) => { text += data.toString(); });
  new EventStream(sink as unknown as ServerResponse, feed as unknown as ChangeFeed, { wants: () => true, from, lifeMs: 60_000, ...(mayGoOn !== undefined && { mayGoOn }) }).start(() => undefined);
  return { told: () => [...text.matchAll(/"what":"([^"]+)"|event: (ready|reset|cut)/g)].map((match) => match[1] ?? match[2] ?? '') };
};
const until = async (holds: () => boolean): Promise<void> => {
  for (let n = 0; n < 3_000 && !holds(); n += 1) await new Promise((done) => setTimeout(done, 10));
};

describe('a stream that goes on where its client was', () => {
  it('reads on to where the live changes begin, however late they do', async () => {
    const feed = new HandFeed();
    feed.commit(10);
    const stream = streamOf(feed, place(10));
    await until(() => feed.asked > 0 && stream.told().length > 0);
    // Committed after the reading, before the feed's first look: neither of the two would tell it.
    feed.commit(11);
    feed.listener?.changes([], place(12));
    feed.commit(12);
    feed.listener?.changes([change(12)], place(13));
    await until(() => stream.told().includes('ready') && stream.told().includes('w-12'));
    expect(stream.told()).toEqual(['w-10', 'w-11', 'w-12', 'ready']);
  });

  it('asks again while a slower look has not come so far', async () => {
    const feed = new HandFeed();
    feed.commit(10);
    const stream = streamOf(feed, place(10));
    feed.committed.push(11);
    feed.listener?.changes([], place(12));
    await until(() => feed.asked >= 2);
    expect(stream.told()).toEqual(['w-10']);
    feed.horizon = 12;
    await until(() => stream.told().includes('ready'));
    expect(stream.told()).toEqual(['w-10', 'w-11', 'ready']);
  });
});

it('a stream ends soon after its token does', async () => {
  let good = true;
  const { told } = streamOf(new HandFeed(), place(10), () => good);
  await new Promise((done) => setTimeout(done, 700));
  expect(told()).not.toContain('cut');
  good = false;
  await until(() => told().includes('cut'));
  expect(told()).toContain('cut');
});
