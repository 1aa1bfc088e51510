import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { INestMicroservice } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { makeSigningKey, signToken, type SigningKey } from '#libs/auth';
import { getLimits, listTokenKeys, type Caller, type ResourceLimits, type RevocationRow } from '#libs/contracts';
import { createDoor } from '#libs/http';
import { createBusApplication, InMemoryBus } from '#libs/messaging';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ImageBusModule, ImageHttpModule, type ImageConfig, type ImageDeps } from '../../apps/image-store/src/image-store.module.js';
import { SweepReconciler } from '../../apps/image-store/src/uploads/sweep.reconciler.js';

export const PROJECTS = { admin: 'aa'.repeat(16), one: '11'.repeat(16), two: '22'.repeat(16) } as const;
export type Who = keyof typeof PROJECTS;

/** Bodies are JSON whose shape the test knows and checks. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export interface Answer { status: number; headers: Record<string, string | string[] | undefined>; body: any; bytes: Buffer }

export const md5 = (data: Uint8Array): string => createHash('md5').update(data).digest('hex');
export const sha512 = (data: Uint8Array): string => createHash('sha512').update(data).digest('hex');

const userIdOf = (who: Who): string => (who === 'admin' ? 'ad'.repeat(16) : PROJECTS[who]);

const tokens = (key: SigningKey): Record<Who, string> => {
  const now = Math.floor(Date.now() / 1000);
  const domain = { id: 'default', name: 'Default' };
  const make = (who: Who): string => signToken(key, {
    auditId: randomBytes(16).toString('base64url'), parentAuditId: null, issuedAt: now, expiresAt: now + 3600, methods: ['password'],
    user: { id: userIdOf(who), name: who, domain, passwordExpiresAt: null },
    project: { id: PROJECTS[who], name: who, domain }, roles: [{ id: 'ab'.repeat(16), name: who === 'admin' ? 'admin' : 'member' }],
  });
  return { admin: make('admin'), one: make('one'), two: make('two') };
};

export const callerOf = (who: Who): Caller => ({
  userId: PROJECTS[who], userName: who, projectId: PROJECTS[who], projectName: who, domainId: 'default', roles: [who === 'admin' ? 'admin' : 'member'], isAdmin: who === 'admin', requestId: `req-${randomUUID()}`,
});

/** Talks to an image store over real HTTP. */
export class ImageClient {
  constructor(readonly base: string, private readonly tokenOf: Record<Who, string>) {}

  /** A request whose answer the caller reads, at its own pace. */
  request(who: Who | undefined, method: string, path: string, headers: Record<string, string> = {}): ClientRequest {
    return httpRequest(this.base + path, { method, agent: false, headers: { ...(who !== undefined && { 'x-auth-token': this.tokenOf[who] }), ...headers } });
  }

  /** A request whose body the caller writes; its answer. */
  open(who: Who | undefined, method: string, path: string, headers: Record<string, string> = {}): { request: ClientRequest; answer: Promise<Answer> } {
    const request = this.request(who, method, path, headers);
    const answer = new Promise<Answer>((done, fail) => {
      request.once('error', fail);
      request.once('response', (response) => { read(response).then(done, fail); });
    });
    answer.catch(() => undefined);
    return { request, answer };
  }

  call(who: Who | undefined, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const { request, answer } = this.open(who, method, path, { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers });
    request.end(body === undefined ? undefined : body instanceof Uint8Array ? body : JSON.stringify(body));
    return answer;
  }

  async create(who: Who, body: Record<string, unknown> = {}): Promise<string> {
    const { body: image } = await this.call(who, 'POST', '/image/v2/images', { name: 'x', disk_format: 'raw', container_format: 'bare', ...body });
    return String(image.id);
  }

  upload(who: Who, id: string, data: Uint8Array): Promise<Answer> {
    return this.call(who, 'PUT', `/image/v2/images/${id}/file`, data, { 'content-type': 'application/octet-stream', 'content-length': String(data.length) });
  }

  async createActive(who: Who, data: Uint8Array, body: Record<string, unknown> = {}): Promise<string> {
    const id = await this.create(who, body);
    const { status } = await this.upload(who, id, data);
    if (status !== 204) throw new Error(`the upload was answered with ${status}`);
    return id;
  }

  patch(who: Who, id: string, operations: unknown): Promise<Answer> {
    return this.call(who, 'PATCH', `/image/v2/images/${id}`, operations, { 'content-type': 'application/openstack-images-v2.1-json-patch' });
  }

  async status(id: string): Promise<string> {
    return String((await this.call('admin', 'GET', `/image/v2/images/${id}`)).body.status);
  }
}

async function read(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const json = bytes.length > 0 && String(response.headers['content-type']).includes('json');
  return { status: response.statusCode ?? 0, headers: response.headers, body: json ? JSON.parse(bytes.toString()) : undefined, bytes };
}

export async function eventually(what: () => Promise<boolean> | boolean, timeoutMs = 60_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!await what()) {
    if (Date.now() > end) throw new Error('it did not happen in time');
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** All files below a folder, relative. */
export async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
}

