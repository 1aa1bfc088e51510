import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeFrame, encodeRawFrame, FrameDecoder, type Packet } from './framing.js';
import { PROCEDURES } from './facts.js';
import { Held } from './fake/held.js';
import {
  FakeHypervisor, FakeLibvirtd, LibvirtBusy, LibvirtConnection, LibvirtError, LibvirtTimeout, LibvirtUnavailable, type DomainEvent, type FakeHypervisorOptions,
  type LibvirtConnectionOptions,
} from './index.js';

const XML = (name: string): string => `<domain type='qemu'><name>${name}</name><memory>65536</memory><devices><serial type='pty'/></devices></domain>`;

let folder: string;
let socketPath: string;
const cleanups: (() => Promise<unknown> | void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sky-lv-c-'));
  socketPath = join(folder, 's');
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true });
});

async function daemon(options: FakeHypervisorOptions = {}, maxClientRequests = 5): Promise<{ fake: FakeLibvirtd; host: FakeHypervisor }> {
  const host = new FakeHypervisor(options);
  const fake = new FakeLibvirtd(host, { socketPath, maxClientRequests });
  await fake.start();
  cleanups.push(() => fake.stop());
  return { fake, host };
}

function client(options: Partial<LibvirtConnectionOptions> = {}): LibvirtConnection {
  const connection = new LibvirtConnection({ socketPath, reconnectMinMs: 10, reconnectMaxMs: 40, ...options });
  cleanups.push(() => connection.close());
  return connection;
}

async function connected(options: Partial<LibvirtConnectionOptions> = {}): Promise<LibvirtConnection> {
  const connection = client(options);
  await connection.waitUp(30_000);
  return connection;
}

async function failure(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error,
  );
}

async function until(test: () => boolean): Promise<void> {
  for (const end = performance.now() + 30_000; !test(); await sleep(2)) if (performance.now() > end) throw new Error('not within 30 s');
}

/** A server that says what a test wants it to say, byte by byte. */
async function scripted(onPacket: (packet: Packet, socket: Socket) => void): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const decoder = new FrameDecoder();
    socket.on('data', (chunk) => decoder.push(chunk, (packet) => onPacket(packet, socket)));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return server;
}

