import type { INestMicroservice } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { createDoor } from '#libs/http';
import { createBusApplication, InMemoryBus } from '#libs/messaging';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { IdentityBusModule, IdentityHttpModule, seedIdentity, type IdentityConfig, type IdentityDeps } from '../../apps/identity/src/identity.module.js';

export const ADMIN = 'admin-password-1';
export const DEMO = 'demo-password-2';
export const UNAUTHORIZED = { error: { code: 401, message: 'The request you have made requires authentication.', title: 'Unauthorized' } };
export const BASE = 'http://cloud.test:8780';

/** Bodies are JSON whose shape the test knows and checks. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export interface Answer { status: number; headers: Record<string, string | string[] | number | undefined>; body: any; text: string }
export interface CallOptions { token?: string; subject?: string; body?: unknown; raw?: string; address?: string; headers?: Record<string, string> }

export const byName = (name: string, password: string) => ({ methods: ['password'], password: { user: { name, domain: { id: 'default' }, password } } });
export const project = (name: string) => ({ project: { name, domain: { id: 'default' } } });
export const tokenOf = (answer: Answer): string => String(answer.headers['x-subject-token']);

/** Identity as a whole on a real PostgreSQL: its bus application and its HTTP application, seeded. */
export class IdentityUnderTest {
  readonly bus = new InMemoryBus();
  /** Everything that was logged. */
  readonly log: string[] = [];
  private busApp: INestMicroservice | undefined;
  private app: NestFastifyApplication | undefined;
  private readonly logger = pino({ level: 'debug' }, { write: (line: string) => { this.log.push(line); } });

  private constructor(readonly database: TestDatabase, private readonly config: Partial<IdentityConfig>) {}

  static async start(config: Partial<IdentityConfig> = {}): Promise<IdentityUnderTest> {
    const identity = new IdentityUnderTest(await startTestDatabase('identity'), config);
    await seedIdentity(identity.database.db, { adminPassword: ADMIN, demoPassword: DEMO });
    identity.busApp = await createBusApplication(IdentityBusModule.register(identity.deps), identity.bus, 'identity');
    await identity.busApp.listen();
    await identity.restartHttp();
    return identity;
  }

  async stop(): Promise<void> {
    await this.app?.close();
    await this.busApp?.close();
    await this.database.stop();
  }

  /** A new HTTP application, which knows no keys and no tokens yet. */
  async restartHttp(): Promise<void> {
    await this.app?.close();
    this.app = await createDoor(IdentityHttpModule.register(this.deps), { logger: this.logger });
  }

  async call(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'HEAD' | 'DELETE', path: string, options: CallOptions = {}): Promise<Answer> {
    if (this.app === undefined) throw new Error('not started');
    const payload = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const response = await this.app.inject({
      method, url: `/identity${path}`,
      headers: {
        host: 'cloud.test:8780', ...options.headers,
        ...(options.token !== undefined && { 'x-auth-token': options.token }),
        ...(options.subject !== undefined && { 'x-subject-token': options.subject }),
        ...(payload !== undefined && { 'content-type': 'application/json' }),
      },
      ...(payload !== undefined && { payload }),
      ...(options.address !== undefined && { remoteAddress: options.address }),
    });
    const json = response.payload !== '' && String(response.headers['content-type']).includes('json');
    return { status: response.statusCode, headers: response.headers, body: json ? response.json() : undefined, text: response.payload };
  }

  login(identity: unknown, scope?: unknown, query = '', address?: string): Promise<Answer> {
    return this.call('POST', `/v3/auth/tokens${query}`, { ...(address !== undefined && { address }), body: { auth: { identity, ...(scope !== undefined && { scope }) } } });
  }

  async adminToken(): Promise<string> { return tokenOf(await this.login(byName('admin', ADMIN), project('admin'))); }
  async demoToken(): Promise<string> { return tokenOf(await this.login(byName('demo', DEMO), project('demo'))); }

  /** Changes the database behind identity's back for as long as `work` runs. */
  async with(change: string, undo: string, work: () => Promise<void>): Promise<void> {
    await this.database.admin.query(change);
    try {
      await work();
    } finally {
      await this.database.admin.query(undo);
    }
  }

  private get deps(): IdentityDeps {
    return { bus: this.bus, db: this.database.db, config: { region: 'RegionOne', tokenTtlS: 3_600, credentialKey: 'c7'.repeat(32), ...this.config }, logger: this.logger };
  }
}
