// Consoles at the door, from the API's answer to the last byte, with a host whose guests are scripted.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { CONSOLE_DIAL_PATH, HostId, type ConsoleKind } from '#libs/contracts';
import { unsupported } from '#libs/errors';
import { createLogger } from '#libs/observability';
import { ConsoleSessions } from '../../apps/compute-agent/src/consoles/console-sessions.js';
import type { GuestConsoles } from '../../apps/compute-agent/src/consoles/guest-consoles.js';
import { ConsoleClient, ConsoleDoorUnderTest, SERVER } from '../support/console-door.js';

const HOST = HostId.parse(randomUUID());
const path = `/compute/v2.1/servers/${SERVER}`;

/** Guests that echo; what is opened is kept. */
class Guests implements GuestConsoles {
  readonly opened: { id: string; kind: ConsoleKind; takeOver: boolean; guest: Duplex }[] = [];
  async open(id: string, kind: ConsoleKind, takeOver: boolean): Promise<Duplex> {
    if (kind === 'vnc') throw unsupported('The server has no screen.');
    const guest: Duplex = new Duplex({ read: () => undefined, write: (chunk: Buffer, _encoding, done) => { guest.push(chunk); done(); } });
    guest.push('login: ');
    this.opened.push({ id, kind, takeOver, guest });
    return guest;
  }
  async diagnostics(): Promise<never> { throw new Error('not asked'); }
}

let door: ConsoleDoorUnderTest;
const guests = new Guests();

beforeAll(async () => {
  door = await ConsoleDoorUnderTest.start(HOST);
  const ledger = { entries: new Map([[SERVER, { desired: { intent: 'running' } }]]) };
  new ConsoleSessions({ hostId: HOST, bus: door.bus, ledger: ledger as never, consoles: guests, logger: createLogger('test', 'silent') }).answer();
});
afterAll(() => door.stop());
afterEach(() => { door.ttlMs = 60_000; door.tokenTtlS = 3_600; door.unavailable = undefined; });

describe('a console', () => {
  it('opens once with its ticket, and carries what is typed', async () => {
    const url = await door.consoleUrl('serial');
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/console\/serial\?token=[\w-]{43}$/);
    const client = await ConsoleClient.open(url);
    expect(client.socket.protocol).toBe('binary');
    await client.hears('login: ');
    client.socket.send('root\n');
    await client.hears('root\n');
    await expect(ConsoleClient.open(url)).rejects.toThrow('403');
    client.socket.close(1000, 'done');
    await client.closed;
    for (let wait = 0; wait < 3_000 && (door.ended.at(-1)?.reason !== 'done' || guests.opened.at(-1)?.guest.destroyed !== true); wait += 1) await sleep(10);
    expect(door.ended.at(-1)).toMatchObject({ reason: 'done' });
    expect(guests.opened.at(-1)?.guest.destroyed).toBe(true);
  });

  it('takes what clients of every kind send', async () => {
    const plain = await ConsoleClient.open(await door.consoleUrl('serial'), []);
    expect(plain.socket.protocol).toBe('');
    await plain.hears('login: ');
    const old = await ConsoleClient.open(await door.consoleUrl('serial'), ['base64']);
    await old.hears(Buffer.from('login: ').toString('base64'));
    // The serial port has one reader: the newer one.
    expect(await plain.closed).toEqual({ code: 4409, reason: 'The console was opened elsewhere.' });
    expect(guests.opened.at(-1)?.takeOver).toBe(true);
    old.socket.close();
    const noVnc = await ConsoleClient.open((await door.consoleUrl('serial')).replace('serial?', `websockify?path=${encodeURIComponent('?')}`).replace('token=', encodeURIComponent('token=')));
    await noVnc.hears('login: ');
    noVnc.socket.close();
  });

  it('ends when the guest does, and with the login that opened it', async () => {
    const client = await ConsoleClient.open(await door.consoleUrl('serial'));
    await client.hears('login: ');
    guests.opened.at(-1)?.guest.push(null);
    expect(await client.closed).toEqual({ code: 1000, reason: 'The server closed its console.' });
    door.tokenTtlS = 3;
    const short = await ConsoleClient.open(await door.consoleUrl('serial'));
    expect(await short.closed).toEqual({ code: 4401, reason: 'The login that opened this console has ended.' });
  });

  it('says why the host refuses', async () => {
    const client = await ConsoleClient.open(await door.consoleUrl('vnc'));
    expect(await client.closed).toEqual({ code: 4501, reason: 'The server has no screen.' });
  });

  it('is not for strangers', async () => {
    door.ttlMs = -1;
    await expect(ConsoleClient.open(await door.consoleUrl('serial'))).rejects.toThrow('403');
    door.ttlMs = 60_000;
    for (const query of ['', '?token=', `?token=${'A'.repeat(43)}`, '?token=x']) await expect(ConsoleClient.open(`${door.url.replace('http', 'ws')}/console/serial${query}`)).rejects.toThrow('403');
    const url = await door.consoleUrl('serial');
    await expect(ConsoleClient.open(url, ['binary'], { origin: 'https://evil.example' })).rejects.toThrow('403');
    const client = await ConsoleClient.open(url, ['binary'], { origin: 'https://panel.example' });
    client.socket.close();
    await client.closed;
  });

  it('ends at a message that is too large', async () => {
    const client = await ConsoleClient.open(await door.consoleUrl('serial'));
    await client.hears('login: ');
    client.socket.send(Buffer.alloc(300 * 1024));
    expect((await client.closed).code).toBe(1009);
  });

  it("is joined by its own host's key only, and once", async () => {
    const first = await ConsoleClient.open(await door.consoleUrl('serial'));
    await first.hears('login: ');
    const { key, sessionId } = door.connects.at(-1) as { key: string; sessionId: string };
    const dial = (session: string, withKey: string): Promise<ConsoleClient> => ConsoleClient.open(`${door.url.replace('http', 'ws')}${CONSOLE_DIAL_PATH}${session}`, [], { authorization: `Bearer ${withKey}` });
    await expect(dial(sessionId, key)).rejects.toThrow('403'); // used
    await expect(dial(randomUUID(), key)).rejects.toThrow('403');
    first.socket.close();
  });
});

