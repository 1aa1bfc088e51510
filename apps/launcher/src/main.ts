/**
 * The all-in-one process of one machine: every service in one Node process, each its own Nest application.
 *
 * Owns: migrating at start, composing the apps, one public port, readiness. Never holds state: killed at any line, the
 * next start continues from Postgres.
 */
import 'reflect-metadata';
import { hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Module, type DynamicModule } from '@nestjs/common';
import { bootstrapDatabase, openDatabase, roleOf, SCHEMA_OWNERS, type Database, type SchemaOwner } from '#libs/db';
import { ConfigError, loadLauncherConfig, type LauncherConfig } from '#libs/config';
import { createBusApplication, hostUserSigner, LocalFirstBus, NatsBus, serviceInbox } from '#libs/messaging';
import { createLogger, Histogram, metrics, serveMonitor, type Logger } from '#libs/observability';
import { createDoor, type Answered } from '#libs/http';
import { AuthModule } from '#libs/auth';
import { ApiHttpModule, Denials, idempotencyOf, onApiRequest } from '../../api/src/api.module.js';
import { ComputeModule, seedCompute } from '../../compute/src/compute.module.js';
import { IdentityBusModule, IdentityHttpModule, seedIdentity } from '../../identity/src/identity.module.js';
import { ImageBusModule, ImageHttpModule } from '../../image-store/src/image-store.module.js';
import type { ProxyFacts } from './cli/doctor-proxies.js';
import { SchedulerModule } from '../../scheduler/src/scheduler.module.js';

const repository = resolve(import.meta.dirname, '../../../..');

/** Backends per app at most; idle ones are given back. */
const POOL: Record<SchemaOwner, number> = { identity: 6, image: 3, scheduler: 6, compute: 12, api: 4 };

const answers = new Histogram({ name: 'skylite_http_request_seconds', help: 'Answered requests by route.', labelNames: ['method', 'route', 'status'], buckets: [0.005, 0.02, 0.1, 0.5, 2, 10], registers: [metrics] });
const countAnswer = ({ method, route, status, seconds }: Answered): void => answers.observe({ method, route, status: String(status) }, seconds);

@Module({})
class Door {}

