/** The door with consoles behind it: real tickets' hashes, an in-memory compute that keeps them, and hosts on the same bus. */
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { WebSocket } from 'ws';
import { makeSigningKey, signToken } from '#libs/auth';
import {
  connectConsole, consoleEnded, createConsoleTicket, getServerDiagnostics, listTokenKeys, openConsole, redeemConsoleTicket,
  type HostId, type InstanceId, type OutputOf, type ReceivedBy, type RevocationRow,
} from '#libs/contracts';
import { notFound, unsupported } from '#libs/errors';
import { createDoor } from '#libs/http';
import { InMemoryBus, type Bus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { ApiHttpModule, onApiRequest } from '../../apps/api/src/api.module.js';

export const SERVER = '0c1d2e3f-4a5b-4c6d-8e7f-000000000001' as InstanceId;
const PROJECT = 'a'.repeat(32);

interface Ticket { input: ReceivedBy<typeof createConsoleTicket>; expiresAt: number; sessionId: string | null }

export class ConsoleDoorUnderTest {
  readonly tickets = new Map<string, Ticket>();
  readonly ended: ReceivedBy<typeof consoleEnded>[] = [];
  readonly connects: ReceivedBy<typeof connectConsole>[] = [];
  /** What identity says was revoked. */
  readonly revoked: RevocationRow[] = [];
  readonly #key = makeSigningKey('c0ffee00-0000-4000-8000-000000000000').key;
  readonly #consoles = { dialUrl: '', allowedOrigins: ['panel.example'] };
  ttlMs = 60_000;
  tokenTtlS = 3_600;
  serverId: InstanceId = SERVER;
  unavailable: string | undefined;
  diagnostics: OutputOf<typeof getServerDiagnostics> | undefined;
  app!: NestFastifyApplication;
  url = '';

  private constructor(readonly bus: Bus, readonly hostId: HostId) {}

  static async start(hostId: HostId, bus: Bus = new InMemoryBus()): Promise<ConsoleDoorUnderTest> {
    const door = new ConsoleDoorUnderTest(bus, hostId);
    door.#compute();
    const logger = createLogger('test', 'silent');
    door.app = await createDoor(ApiHttpModule.register({ bus, logger, config: { region: 'RegionOne', consoles: door.#consoles } }), { logger, onRequest: onApiRequest });
    await door.app.listen(0, '127.0.0.1');
    door.url = `http://127.0.0.1:${(door.app.getHttpServer().address() as AddressInfo).port}`;
    door.#consoles.dialUrl = door.url;
    return door;
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.bus.close();
  }

  async call(method: string, path: string, { version = '2.8', role = 'member', body }: { version?: string; role?: string; body?: unknown } = {}): Promise<{ status: number; headers: Headers; text: string; body: never }> {
    const response = await fetch(`${this.url}${path}`, {
      method, headers: { 'x-auth-token': this.#token(role), 'openstack-api-version': `compute ${version}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: (response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined) as never };
  }

  /** The WebSocket's address of a fresh console. */
  async consoleUrl(protocol: 'vnc' | 'serial'): Promise<string> {
    const { status, body, text } = await this.call('POST', `/compute/v2.1/servers/${this.serverId}/remote-consoles`, { body: { remote_console: { protocol, type: protocol === 'vnc' ? 'novnc' : 'serial' } } });
    if (status !== 200) throw new Error(`${status} ${text}`);
    return (body as { remote_console: { url: string } }).remote_console.url.replace(/^http/, 'ws');
  }

  #token(role: string): string {
    const now = Math.floor(Date.now() / 1000);
    const domain = { id: 'default', name: 'Default' };
    return signToken(this.#key, {
      auditId: 'cdaLhDa_S4mHlwPZTx6DHg', parentAuditId: null, issuedAt: now - 1, expiresAt: now + this.tokenTtlS, methods: ['password'],
      user: { id: 'b'.repeat(32), name: role, domain, passwordExpiresAt: null }, project: { id: PROJECT, name: 'demo', domain }, roles: [{ id: '7338e560eff040279abd5b095b509e90', name: role }],
    });
  }

  #compute(): void {
    const serve = { group: 'compute' };
    this.bus.handle(listTokenKeys, async () => ({ keys: [{ kid: this.#key.kid, x: this.#key.x }], revocations: { rows: this.revoked, more: false, horizon: '1' } }), serve);
    this.bus.handle(createConsoleTicket, async (input) => {
      if (input.instanceId !== this.serverId) throw notFound(`Instance ${input.instanceId} could not be found.`);
      if (this.unavailable !== undefined) throw unsupported(this.unavailable);
      const expiresAt = Date.now() + this.ttlMs;
      this.tickets.set(input.ticketHash, { input, expiresAt, sessionId: null });
      return { expiresAt: new Date(expiresAt).toISOString() };
    }, serve);
    this.bus.handle(redeemConsoleTicket, async ({ ticketHash, sessionId }) => {
      const ticket = this.tickets.get(ticketHash);
      if (ticket === undefined || ticket.sessionId !== null || ticket.expiresAt < Date.now()) throw notFound('no');
      ticket.sessionId = sessionId;
      return { instanceId: ticket.input.instanceId, projectId: PROJECT, hostId: this.hostId, kind: ticket.input.kind, sessionEndsAt: ticket.input.sessionEndsAt, login: ticket.input.login };
    }, serve);
    this.bus.handle(connectConsole, async (input) => {
      this.connects.push(input);
      const ticket = [...this.tickets.values()].find(({ sessionId }) => sessionId === input.sessionId);
      if (ticket === undefined) throw notFound('no session');
      await this.bus.ask(openConsole, { ...input, instanceId: ticket.input.instanceId, kind: ticket.input.kind }, { hostId: this.hostId });
      return {};
    }, serve);
    this.bus.handle(consoleEnded, async (input) => { this.ended.push(input); return {}; }, serve);
    this.bus.handle(getServerDiagnostics, async () => {
      if (this.diagnostics === undefined) throw notFound('no');
      return this.diagnostics;
    }, serve);
  }
}

/** A standard WebSocket client that keeps what it hears. */
export class ConsoleClient {
  #heard = Buffer.alloc(0);
  readonly closed: Promise<{ code: number; reason: string }>;
  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => { this.#heard = Buffer.concat([this.#heard, data]); });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => { socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })); });
  }

  static async open(url: string, protocols: string[] = ['binary'], headers: Record<string, string> = {}): Promise<ConsoleClient> {
    const client = new ConsoleClient(new WebSocket(url, protocols, { headers }));
    await new Promise<void>((resolve, reject) => { client.socket.once('open', resolve).once('error', reject); });
    return client;
  }

  get heard(): Buffer { return this.#heard; }
  get text(): string { return this.#heard.toString('latin1'); }

  async hears(what: string | RegExp, ms = 60_000): Promise<void> {
    const found = (): boolean => (typeof what === 'string' ? this.text.includes(what) : what.test(this.text));
    for (const end = performance.now() + ms; !found();) {
      if (performance.now() > end) throw new Error(`${String(what)} was not heard within ${ms} ms; last: ${JSON.stringify(this.text.slice(-300))}`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  }
}