describe('the API', () => {
  const post = (body: unknown, version?: string) => door.call('POST', `${path}/remote-consoles`, { body, ...(version !== undefined && { version }) });
  it('gives URLs from 2.6 on', async () => {
    const { status, body } = await post({ remote_console: { protocol: 'vnc', type: 'novnc' } }, '2.6');
    expect(status).toBe(200);
    expect(body).toEqual({ remote_console: { protocol: 'vnc', type: 'novnc', url: expect.stringMatching(new RegExp(`^${door.url}/console/vnc\\?token=[\\w-]{43}$`)) } });
    expect((await post({ remote_console: { protocol: 'vnc', type: 'novnc' } }, '2.5')).status).toBe(404);
    expect((await door.call('POST', `${path}/remote-consoles`, { role: 'reader', body: { remote_console: { protocol: 'vnc', type: 'novnc' } } })).status).toBe(403);
    expect((await door.call('POST', `/compute/v2.1/servers/${randomUUID()}/remote-consoles`, { body: { remote_console: { protocol: 'vnc', type: 'novnc' } } })).status).toBe(404);
    // Only the digest leaves the door.
    expect([...door.tickets.keys()].at(-1)).toMatch(/^[0-9a-f]{64}$/);
  });
  it('refuses the others as Nova does', async () => {
    const message = async (remote_console: object, version?: string) => {
      const { status, body } = await post({ remote_console }, version);
      return [status, (body as { badRequest: { message: string } }).badRequest.message];
    };
    expect(await message({ protocol: 'spice', type: 'spice-html5' })).toEqual([400, 'Unavailable console type spice-html5.']);
    expect(await message({ protocol: 'rdp', type: 'rdp-html5' })).toEqual([400, 'Unavailable console type rdp-html5.']);
    expect(await message({ protocol: 'mks', type: 'webmks' }, '2.8')).toEqual([400, 'Unavailable console type webmks.']);
    expect((await message({ protocol: 'mks', type: 'webmks' }, '2.7'))[0]).toBe(400);
    expect(await message({ protocol: 'vnc', type: 'xvpvnc' })).toEqual([400, 'Invalid console type xvpvnc']);
    expect(await message({ protocol: 'vnc', type: 'serial' })).toEqual([400, 'Invalid console type serial']);
    expect((await message({ protocol: 'vnc', type: 'novnc', more: 1 }))[0]).toBe(400);
    door.unavailable = 'It has no screen.';
    expect(await message({ protocol: 'vnc', type: 'novnc' })).toEqual([400, 'Unavailable console type novnc. It has no screen.']);
  });
  it('knows the old actions until 2.5', async () => {
    const act = (body: unknown, version: string) => door.call('POST', `${path}/action`, { body, version });
    for (const [name, type] of [['os-getVNCConsole', 'novnc'], ['os-getSerialConsole', 'serial']] as const) {
      const { status, body } = await act({ [name]: { type } }, '2.1');
      expect([status, body]).toEqual([200, { console: { type, url: expect.stringContaining('/console/') } }]);
      expect((await act({ [name]: { type } }, '2.6')).status).toBe(404);
      expect((await act({ [name]: { type: 'x' } }, '2.1')).status).toBe(400);
    }
    expect((await act({ 'os-getSPICEConsole': { type: 'spice-html5' } }, '2.5')).body).toMatchObject({ badRequest: { message: 'Unavailable console type spice-html5.' } });
  });
  it('shows diagnostics in both shapes, to administrators', async () => {
    door.diagnostics = { configDrive: true, uptimeS: 9, guest: {
      hypervisor: 'qemu', hypervisorOs: 'linux', state: 'running', maxMemoryKib: 131_072, usedMemoryKib: 65_536, memory: { actual: 131_072 }, cpus: [{ id: 0, timeNs: 5 }],
      disks: [{ device: 'vda', readBytes: 1, readRequests: 2, writeBytes: 3, writeRequests: 4, errors: null }],
      nics: [{ device: 'vnet0', mac: '52:54:00:00:00:01', rxOctets: 1, rxErrors: 2, rxDrop: 3, rxPackets: 4, txOctets: 5, txErrors: 6, txDrop: 7, txPackets: 8 }],
    } };
    expect((await door.call('GET', `${path}/diagnostics`)).status).toBe(403);
    expect((await door.call('GET', `${path}/diagnostics`, { role: 'admin', version: '2.47' })).body).toEqual({
      cpu0_time: 5, memory: 131_072, 'memory-actual': 131_072, vda_read_req: 2, vda_read: 1, vda_write_req: 4, vda_write: 3, vda_errors: -1,
      vnet0_rx: 1, vnet0_rx_packets: 4, vnet0_rx_errors: 2, vnet0_rx_drop: 3, vnet0_tx: 5, vnet0_tx_packets: 8, vnet0_tx_errors: 6, vnet0_tx_drop: 7,
    });
    expect((await door.call('GET', `${path}/diagnostics`, { role: 'admin', version: '2.48' })).body).toEqual({
      config_drive: true, driver: 'libvirt', hypervisor: 'qemu', hypervisor_os: 'linux', state: 'running', uptime: 9, num_cpus: 1, num_disks: 1, num_nics: 1,
      cpu_details: [{ id: 0, time: 5, utilisation: null }], memory_details: { maximum: 128, used: 64 },
      disk_details: [{ read_bytes: 1, read_requests: 2, write_bytes: 3, write_requests: 4, errors_count: null }],
      nic_details: [{ mac_address: '52:54:00:00:00:01', rx_octets: 1, rx_errors: 2, rx_drop: 3, rx_packets: 4, rx_rate: null, tx_octets: 5, tx_errors: 6, tx_drop: 7, tx_packets: 8, tx_rate: null }],
    });
  });
});

