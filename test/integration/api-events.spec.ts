/** The change stream at the real door over real PostgreSQL: order of commits, nothing skipped, nothing twice, only what is one's own. */
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { listChanges } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { LIMITS } from '../../apps/api/src/limits.js';
import { PROJECT } from '../../apps/api/src/testing/samples.js';
import { ScriptedCloud } from '../../apps/api/src/testing/scripted-cloud.js';
import { Timeline } from '../../apps/compute/src/timeline/timeline.js';
import { TimelineRepository } from '../../apps/compute/src/timeline/timeline.repository.js';

interface Event { id: string | undefined; event: string; data: Record<string, unknown> }

/** A client of the stream, as thin as it can be. */
class Listening {
  readonly events: Event[] = [];
  text = '';
  readonly #abort = new AbortController();
  static async open(base: string, token: string, query = '', headers: Record<string, string> = {}): Promise<Listening> {
    const listening = new Listening();
    const response = await fetch(`${base}/v1/events${query}`, { headers: { 'x-auth-token': token, ...headers }, signal: listening.#abort.signal });
    if (response.status !== 200) throw Object.assign(new Error(await response.text()), { status: response.status, retryAfter: response.headers.get('retry-after') });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    void listening.#read(response.body as ReadableStream<Uint8Array>);
    return listening;
  }
  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
        this.text += decoder.decode(chunk, { stream: true });
        for (let end = this.text.indexOf('\n\n'); end !== -1; end = this.text.indexOf('\n\n')) {
          const fields = Object.fromEntries(this.text.slice(0, end).split('\n').filter((line) => !line.startsWith(':')).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
          this.text = this.text.slice(end + 2);
          if (fields['data'] !== undefined) this.events.push({ id: fields['id'], event: fields['event'] ?? 'message', data: JSON.parse(fields['data']) as Record<string, unknown> });
        }
      }
    } catch { /* closed */ }
  }
  async until(count: number, event = 'change', ms = 60_000): Promise<Event[]> {
    const end = Date.now() + ms;
    for (;;) {
      const found = this.events.filter((each) => each.event === event);
      if (found.length >= count) return found;
      if (Date.now() > end) throw new Error(`${found.length} of ${count} ${event}: ${JSON.stringify(this.events.slice(-3))}`);
      await new Promise((done) => setTimeout(done, 10));
    }
  }
  close(): void { this.#abort.abort(); }
}

let t: TestDatabase;
let cloud: ScriptedCloud;
let base: string;
let asked = 0;
const open: Listening[] = [];
const sockets: Socket[] = [];
const listen = async (query = '', options: { as?: 'member' | 'admin'; project?: string; headers?: Record<string, string> } = {}): Promise<Listening> => {
  const listening = await Listening.open(base, cloud.token(options.as ?? 'member', options.project), query, options.headers);
  open.push(listening);
  return listening;
};
const happen = (what: string, project = PROJECT, count = 1) => t.db.pool.query(`
  INSERT INTO compute.instance_events (instance_id, project_id, kind) SELECT gen_random_uuid(), $1, $2 || CASE WHEN $3 > 1 THEN '-' || n ELSE '' END FROM generate_series(1, $3::int) n`, [project, what, count]);

beforeAll(async () => {
  t = await startTestDatabase('compute');
  cloud = await ScriptedCloud.start();
  const timeline = new Timeline(undefined as never, new TimelineRepository(t.db), 400);
  cloud.answer(listChanges, ((input: Parameters<Timeline['changes']>[0]) => { asked += 1; return timeline.changes(input); }) as never);
  await cloud.app.listen(0, '127.0.0.1');
  base = `http://127.0.0.1:${(cloud.app.getHttpServer().address() as { port: number }).port}`;
});
afterEach(() => { for (const each of open.splice(0)) each.close(); for (const each of sockets.splice(0)) each.destroy(); });
afterAll(async () => {
  await cloud?.stop();
  await t?.stop();
});

describe('GET /v1/events', () => {
  it('begins at once and tells what changes, once, of one’s own project only', async () => {
    const stream = await listen();
    await stream.until(1, 'ready');
    await happen('launched');
    await happen('launched', 'someone-else');
    await happen('stopped');
    const [first, second] = await stream.until(2);
    expect(first?.data).toEqual({ kind: 'server', id: expect.any(String), projectId: PROJECT, what: 'launched', at: expect.any(String), requestId: null });
    expect(second?.data['what']).toBe('stopped');
    await new Promise((done) => setTimeout(done, 400));
    expect(stream.events.filter(({ event }) => event === 'change')).toHaveLength(2);
  });

  it('starts in less than 100 ms, with nobody else listening', async () => {
    const start = async (): Promise<number> => {
      const begun = performance.now();
      const stream = await listen();
      await stream.until(1, 'ready');
      stream.close();
      return performance.now() - begun;
    };
    // A quiet machine shows 5 to 20 ms; on shared cores the best of some is what says something about us.
    let best = Infinity;
    for (let n = 0; n < 20 && best >= 100; n += 1) best = Math.min(best, await start());
    expect(best).toBeLessThan(100);
  });

  it('shows admins everything, or one project; filters by kind', async () => {
    const all = await listen('', { as: 'admin' });
    const one = await listen('?project=someone-else', { as: 'admin' });
    const kinds = await listen('?kind=server.error,volume', { as: 'admin' });
    const servers = await listen('?kind=server');
    await Promise.all([all, one, kinds, servers].map((stream) => stream.until(1, 'ready')));
    await happen('launched');
    await happen('error', 'someone-else');
    expect((await all.until(2)).map(({ data }) => data['projectId'])).toEqual([PROJECT, 'someone-else']);
    expect((await one.until(1)).map(({ data }) => data['projectId'])).toEqual(['someone-else']);
    expect((await kinds.until(1)).map(({ data }) => data['what'])).toEqual(['error']);
    expect((await servers.until(1)).map(({ data }) => data['what'])).toEqual(['launched']);
    await expect(listen('?project=someone-else')).rejects.toMatchObject({ status: 403 });
    await expect(listen('?kind=')).rejects.toMatchObject({ status: 400 });
    await expect(listen('', { headers: { 'last-event-id': 'seven' } })).rejects.toMatchObject({ status: 400 });
  });

  it('goes on where a client was: each missed change once, in the order of commits, also one that committed late', async () => {
    const stream = await listen();
    await stream.until(1, 'ready');
    await happen('seen');
    const [seen] = await stream.until(1);
    const slow = await (await t.open('compute', 1)).pool.connect();
    await slow.query('BEGIN');
    await slow.query("INSERT INTO compute.instance_events (instance_id, project_id, kind) VALUES (gen_random_uuid(), $1, 'late')", [PROJECT]);
    await happen('early');
    // Not told before the other has ended, although it is committed.
    await new Promise((done) => setTimeout(done, 600));
    expect(stream.events.filter(({ event }) => event === 'change')).toHaveLength(1);
    stream.close();
    const resumed = await listen('', { headers: { 'last-event-id': seen?.id ?? '' } });
    await slow.query('COMMIT');
    slow.release();
    await happen('after');
    expect((await resumed.until(3)).map(({ data }) => data['what'])).toEqual(['late', 'early', 'after']);
    // And once more, from the very beginning of what it had.
    const again = await listen('', { headers: { 'last-event-id': seen?.id ?? '' } });
    await again.until(1, 'ready');
    expect(again.events.filter(({ event }) => event === 'change').map(({ data }) => data['what'])).toEqual(['late', 'early', 'after']);
  });

  it('reads missed ones in pages while new ones come, and skips and repeats none', async () => {
    const stream = await listen();
    const [ready] = await stream.until(1, 'ready');
    stream.close();
    await happen('missed', PROJECT, 2_500);
    const resumed = listen('', { headers: { 'last-event-id': ready?.id ?? '' } });
    for (let n = 0; n < 20; n += 1) await happen(`new-${n}`);
    const told = (await (await resumed).until(2_520, 'change', 60_000)).map(({ data }) => data['what'] as string);
    expect(new Set(told).size).toBe(2_520);
    expect(told).toHaveLength(2_520);
    expect(told.slice(0, 2_500)).toEqual(Array.from({ length: 2_500 }, (_, n) => `missed-${n + 1}`));
  });

  it('says so when a place cannot be gone on from', async () => {
    for (const place of ['2.5.0', '1.99999999999.0']) {
      const stream = await listen('', { headers: { 'last-event-id': place } });
      const [reset] = await stream.until(1, 'reset');
      expect(reset?.id).toMatch(/^1\.\d+\.\d+$/);
      await happen(`after-reset of ${place}`);
      // What happened shortly before may be told as well.
      const told = (): boolean => stream.events.some(({ data }) => data['what'] === `after-reset of ${place}`);
      for (let wait = 0; !told() && wait < 3_000; wait += 1) await new Promise((done) => setTimeout(done, 20));
      expect(told()).toBe(true);
      stream.close();
    }
  });

  it('asks once for all listeners, and not at all for none', async () => {
    const streams = await Promise.all(Array.from({ length: 15 }, () => listen()));
    await Promise.all(streams.map((stream) => stream.until(1, 'ready')));
    asked = 0;
    const since = performance.now();
    await new Promise((done) => setTimeout(done, 1_000));
    expect(asked).toBeLessThanOrEqual((performance.now() - since) / LIMITS.changesPollMs + 1);
    for (const stream of streams) stream.close();
    // As soon as the door has heard of the last that it went.
    let quiet = false;
    for (let wait = 0; !quiet && wait < 60; wait += 1) {
      asked = 0;
      await new Promise((done) => setTimeout(done, 600));
      quiet = asked === 0;
    }
    expect(quiet).toBe(true);
  });

  it('has so many streams for a project and no more; one that ends makes room', async () => {
    const streams: Listening[] = [];
    // A project of its own: the door may not have heard yet that streams of other tests have ended, and then counts them.
    const project = { project: 'e'.repeat(32) };
    for (let n = 0; n < LIMITS.streamsPerProject; n += 1) streams.push(await listen('', project));
    await expect(listen('', project)).rejects.toMatchObject({ status: 429, retryAfter: '30' });
    streams[0]?.close();
    const next = async (): Promise<Listening> => {
      for (let wait = 0; ; wait += 1) {
        try { return await listen('', project); } catch (error) {
          if ((error as { status?: number }).status !== 429 || wait > 600) throw error;
          await new Promise((done) => setTimeout(done, 50));
        }
      }
    };
    await (await next()).until(1, 'ready');
  });

  it('cuts off who does not read, with a hint, and others go on', async () => {
    const other = await listen('?kind=server.quiet');
    await other.until(1, 'ready');
    const { port } = new URL(base);
    const socket = connect(Number(port), '127.0.0.1');
    sockets.push(socket);
    await new Promise((done) => socket.once('connect', done));
    socket.pause();
    socket.write(`GET /v1/events HTTP/1.1\r\nhost: x\r\nx-auth-token: ${cloud.token('member')}\r\n\r\n`);
    await new Promise((done) => setTimeout(done, 400));
    for (let n = 0; n < 15; n += 1) await happen('flood', PROJECT, 5_000);
    await new Promise((done) => setTimeout(done, 3_000));
    let text = '';
    socket.on('data', (chunk) => { text += chunk.toString('latin1').slice(-4_000); text = text.slice(-8_000); });
    socket.on('error', () => undefined);
    const ended = new Promise((done) => socket.once('close', done));
    socket.resume();
    await ended;
    expect(text).toMatch(/event: cut\ndata: \{"reason":"slow"/);
    await happen('quiet');
    await other.until(1, 'change', 60_000);
  });

  it('keeps no connection of a client that went away, whether it broke off or only closed its half', async () => {
    const own = await ScriptedCloud.start();
    await own.app.listen(0, '127.0.0.1');
    const server = own.app.getHttpServer() as Server;
    const connections = (): Promise<number> => new Promise((done, failed) => { server.getConnections((error, count) => { if (error) failed(error); else done(count); }); });
    const clients = await Promise.all(Array.from({ length: 6 }, async () => {
      const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
      socket.on('error', () => undefined);
      const ready = new Promise<void>((done) => { let text = ''; socket.on('data', (chunk) => { text += chunk.toString(); if (text.includes('event: ready')) done(); }); });
      socket.write(`GET /v1/events HTTP/1.1\r\nhost: x\r\nx-auth-token: ${own.token('member')}\r\n\r\n`);
      await ready;
      return socket;
    }));
    expect(await connections()).toBe(6);
    clients.forEach((socket, n) => { if (n % 2 === 0) socket.destroy(); else socket.end(); });
    for (let tries = 0; tries < 600 && (await connections()) > 0; tries += 1) await new Promise((done) => setTimeout(done, 50));
    expect(await connections()).toBe(0);
    await own.stop();
  });

  it('ends its streams when the door closes', async () => {
    // A door of its own, with this one client.
    const own = await ScriptedCloud.start();
    await own.app.listen(0, '127.0.0.1');
    const stream = await Listening.open(`http://127.0.0.1:${(own.app.getHttpServer().address() as { port: number }).port}`, own.token('member'));
    await stream.until(1, 'ready');
    const begun = performance.now();
    await own.stop();
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect((await stream.until(1, 'cut'))[0]?.data['reason']).toBe('closing');
  });
});