/** The image store as a whole on a real PostgreSQL: its bus application and its HTTP application, in this process. */
export class ImageStoreUnderTest {
  readonly bus = new InMemoryBus();
  readonly log: Record<string, unknown>[] = [];
  readonly config: ImageConfig;
  client!: ImageClient;
  private readonly logger = pino({ level: 'debug' }, { write: (line: string) => { this.log.push(JSON.parse(line) as Record<string, unknown>); } });
  /** Limits of projects, as identity tells them; raise the generation with a change. */
  readonly limits: Record<string, ResourceLimits> = {};
  limitsGeneration = 1;
  /** What identity has revoked. */
  readonly revoked: RevocationRow[] = [];
  private readonly signing = makeSigningKey('https://cloud.test');
  private busApp: INestMicroservice | undefined;
  private app: NestFastifyApplication | undefined;

  private constructor(readonly database: TestDatabase, readonly dir: string) {
    this.config = {
      dataDir: join(dir, 'images'), internalUrl: 'http://127.0.0.1:1', urlSecret: 'ab'.repeat(32), maxImageBytes: 64 * 1024 * 1024,
      timings: { beatMs: 100, leaseMs: 1_500, sweepMs: 3_600_000, orphanMs: 0 },
    };
  }

  static async start(): Promise<ImageStoreUnderTest> {
    const store = new ImageStoreUnderTest(await startTestDatabase('image'), await mkdtemp(join(tmpdir(), 'skylite-images-')));
    const { key } = store.signing;
    store.bus.handle(listTokenKeys, () => Promise.resolve({ keys: [{ kid: key.kid, x: key.x }], revocations: { rows: store.revoked, horizon: '0', more: false } }), { group: 'test' });
    store.bus.handle(getLimits, ({ projectId }) => Promise.resolve({ limits: store.limits[projectId] ?? {}, generation: store.limitsGeneration, incarnation: 1, known: true }), { group: 'test' });
    store.app = await createDoor(ImageHttpModule.register(store.deps), { logger: store.logger });
    await store.app.listen(0, '127.0.0.1');
    store.config.internalUrl = (await store.app.getUrl()).replace(/\/$/, '');
    store.busApp = await createBusApplication(ImageBusModule.register(store.deps), store.bus, 'image');
    await store.busApp.listen();
    store.client = store.clientAt(store.config.internalUrl);
    return store;
  }

  /** Everything that this user has logged in for until now. */
  revoke(who: Who): void {
    const none = { auditId: null, auditChainId: null, projectId: null, domainId: null, roleId: null, applicationCredentialId: null };
    const id = String(this.revoked.length + 1);
    this.revoked.push({ ...none, xid: id, id, userId: userIdOf(who), issuedBefore: Date.now() / 1_000, expiresAt: Date.now() / 1_000 + 86_400 });
  }

  clientAt(base: string): ImageClient { return new ImageClient(base, tokens(this.signing.key)); }

  get dataDir(): string { return this.config.dataDir; }
  get sweep(): SweepReconciler { return (this.busApp as INestMicroservice).get(SweepReconciler); }
  files(): Promise<string[]> { return filesIn(this.dataDir); }
  async filesOf(imageId: string): Promise<string[]> { return (await this.files()).filter((path) => path.includes(imageId)); }

  async stop(): Promise<void> {
    await this.app?.close();
    await this.busApp?.close();
    await this.database.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** The same, as a process of its own that can be killed. `tmpfsMib`: its files live on a file system of that size, in a mount namespace of its own. */
  async startProcess(options: { dataDir: string; tmpfsMib?: number }): Promise<{ client: ImageClient; child: ChildProcess }> {
    const { host, port, database } = this.database.admin;
    const { key } = this.signing;
    const given = JSON.stringify({
      url: `postgresql://app_image:p@/${database}?host=${encodeURIComponent(host)}&port=${port}`, keys: [{ kid: key.kid, x: key.x }],
      config: { ...this.config, dataDir: options.dataDir, timings: { beatMs: 100, leaseMs: 1_500, sweepMs: 200, orphanMs: 0 } },
    });
    const node = resolve('node_modules/.bin/node');
    const script = resolve('test/support/image-store-process.mjs');
    const child = options.tmpfsMib === undefined ? spawn(node, [script, given], { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', `mount -t tmpfs -o size=${options.tmpfsMib}m tmpfs "$1" && exec "$2" "$3" "$4"`, 'sh', options.dataDir, node, script, given], { stdio: ['ignore', 'pipe', 'inherit'] });
    const base = await new Promise<string>((done, fail) => {
      let text = '';
      child.stdout.on('data', (data: Buffer) => {
        text += data.toString();
        const match = /^ready (\S+)$/m.exec(text);
        if (match?.[1] !== undefined) done(match[1]);
      });
      child.once('exit', (code) => fail(new Error(`the image store process ended with ${code}`)));
    });
    return { client: this.clientAt(base), child };
  }

  private get deps(): ImageDeps { return { bus: this.bus, db: this.database.db, config: this.config, logger: this.logger }; }
}

/** Ends a process at once and waits for it. */
export const kill = (child: ChildProcess): Promise<void> => new Promise((done) => {
  if (child.exitCode !== null || child.signalCode !== null) return done();
  child.once('exit', () => done());
  child.kill('SIGKILL');
});