describe('LibvirtConnection', () => {
  it('fails calls at once while nothing answers, and comes up when something does', async () => {
    const connection = client();
    const before = await failure(connection.listAllDomains());
    expect(before).toBeInstanceOf(LibvirtUnavailable);
    expect(before).toMatchObject({ outcome: 'not-sent', message: expect.stringMatching(/not reachable/) });
    expect(await failure(connection.openConsole({ name: 'x', uuid: '00000000-0000-0000-0000-000000000000', id: 1 }))).toBeInstanceOf(LibvirtUnavailable);
    expect(await failure(connection.waitUp(10))).toBeInstanceOf(LibvirtUnavailable);
    await until(() => /ENOENT/.test(connection.downReason?.message ?? ''));
    await daemon();
    await connection.waitUp(30_000);
    expect(await connection.listAllDomains()).toEqual([]);
  });

  it('says down and up again around a restart, and hears events afterwards', async () => {
    const { fake, host } = await daemon();
    const connection = client();
    const said: string[] = [];
    const events: DomainEvent[] = [];
    connection.on('up', () => said.push('up'));
    connection.on('down', (reason) => said.push(`down: ${reason.message}`));
    connection.on('event', (event) => events.push(event));
    await connection.waitUp(30_000);
    await fake.stop();
    await until(() => !connection.isUp);
    expect(await failure(connection.getHostname())).toMatchObject({ name: 'LibvirtUnavailable', outcome: 'not-sent' });
    await fake.start();
    await connection.waitUp(30_000);
    expect(said).toEqual(['up', 'down: libvirt closed the connection', 'up']);
    const domain = await connection.domainDefineXml(XML('a'));
    await until(() => events.length === 1);
    expect(events[0]).toEqual({ kind: 'lifecycle', domain, event: 'defined', detail: 'added' });
    expect(host.domains()).toHaveLength(1);
  });

  it('leaves the outcome of a call open when the answer is lost', async () => {
    const { host } = await daemon();
    const connection = await connected();
    host.faults.on('DOMAIN_DEFINE_XML_FLAGS', { kind: 'drop', when: 'after' });
    expect(await failure(connection.domainDefineXml(XML('a')))).toMatchObject({ name: 'LibvirtUnavailable', outcome: 'unknown' });
    expect(connection.isUp).toBe(false);
    expect(host.domain('a')).toMatchObject({ state: 'shutoff', persistent: true });
    await connection.waitUp(30_000);
    expect(await connection.listAllDomains()).toHaveLength(1);
  });

  it('never repeats a call by itself', async () => {
    const { host } = await daemon();
    const connection = await connected();
    host.faults.on('DOMAIN_DEFINE_XML_FLAGS', { kind: 'drop', when: 'before' });
    await failure(connection.domainDefineXml(XML('a')));
    await connection.waitUp(30_000);
    expect(host.callCount('DOMAIN_DEFINE_XML_FLAGS')).toBe(1);
    expect(host.domains()).toEqual([]);
  });

  it('answers looks at once while all slow slots are taken', async () => {
    const held = new Held();
    const { host } = await daemon({ latencyMs: (procedure) => (procedure === 'DOMAIN_CREATE_XML' ? 400 : 0), schedule: held.schedule });
    const connection = await connected();
    const slow = Promise.all(Array.from({ length: 12 }, (_, i) => connection.domainCreateXml(XML(`d${i}`))));
    await until(() => host.callCount('DOMAIN_CREATE_XML') === 4);
    expect(await connection.getHostname()).toBe('fake');
    held.release();
    await slow;
    expect(await connection.listAllDomains({ running: true })).toHaveLength(12);
  });

  it('starts, stops and looks while more guests are saved and woken than one link takes', async () => {
    const held = new Held();
    const { host } = await daemon({ schedule: held.schedule });
    const connection = await connected();
    const domains = await Promise.all(Array.from({ length: 7 }, (_, i) => connection.domainDefineXml(XML(`d${i}`))));
    const [other, ...rest] = await Promise.all(domains.map((domain) => connection.domainCreate(domain)));
    host.faults.on('DOMAIN_MANAGED_SAVE', { kind: 'delay', ms: 600 }, { times: 6 });
    const saves = Promise.all(rest.map((domain) => connection.domainManagedSave(domain, { running: true })));
    await until(() => host.callCount('DOMAIN_MANAGED_SAVE') === 4);
    const quick = async (): Promise<void> => {
      await connection.domainDestroy(other!);
      await connection.domainCreate(other!);
      await connection.listAllDomains();
    };
    await quick();
    held.release();
    await saves;
    held.hold();
    const starts = host.callCount('DOMAIN_CREATE_WITH_FLAGS');
    host.faults.on('DOMAIN_CREATE_WITH_FLAGS', { kind: 'delay', ms: 600 }, { times: 4 });
    const wakes = Promise.all(rest.slice(0, 4).map((domain) => connection.domainCreate(domain, {}, { memory: true })));
    await until(() => host.callCount('DOMAIN_CREATE_WITH_FLAGS') === starts + 4);
    await quick();
    held.release();
    await wakes;
  });

  it('has at most four calls on the wire, so that keepalives still get through', async () => {
    const held = new Held();
    const { host } = await daemon({ latencyMs: (procedure) => (procedure === 'CONNECT_GET_HOSTNAME' ? 100 : 0), schedule: held.schedule });
    const connection = await connected({ keepaliveIntervalMs: 10, keepaliveCount: 3 });
    const calls = Array.from({ length: 9 }, () => connection.getHostname());
    await until(() => host.callCount('CONNECT_GET_HOSTNAME') === 4);
    await sleep(100);
    expect(host.callCount('CONNECT_GET_HOSTNAME')).toBe(4);
    expect(connection.isUp).toBe(true);
    held.release();
    expect(await Promise.all(calls)).toHaveLength(9);
    expect(connection.isUp).toBe(true);
  });

  it('dies of its own keepalive when the daemon takes more than it reads', async () => {
    // The trap that the limit of four avoids: at five, this daemon reads nothing more, pings included.
    await daemon({ latencyMs: (procedure) => (procedure === 'CONNECT_GET_HOSTNAME' ? 300 : 0), schedule: new Held().schedule });
    const connection = await connected({ keepaliveIntervalMs: 10, keepaliveCount: 3, inFlight: 5 });
    const errors = await Promise.all(Array.from({ length: 5 }, () => failure(connection.getHostname())));
    expect(errors[0]).toMatchObject({ name: 'LibvirtUnavailable', message: expect.stringMatching(/keepalive/) });
  });

  it('refuses more waiting calls than it can hold', async () => {
    await daemon({ latencyMs: 20 });
    const connection = await connected({ queued: 3 });
    const results = await Promise.allSettled(Array.from({ length: 9 }, () => connection.getHostname()));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(2);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(LibvirtBusy);
  });

  it('keeps deadlines: of sent calls, of waiting ones, and by signal', async () => {
    const held = new Held();
    const { host } = await daemon({ schedule: held.schedule });
    const connection = await connected();
    for (let i = 0; i < 4; i++) host.faults.on('CONNECT_GET_HOSTNAME', { kind: 'delay', ms: 250 });
    const sent = Array.from({ length: 4 }, () => failure(connection.getHostname({ timeoutMs: 30 })));
    const waiting = failure(connection.getUri({ timeoutMs: 30 }));
    const abort = new AbortController();
    const aborted = failure(connection.getUri({ signal: abort.signal }));
    abort.abort(new Error('enough'));
    expect(await aborted).toMatchObject({ message: 'enough' });
    for (const error of await Promise.all(sent)) expect(error).toMatchObject({ name: 'LibvirtTimeout', outcome: 'unknown', procedure: 'CONNECT_GET_HOSTNAME' });
    expect(await waiting).toMatchObject({ outcome: 'not-sent' });
    expect(host.callCount('CONNECT_GET_URI')).toBe(0);
    // The late answers free the slots, and are given to nobody; until then nothing more is sent.
    const next = connection.getUri();
    await sleep(20);
    expect(host.callCount('CONNECT_GET_URI')).toBe(0);
    held.release();
    expect(await next).toBe('qemu:///system');
    await sleep(100);
    expect(connection.isUp).toBe(true);
  });

  it('gives up a link whose slots are all held by calls that will never be answered', async () => {
    const { host } = await daemon();
    const connection = await connected({ stuckMs: 50 });
    host.faults.on('DOMAIN_CREATE_XML', { kind: 'hang', when: 'after' }, { times: 4 });
    const down = new Promise<Error>((resolve) => connection.once('down', resolve));
    for (const call of Array.from({ length: 4 }, (_, i) => connection.domainCreateXml(XML(`d${i}`), {}, { timeoutMs: 20 }))) expect(await failure(call)).toBeInstanceOf(LibvirtTimeout);
    expect((await down).message).toMatch(/answered none/);
    await connection.waitUp(30_000);
    expect(await connection.listAllDomains()).toHaveLength(4);
  });

  it('notices a daemon that stands still', async () => {
    const { fake } = await daemon();
    const connection = await connected({ keepaliveIntervalMs: 30, keepaliveCount: 4 });
    await sleep(300);
    expect(connection.isUp).toBe(true); // idle, but answering pings
    const down = new Promise<Error>((resolve) => connection.once('down', resolve));
    const pending = failure(connection.getHostname({ timeoutMs: 60_000 }));
    fake.freeze();
    expect((await down).message).toMatch(/keepalive/);
    await pending;
  });

  it('answers the daemon\'s pings', async () => {
    const host = new FakeHypervisor();
    const fake = new FakeLibvirtd(host, { socketPath, keepaliveMs: 5 });
    await fake.start();
    cleanups.push(() => fake.stop());
    const connection = await connected({ keepaliveIntervalMs: 1000 });
    await until(() => fake.pongs > 4);
    expect(connection.isUp).toBe(true);
  });

  it('hands refusals on as they are, and stays up', async () => {
    const { host } = await daemon();
    const connection = await connected();
    host.faults.on('CONNECT_GET_HOSTNAME', { kind: 'error', code: 38, message: 'no such luck' }, { nth: 2 });
    expect(await connection.getHostname()).toBe('fake');
    const error = await failure(connection.getHostname());
    expect(error).toBeInstanceOf(LibvirtError);
    expect(error).toMatchObject({ code: 38, codeName: 'SYSTEM_ERROR', message: 'no such luck', procedure: 'CONNECT_GET_HOSTNAME' });
    expect(await connection.getHostname()).toBe('fake');
  });

  it('says why when the daemon wants authentication or does not know the driver', async () => {
    await scripted((packet, socket) => socket.write(encodeFrame({ ...packet, type: 1 }, PROCEDURES.AUTH_LIST.ret, { types: [1, 2] })));
    const connection = client();
    connection.start();
    await until(() => /authentication.*run as root/.test(connection.downReason?.message ?? ''));
  });

  it('breaks with a peer that breaks the protocol', async () => {
    const answers: [says: RegExp, answer: (packet: Packet) => Buffer][] = [
      [/frame of/, () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
      [/serial 77/, (packet) => encodeFrame({ ...packet, type: 1, serial: 77 }, null, null)],
      [/the reply is for 5/, (packet) => encodeFrame({ ...packet, type: 1, proc: 5 }, PROCEDURES.AUTH_LIST.ret, { types: [0] })],
      [/does not fit/, (packet) => encodeRawFrame({ ...packet, type: 1 }, Buffer.from('00000001', 'hex'))],
      [/program 63/, (packet) => encodeRawFrame({ ...packet, type: 1, prog: 99 }, Buffer.alloc(0))],
      [/type 0 from/, (packet) => encodeRawFrame({ ...packet, type: 0 }, Buffer.alloc(0))],
      [/status 2/, (packet) => encodeRawFrame({ ...packet, type: 1, status: 2 }, Buffer.alloc(0))],
      [/keepalive procedure 9/, (packet) => encodeRawFrame({ ...packet, prog: 0x6b656570, type: 2, proc: 9 }, Buffer.alloc(0))],
    ];
    let turn = 0;
    await scripted((packet, socket) => socket.write(answers[turn]![1](packet)));
    for (; turn < answers.length; turn++) {
      const connection = client();
      connection.start();
      await until(() => connection.downReason?.name === 'LibvirtProtocolError');
      expect(connection.downReason?.message).toMatch(answers[turn]![0]);
      await connection.close();
    }
  });

  it('gives up on a peer that accepts and says nothing', async () => {
    await scripted(() => undefined);
    const connection = client({ connectMs: 40 });
    connection.start();
    await until(() => /did not open qemu:\/\/\/system within 40 ms/.test(connection.downReason?.message ?? ''));
  });

  it('refuses a socket path that the kernel would cut off', async () => {
    const connection = client({ socketPath: `/tmp/${'x'.repeat(110)}` });
    connection.start();
    await until(() => /107 bytes/.test(connection.downReason?.message ?? ''));
  });

  it('closes for good, whatever it is doing', async () => {
    await daemon({ latencyMs: 30 });
    const connecting = client();
    connecting.start();
    await connecting.close();
    const connection = await connected();
    const call = failure(connection.getHostname());
    await connection.close();
    expect(await call).toMatchObject({ name: 'LibvirtUnavailable', outcome: 'unknown' });
    expect(await failure(connection.waitUp(1000))).toBeInstanceOf(LibvirtUnavailable);
    expect(await failure(connection.getHostname())).toBeInstanceOf(LibvirtUnavailable);
    await connection.close();
  });
});

describe('console streams', () => {
  const input: Buffer[] = [];
  const options: FakeHypervisorOptions = { bootText: '', onConsoleInput: (_, bytes) => (input.push(Buffer.from(bytes)), null) };

  it('carry bytes unchanged in both directions, larger than a packet', async () => {
    input.length = 0;
    const { host } = await daemon(options);
    const connection = await connected();
    const domain = await connection.domainCreateXml(XML('a'));
    const console = await connection.openConsole(domain);
    const big = Buffer.alloc(700_000, 'skylite ');
    console.write(big);
    await until(() => input.reduce((sum, piece) => sum + piece.length, 0) === big.length);
    expect(Buffer.concat(input).equals(big)).toBe(true);
    expect(input.every((piece) => piece.length <= 262_120)).toBe(true);
    host.consoleWrite('a', big);
    const got: Buffer[] = [];
    console.on('data', (chunk: Buffer) => got.push(chunk));
    await until(() => got.reduce((sum, piece) => sum + piece.length, 0) === big.length);
    expect(Buffer.concat(got).equals(big)).toBe(true);
    console.destroy();
  });

  it('hold back a guest that prints more than is read, without holding back anything else', async () => {
    const { host } = await daemon(options);
    const connection = await connected();
    const domain = await connection.domainCreateXml(XML('a'));
    const console = await connection.openConsole(domain);
    for (let i = 0; i < 400; i++) host.consoleWrite('a', Buffer.alloc(65536, i));
    await until(() => console.readableLength > 0);
    await sleep(250);
    expect(console.readableLength).toBeLessThan(1_000_000);
    expect(await connection.getHostname()).toBe('fake');
    let total = 0;
    console.on('data', (chunk: Buffer) => (total += chunk.length));
    await until(() => total === 400 * 65536);
    console.destroy();
  });

  it('end with the guest, fail with the connection, and free the console when aborted', async () => {
    const { fake, host } = await daemon(options);
    const connection = await connected();
    const domain = await connection.domainDefineXml(XML('a'));
    await connection.domainCreate(domain);
    const aborted = await connection.openConsole(domain);
    aborted.destroy();
    await until(() => fake.connections === 3);
    const ended = await connection.openConsole(domain);
    const end = new Promise<void>((resolve) => ended.once('end', resolve));
    ended.resume();
    host.guestPowerOff('a');
    await end;
    await until(() => fake.connections === 3);
    await connection.domainCreate(domain);
    const lost = await connection.openConsole(domain);
    const error = new Promise<Error>((resolve) => lost.once('error', resolve));
    fake.dropConnections();
    expect(await error).toBeInstanceOf(LibvirtUnavailable);
  });

  it('fail with the connection even when their own socket has noticed nothing', async () => {
    const { fake } = await daemon(options);
    const connection = await connected({ keepaliveIntervalMs: 15, keepaliveCount: 2 });
    const console = await connection.openConsole(await connection.domainCreateXml(XML('a')));
    const error = new Promise<Error>((resolve) => console.once('error', resolve));
    fake.freeze();
    expect((await error).message).toMatch(/keepalive/);
  });
});