describe('the pages', () => {
  it('come with their scripts, and are shut to everything else', async () => {
    for (const kind of ['vnc', 'serial']) {
      const response = await fetch(`${door.url}/console/${kind}?token=x`);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'.*frame-ancestors 'self' panel\.example$/);
      expect(response.headers.get('referrer-policy')).toBe('no-referrer');
      expect(response.headers.get('cache-control')).toBe('no-store');
      for (const [, asset] of (await response.text()).matchAll(/(?:src|href)="([^"]+)"/g)) expect((await fetch(`${door.url}${asset}`)).status).toBe(200);
    }
    expect(await (await fetch(`${door.url}/console/assets/novnc/core/rfb.js`)).text()).toContain('MPL 2.0');
    for (const bad of ['novnc/package.json', '../package.json', '..%2f..%2fpackage.json', 'novnc/core/../../package.json', 'x']) expect((await fetch(`${door.url}/console/assets/${bad}`)).status).toBe(404);
  });
});

it('closes consoles when the door does', async () => {
  const other = await ConsoleDoorUnderTest.start(HostId.parse(randomUUID()));
  const client = new WebSocket(`${other.url.replace('http', 'ws')}/console/serial`);
  client.on('error', () => undefined);
  await sleep(20);
  await other.stop();
  expect(client.readyState).not.toBe(WebSocket.OPEN);
});

// At the end: what was revoked stays so for every token of this file.
it('a console ends with the login when that is revoked, and its unused ticket too', async () => {
  const unused = await door.consoleUrl('serial');
  const client = await ConsoleClient.open(await door.consoleUrl('serial'));
  await client.hears('login: ');
  const nowS = Date.now() / 1000;
  door.revoked.push({ xid: '7', id: '1', auditId: null, auditChainId: null, userId: 'b'.repeat(32), projectId: null, domainId: null, roleId: null, applicationCredentialId: null, issuedBefore: nowS, expiresAt: nowS + 3_600 });
  expect(await client.closed).toEqual({ code: 4401, reason: 'The login that opened this console has ended.' });
  await expect(ConsoleClient.open(unused)).rejects.toThrow('403');
  expect(door.connects.at(-1)?.sessionId).toBe(door.ended.at(-2)?.sessionId);
});
