import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, type Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer, type WebSocket } from 'ws';
import { CONSOLE_DIAL_PATH, type ConsoleKind } from '#libs/contracts';
import type { SkyError } from '#libs/errors';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { readXml } from '../domain-xml/read-xml.js';
import { LIMITS } from '../limits.js';
import { HOST_ID, instanceId } from '../testing/builders.js';
import { ConsoleSessions } from './console-sessions.js';
import { screenIn } from './libvirt-consoles.js';

let door: Server;
let url: string;
let sockets: WebSocketServer;
const dialled: { path: string; key: string | undefined; socket: WebSocket; closed: Promise<number> }[] = [];
const guests: Duplex[] = [];
let sessions: ConsoleSessions;

const refusal = async (work: Promise<unknown>): Promise<string> => work.then(() => 'none', (error: SkyError) => `${error.kind}: ${error.message}`);
const ask = (kind: ConsoleKind = 'vnc', n = 1, base = url) => {
  const sessionId = randomUUID();
  return { sessionId, instanceId: instanceId(n), kind, url: `${base}${CONSOLE_DIAL_PATH}${sessionId}`, key: 'k'.repeat(43) };
};

beforeAll(async () => {
  door = createServer();
  sockets = new WebSocketServer({ server: door });
  sockets.on('connection', (socket, request) => dialled.push({
    path: request.url ?? '', key: request.headers.authorization, socket, closed: new Promise((resolve) => { socket.once('close', resolve); }),
  }));
  await new Promise<void>((resolve) => { door.listen(0, '127.0.0.1', resolve); });
  url = `ws://127.0.0.1:${(door.address() as AddressInfo).port}`;
  const entry = (intent: string) => ({ desired: { intent } });
  const entries = new Map(Array.from({ length: 40 }, (_, n) => [instanceId(n + 1), entry(n === 39 ? 'deleted' : 'running')]));
  sessions = new ConsoleSessions({
    hostId: HOST_ID, bus: new InMemoryBus(), ledger: { entries } as never, logger: createLogger('test', 'silent'),
    consoles: {
      open: async () => { const guest = new PassThrough(); guests.push(guest); return guest; },
      diagnostics: async () => { throw new Error('not asked'); },
    },
  });
});
afterEach(async () => {
  sessions.close();
  for (const { socket } of dialled.splice(0)) socket.terminate();
  // Every session ends its guest: until then the host counts it.
  while (guests.some((guest) => !guest.destroyed)) await sleep(10);
  guests.splice(0);
  await sleep(30);
});
afterAll(() => { sockets.close(); door.close(); });

describe('consoles of a host', () => {
  it('end when the guest ended while the door was dialled', async () => {
    const opening = sessions.open(ask());
    await Promise.resolve();
    guests[0]!.destroy();
    await opening;
    expect(await dialled[0]!.closed).toBe(1000);
  });

  it('are dialled with the key, once for a session', async () => {
    const asked = ask();
    await Promise.all([sessions.open(asked), sessions.open(asked)]);
    await sessions.open(asked);
    expect(dialled.map(({ path, key }) => ({ path, key }))).toEqual([{ path: `${CONSOLE_DIAL_PATH}${asked.sessionId}`, key: `Bearer ${asked.key}` }]);
    expect(guests).toHaveLength(1);
  });

  it('go nowhere but where consoles are joined, and to none that is being deleted', async () => {
    expect(await refusal(sessions.open({ ...ask(), url: 'http://127.0.0.1:1/x' }))).toMatch(/^bad-request/);
    expect(await refusal(sessions.open({ ...ask(), url: `${url}${CONSOLE_DIAL_PATH}${randomUUID()}` }))).toMatch(/^bad-request/);
    expect(await refusal(sessions.open(ask('vnc', 40)))).toMatch(/^not-found/);
    expect(await refusal(sessions.open(ask('vnc', 41)))).toMatch(/^not-found/);
    expect(await refusal(sessions.open(ask('vnc', 1, 'ws://127.0.0.1:1')))).toMatch(/^unavailable: The server's host cannot reach the door/);
    expect(guests.at(-1)?.destroyed).toBe(true);
  });

  it('are limited in number, for a server and for the host', async () => {
    for (let n = 0; n < LIMITS.consolesOfInstance; n += 1) await sessions.open(ask());
    expect(await refusal(sessions.open(ask()))).toMatch(/^over-quota: The server has 8/);
    dialled[0]?.socket.close();
    // There is room as soon as the host has heard of it.
    while ((await refusal(sessions.open(ask()))) !== 'none') await sleep(5);
    for (let n = LIMITS.consolesOfInstance; n < LIMITS.consolesOfHost; n += 1) await sessions.open(ask('vnc', 2 + Math.floor(n / LIMITS.consolesOfInstance)));
    expect(await refusal(sessions.open(ask('vnc', 39)))).toMatch(/^over-quota: The server's host has 256/);
  });

  it('make the guest wait while the door is slow', async () => {
    await sessions.open(ask());
    const [guest, socket] = [guests[0] as Duplex, dialled[0]?.socket as WebSocket];
    socket.pause();
    let taken = 0;
    for (let n = 0; n < 200; n += 1) {
      if (!guest.write(Buffer.alloc(256 * 1024))) await Promise.race([new Promise((resolve) => { guest.once('drain', resolve); }), sleep(200)]);
      if (guest.writableNeedDrain) break;
      taken += 1;
    }
    expect(taken).toBeLessThan(100);
    socket.resume();
    await new Promise((resolve) => { guest.once('drain', resolve); });
  });
});

describe('screenIn', () => {
  const domain = (inner: string): string | null => screenIn(readXml(`<domain><devices>${inner}</devices></domain>`));
  it('finds the socket, and nothing that listens elsewhere', () => {
    expect(domain("<graphics type='vnc' socket='/a/vnc.sock'><listen type='socket' socket='/a/vnc.sock'/></graphics>")).toBe('/a/vnc.sock');
    expect(domain("<graphics type='vnc' port='5900'><listen type='address' address='127.0.0.1'/></graphics>")).toBeNull();
    expect(domain("<graphics type='spice'><listen type='socket' socket='/s'/></graphics>")).toBeNull();
    expect(domain('')).toBeNull();
  });
});
