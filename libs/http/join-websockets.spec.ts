import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { createLogger } from '#libs/observability';
import { forbidden } from '#libs/errors';
import { joinWebSockets, type JoinEnd, type JoinOptions } from './join-websockets.js';
import { isWebSocketUpgrade, WebSockets } from './websockets.js';

const OPTIONS: JoinOptions = { idleMs: 60_000, maxMs: 60_000, maxReason: 'over', base64: false };

/** A door at which the first who comes to /a/ is joined with the first who comes to /b/. */
class Joiner {
  readonly server: Server = createServer({ shouldUpgradeCallback: isWebSocketUpgrade }, (_request, response) => { response.end('plain'); });
  readonly sockets: WebSockets;
  readonly end: Promise<JoinEnd>;
  #a: WebSocket | undefined;
  #b: WebSocket | undefined;
  #resolve: (end: JoinEnd) => void = () => undefined;

  constructor(private readonly options: JoinOptions) {
    this.end = new Promise((resolve) => { this.#resolve = resolve; });
    this.sockets = new WebSockets(this.server, [
      { prefix: '/a/', maxMessageBytes: 64 * 1024, admit: async ({ protocols, query }) => {
        if (query.has('no')) throw forbidden('No.');
        return { ...(protocols[0] !== undefined && { protocol: protocols[0] }), serve: (socket) => { this.#a = socket; this.#join(); } };
      } },
      { prefix: '/b/', maxMessageBytes: 1024 * 1024, admit: async () => ({ serve: (socket) => { this.#b = socket; this.#join(); } }) },
    ], createLogger('test', 'silent'));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => { this.server.listen(0, '127.0.0.1', resolve); });
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  #join(): void { if (this.#a && this.#b) void joinWebSockets(this.#a, this.#b, this.options).then(this.#resolve); }
}

class Peer {
  readonly heard: Buffer[] = [];
  readonly texts: boolean[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer, binary) => { this.heard.push(data); this.texts.push(!binary); });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => { socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })); });
  }

  static async to(url: string, protocols: string[] = []): Promise<Peer> {
    const peer = new Peer(new WebSocket(url, protocols, { maxPayload: 2 ** 22 }));
    await new Promise<void>((resolve, reject) => { peer.socket.once('open', resolve).once('error', reject); });
    return peer;
  }

  get text(): string { return Buffer.concat(this.heard).toString(); }
  async hears(text: string): Promise<void> {
    for (const end = performance.now() + 30_000; !this.text.includes(text); await sleep(5)) if (performance.now() > end) throw new Error(`heard only ${this.text.slice(0, 200)}`);
  }
}

let joiner: Joiner;
const joiners: Joiner[] = [];
let url: string;
const begin = async (options: Partial<JoinOptions> = {}): Promise<void> => {
  joiner = new Joiner({ ...OPTIONS, ...options });
  joiners.push(joiner);
  url = await joiner.listen();
};
const both = async (protocols: string[] = []): Promise<[Peer, Peer]> => [await Peer.to(`${url}/a/x`, protocols), await Peer.to(`${url}/b/x`)];

beforeEach(() => begin());
afterEach(async () => {
  await Promise.all(joiners.splice(0).map(({ sockets, server }) => {
    sockets.close();
    return new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  }));
});

describe('two joined WebSockets', () => {
  it('carry bytes both ways, what came early too', async () => {
    const a = await Peer.to(`${url}/a/x`, ['binary']);
    expect(a.socket.protocol).toBe('binary');
    a.socket.send('early ');
    await sleep(50);
    const b = await Peer.to(`${url}/b/x`);
    a.socket.send(Buffer.from([1, 2, 255]));
    await b.hears('early ');
    await sleep(30);
    expect(Buffer.concat(b.heard)).toEqual(Buffer.from([...Buffer.from('early '), 1, 2, 255]));
    expect(b.texts).not.toContain(true);
    b.socket.send(Buffer.from('back'));
    await a.hears('back');
    a.socket.close(1000, 'bye');
    expect(await b.closed).toEqual({ code: 1000, reason: 'bye' });
    expect(await joiner.end).toEqual({ reason: 'bye', fromFirst: 9, toFirst: 4 });
  });

  it('end with the other side, and pass on why', async () => {
    const [a, b] = await both();
    b.socket.close(4409, 'opened elsewhere');
    expect(await a.closed).toEqual({ code: 4409, reason: 'opened elsewhere' });
  });

  it('end when they may not go on', async () => {
    let mayGoOn = true;
    await begin({ mayGoOn: () => mayGoOn, watchMs: 5 });
    const [a, b] = await both();
    a.socket.send('still');
    await b.hears('still');
    mayGoOn = false;
    expect(await a.closed).toEqual({ code: 4401, reason: 'over' });
  });

  it('end when the other side breaks', async () => {
    const [a, b] = await both();
    await sleep(20);
    b.socket.terminate();
    expect(await a.closed).toEqual({ code: 1011, reason: 'The connection broke.' });
  });

  it('end at a message that is too large', async () => {
    const [a, b] = await both();
    a.socket.send(Buffer.alloc(65 * 1024));
    expect((await a.closed).code).toBe(1009);
    expect((await b.closed).reason).toMatch(/too large|max payload/i);
    expect(b.heard).toEqual([]);
  });

  it('hold up the source when the other side is slow, and lose nothing', async () => {
    const [a, b] = await both();
    a.socket.pause();
    const piece = Buffer.alloc(256 * 1024, 7);
    let sent = 0;
    const total = 60;
    for (; sent < total; sent += 1) b.socket.send(piece);
    await sleep(300);
    // Most of it waits at its source: buffers between are far smaller than all of it.
    expect(b.socket.bufferedAmount).toBeGreaterThan(total * piece.length / 3);
    a.socket.resume();
    for (const end = performance.now() + 30_000; a.heard.length < total && performance.now() < end;) await sleep(20);
    expect(a.heard.reduce((sum, { length }) => sum + length, 0)).toBe(total * piece.length);
  });

  it('speak base64 to who knows only that', async () => {
    await begin({ base64: true });
    const [a, b] = await both(['base64']);
    a.socket.send(Buffer.from('ls\n').toString('base64'));
    await b.hears('ls\n');
    b.socket.send(Buffer.from([0, 255]));
    await a.hears(Buffer.from([0, 255]).toString('base64'));
    expect(a.texts).toEqual([true]);
  });

  it('end when nothing moves, and after their time', async () => {
    await begin({ idleMs: 50, pingMs: 30 });
    expect(await (await both())[0].closed).toEqual({ code: 4408, reason: 'Nothing moved for too long.' });
    await begin({ maxMs: 60 });
    expect(await (await both())[0].closed).toEqual({ code: 4401, reason: 'over' });
  });

  it('find the dead by their silence', async () => {
    await begin({ pingMs: 200 });
    const [a, b] = await both();
    a.socket.pause(); // answers no ping any more
    expect((await b.closed).code).toBe(1011);
  });
});

describe('the handshake', () => {
  it('is refused with an ordinary answer', async () => {
    await expect(Peer.to(`${url}/a/x?no`)).rejects.toThrow('403');
    await expect(Peer.to(`${url}/c/x`)).rejects.toThrow('404');
    joiner.sockets.close();
    await expect(Peer.to(`${url}/a/x`)).rejects.toThrow('503');
  });
  it('leaves other upgrades as they were', async () => {
    const response = await fetch(url.replace('ws', 'http'), { headers: { connection: 'upgrade', upgrade: 'h2c' } }).catch(() => undefined);
    // fetch may not send these headers at all; then it is a plain request anyway.
    if (response) expect(await response.text()).toBe('plain');
  });
  it('ends all at shutdown', async () => {
    const [a, b] = await both();
    joiner.sockets.close();
    expect((await a.closed).code).toBe(1001);
    expect((await b.closed).code).toBe(1001);
  });
});