async function main(): Promise<void> {
  const config = loadLauncherConfig();
  const logger = createLogger('launcher', config.logLevel);
  const onProblem = (text: string): void => logger.warn(text);
  const { secrets } = config;
  const { applied } = await bootstrapDatabase({
    url: secrets.databaseUrl, cellId: config.cellId, passwords: secrets.databasePasswords,
    migrationsDir: join(repository, 'prisma/migrations'), ownershipFile: join(repository, 'prisma/ownership.json'),
  });
  if (applied.length > 0) logger.info({ applied }, 'database migrated');
  const databases = Object.fromEntries(await Promise.all(SCHEMA_OWNERS.map(async (app) => [app, await openDatabase({ url: urlOf(config, app), name: app, poolSize: POOL[app], onProblem })] as const))) as Record<SchemaOwner, Database>;
  const nats = new NatsBus({
    servers: config.natsUrls, creds: readFileSync(config.natsCredsFile, 'utf8'), name: 'launcher', inboxPrefix: serviceInbox('launcher'),
    cellId: config.cellId, incarnation: () => databases.compute.incarnation, onProblem,
  });
  const bus = new LocalFirstBus(nats);
  await seedIdentity(databases.identity, { adminPassword: secrets.adminPassword, demoPassword: secrets.demoPassword }, config.region);
  await seedCompute(databases.compute);

  const of = (app: string): Logger => logger.child({ app });
  const identity = { bus, db: databases.identity, logger: of('identity'), config: { publicUrl: config.publicUrl, region: config.region, credentialKey: secrets.credentialKey, oldCredentialKeys: secrets.oldCredentialKeys, tokenTtlS: config.tokenTtlS, ...config.identity, auditKeepDays: config.auditKeepDays } };
  const image = { bus, db: databases.image, logger: of('image'), config: { dataDir: config.imagesDir, publicUrl: config.publicUrl, internalUrl: config.internalUrl, urlSecret: secrets.imageUrlSecret, maxImageBytes: config.maxImageBytes } };
  const scheduler = { bus, db: databases.scheduler, logger: of('scheduler'), signer: hostUserSigner({ signingSeed: secrets.natsSigningSeed, accountPublicKey: secrets.natsAccountPublicKey }), config: { natsUrls: config.natsUrls, aliveTimeoutMs: config.aliveTimeoutMs, weigher: config.weigher, weights: config.weights, eventsKeepDays: config.eventsKeepDays, powerKey: powerKeyOf(secrets.natsSigningSeed) } };
  const compute = { bus, db: databases.compute, logger: of('compute'), config: { consoleTicketTtlMs: config.consoleTicketTtlMs }, eventsKeepDays: config.eventsKeepDays, moves: { resizeInPlace: config.resizeInPlace, confirmAfterS: config.confirmAfterS } };
  const applications = await Promise.all([
    createBusApplication(IdentityBusModule.register(identity), bus, 'identity'),
    createBusApplication(ImageBusModule.register(image), bus, 'image'),
    createBusApplication(SchedulerModule.register(scheduler), bus, 'scheduler'),
    createBusApplication(ComputeModule.register(compute), bus, 'compute'),
  ]);
  await Promise.all(applications.map((application) => application.listen()));

  const doorModule: DynamicModule = {
    module: Door,
    imports: [AuthModule.register({ bus }), ApiHttpModule.register({ bus, db: databases.api, config: { region: config.region, consoles: { dialUrl: config.internalUrl, publicUrl: config.publicUrl, allowedOrigins: config.consoleAllowedOrigins } }, logger: of('api') }), IdentityHttpModule.register(identity), ImageHttpModule.register(image)],
  };
  const denials = new Denials(databases.api, of('api'));
  const onAnswered = (answered: Answered): void => {
    countAnswer(answered);
    denials.note(answered);
  };
  const proxies: ProxyFacts = { named: config.trustedProxies };
  const door = await createDoor(doorModule, { publicUrl: config.publicUrl, trustedProxies: config.trustedProxies, onUnnamedProxy: (address) => { proxies.unnamed = address; }, logger: of('door'), onRequest: onApiRequest, onAnswered, idempotency: idempotencyOf(databases.api, secrets.idempotencySecret), brakes: config.brakes });
  await door.listen(config.port, config.bind);

  const monitor = await serveMonitor({
    port: config.metricsPort, onProblem,
    health: () => {
      const parts = { database: { ok: databases.compute.reachable }, nats: { ok: nats.connected } };
      return { ok: Object.values(parts).every((part) => part.ok), parts, proxies };
    },
  });
  if (config.readyFile) await writeReady(config.readyFile, { pid: process.pid, port: config.port, metricsPort: monitor.port });
  logger.info({ port: config.port, metricsPort: monitor.port }, 'ready');

  let ending = false;
  const end = async (signal: string): Promise<void> => {
    if (ending) return;
    ending = true;
    logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), 12_000).unref();
    await door.close();
    await denials.stop();
    await Promise.allSettled(applications.map((application) => application.close()));
    await monitor.close();
    await bus.close();
    await Promise.allSettled(Object.values(databases).map((db) => db.close()));
    process.exit(0);
  };
  process.on('SIGTERM', () => void end('SIGTERM'));
  process.on('SIGINT', () => void end('SIGINT'));
}

/** Seals the passwords of hosts' power switches: from a secret that only who signs hosts' identities has. */
const powerKeyOf = (seed: string): Uint8Array => new Uint8Array(hkdfSync('sha256', seed, '', 'skylite power switches', 32));

function urlOf(config: LauncherConfig, app: SchemaOwner): string {
  const url = new URL(config.secrets.databaseUrl.replace('@/', '@localhost/'));
  url.username = roleOf(app);
  url.password = config.secrets.databasePasswords[app];
  return url.toString().replace('@localhost/', '@/');
}

/** Written last and at once: whoever sees it may ask. */
async function writeReady(path: string, content: object): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.tmp`, JSON.stringify(content), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

process.on('unhandledRejection', (error) => {
  process.stdout.write(`${JSON.stringify({ level: 'fatal', time: new Date().toISOString(), process: 'launcher', msg: 'unhandled rejection', err: error instanceof Error ? error.stack : String(error) })}\n`);
  process.exit(1);
});

try {
  await main();
} catch (error) {
  process.stderr.write(`launcher: ${error instanceof ConfigError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}
