import { z } from 'zod';
import { list, logLevel, port, readEnv, readSecretFile, type Env } from './env.js';
import { IDENTITY_TUNABLES, loadIdentityConfig } from './identity.js';

const password = z.string().min(16);

/** What the first start generated: kept 0600 in the home. */
export const LauncherSecrets = z.object({
  databaseUrl: z.string().describe('superuser URL, for migrating and making roles'),
  databasePasswords: z.object({ identity: password, image: password, scheduler: password, compute: password, api: password }),
  adminPassword: password,
  demoPassword: password,
  imageUrlSecret: z.string().regex(/^[0-9a-f]{64}$/),
  idempotencySecret: z.string().regex(/^[0-9a-f]{64}$/).describe('seals the answers that are kept for repeats of a request'),
  credentialKey: z.string().regex(/^[0-9a-f]{64}$/).describe('seals the credentials that users keep in identity'),
  oldCredentialKeys: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(16).optional().describe('what did so before: opens what is still sealed with them'),
  natsAccountPublicKey: z.string(),
  natsSigningSeed: z.string(),
});
export type LauncherSecrets = z.output<typeof LauncherSecrets>;

const WEIGHERS = ['ram', 'cpu', 'disk', 'numa', 'devices', 'softAffinity', 'buildFailures', 'imageCached'] as const;
/** "ram=1,cpu=0.5" */
const weights = list.transform((parts, context) => {
  const read: Partial<Record<(typeof WEIGHERS)[number], number>> = {};
  for (const part of parts) {
    const [name, value, ...more] = part.split('=').map((word) => word.trim());
    const known = WEIGHERS.find((weigher) => weigher === name);
    if (known === undefined || more.length > 0 || !/^\d+(\.\d+)?$/.test(value ?? '')) context.addIssue({ code: 'custom', message: `'${part}' is not NAME=NUMBER with a name of ${WEIGHERS.join(', ')}` });
    else read[known] = Number(value);
  }
  return read;
});

const shape = {
  SKYLITE_PORT: port.default(8780),
  SKYLITE_BIND: z.string().default('127.0.0.1'),
  /** Base of every link and of the catalog; default: http://<bind>:<port>. */
  SKYLITE_PUBLIC_URL: z.url().optional(),
  SKYLITE_TRUSTED_PROXIES: list.optional(),
  SKYLITE_REGION: z.string().regex(/^[\w-]{1,255}$/).default('RegionOne'),
  SKYLITE_CELL_ID: z.string().regex(/^[a-z0-9-]{1,32}$/).default('cell1'),
  SKYLITE_SECRETS_FILE: z.string(),
  SKYLITE_IMAGES_DIR: z.string(),
  SKYLITE_MAX_IMAGE_BYTES: z.coerce.number().int().positive().default(1024 ** 4),
  SKYLITE_NATS_URLS: list,
  SKYLITE_NATS_CREDS: z.string(),
  SKYLITE_METRICS_PORT: port.default(0),
  SKYLITE_READY_FILE: z.string().optional(),
  SKYLITE_TOKEN_TTL_S: z.coerce.number().int().min(60).max(86_400).default(3_600),
  SKYLITE_HOST_ALIVE_TIMEOUT_MS: z.coerce.number().int().min(2_000).max(600_000).default(10_000),
  /** Days for which timelines of servers and hosts are kept. */
  SKYLITE_EVENTS_KEEP_DAYS: z.coerce.number().int().min(7).max(3_650).default(400),
  /** Days for which the audit trail is kept; it goes by whole months. */
  SKYLITE_AUDIT_KEEP_DAYS: z.coerce.number().int().min(7).max(3_650).default(400),
  /** Brakes of each project, in each API process: requests a second (reads and writes alike), at once after a rest, and creates under way. */
  SKYLITE_PROJECT_REQUESTS_PER_S: z.coerce.number().int().min(1).max(1_000_000).default(500),
  SKYLITE_PROJECT_REQUESTS_BURST: z.coerce.number().int().min(1).max(1_000_000).default(1_000),
  SKYLITE_PROJECT_CREATES_IN_FLIGHT: z.coerce.number().int().min(1).max(100_000).default(1_000),
  SKYLITE_PROJECT_READS_IN_FLIGHT: z.coerce.number().int().min(1).max(100_000).default(64),
  /** May a resize end on the host where the server is? Then no disk travels. */
  SKYLITE_RESIZE_IN_PLACE: z.enum(['true', 'false']).default('true'),
  /** Seconds after which a resize or migration that waits to be confirmed is confirmed by itself; 0: never. */
  SKYLITE_RESIZE_CONFIRM_AFTER_S: z.coerce.number().int().min(0).max(31_536_000).default(0),
  SKYLITE_SCHEDULER_WEIGHER: z.enum(['spread', 'pack']).default('spread'),
  /** Multipliers of the scheduler's weighers, those that are not named stay as they are: ram=1,cpu=1,disk=1,numa=0,devices=1,softAffinity=4,buildFailures=2,imageCached=0.1. */
  SKYLITE_SCHEDULER_WEIGHTS: weights.optional(),
  /** Seconds for which a console's URL may be opened. */
  SKYLITE_CONSOLE_TICKET_TTL_S: z.coerce.number().int().min(10).max(3_600).default(120),
  /** Origins or host names, besides our own, whose pages may open consoles and frame them. */
  SKYLITE_CONSOLE_ALLOWED_ORIGINS: list.optional(),
  SKYLITE_LOG_LEVEL: logLevel,
};

/** What an operator may say to `up` for the launcher; the others `up` knows by itself. */
const TUNABLES = [
  'SKYLITE_TOKEN_TTL_S', 'SKYLITE_HOST_ALIVE_TIMEOUT_MS', 'SKYLITE_EVENTS_KEEP_DAYS', 'SKYLITE_AUDIT_KEEP_DAYS', 'SKYLITE_PROJECT_REQUESTS_PER_S', 'SKYLITE_PROJECT_REQUESTS_BURST',
  'SKYLITE_PROJECT_CREATES_IN_FLIGHT', 'SKYLITE_PROJECT_READS_IN_FLIGHT', 'SKYLITE_SCHEDULER_WEIGHER', 'SKYLITE_SCHEDULER_WEIGHTS', 'SKYLITE_RESIZE_IN_PLACE', 'SKYLITE_RESIZE_CONFIRM_AFTER_S', 'SKYLITE_CONSOLE_TICKET_TTL_S', 'SKYLITE_CONSOLE_ALLOWED_ORIGINS', 'SKYLITE_TRUSTED_PROXIES',
] as const satisfies readonly (keyof typeof shape)[];

/** Those that are set, as they are; a wrong one is named here already, not in a log. */
export function launcherTunables(env: Env): Record<string, string> {
  const known = { ...Object.fromEntries(TUNABLES.map((name) => [name, shape[name]])), ...IDENTITY_TUNABLES };
  readEnv(known, env);
  return Object.fromEntries(Object.keys(known).flatMap((name) => { const value = env[name]; return value === undefined || value === '' ? [] : [[name, value]]; }));
}

/** The all-in-one process's settings, checked. */
export function loadLauncherConfig(env: Env = process.env) {
  const values = readEnv(shape, env);
  return {
    port: values.SKYLITE_PORT,
    bind: values.SKYLITE_BIND,
    publicUrl: (values.SKYLITE_PUBLIC_URL ?? `http://${values.SKYLITE_BIND}:${values.SKYLITE_PORT}`).replace(/\/+$/, ''),
    /** Where agents of this machine reach us. */
    internalUrl: `http://${values.SKYLITE_BIND}:${values.SKYLITE_PORT}`,
    trustedProxies: values.SKYLITE_TRUSTED_PROXIES ?? [],
    region: values.SKYLITE_REGION,
    cellId: values.SKYLITE_CELL_ID,
    secrets: readSecretFile('SKYLITE_SECRETS_FILE', values.SKYLITE_SECRETS_FILE, LauncherSecrets),
    imagesDir: values.SKYLITE_IMAGES_DIR,
    maxImageBytes: values.SKYLITE_MAX_IMAGE_BYTES,
    natsUrls: values.SKYLITE_NATS_URLS,
    natsCredsFile: values.SKYLITE_NATS_CREDS,
    metricsPort: values.SKYLITE_METRICS_PORT,
    readyFile: values.SKYLITE_READY_FILE,
    tokenTtlS: values.SKYLITE_TOKEN_TTL_S,
    identity: loadIdentityConfig(env),
    aliveTimeoutMs: values.SKYLITE_HOST_ALIVE_TIMEOUT_MS,
    consoleTicketTtlMs: values.SKYLITE_CONSOLE_TICKET_TTL_S * 1000,
    consoleAllowedOrigins: values.SKYLITE_CONSOLE_ALLOWED_ORIGINS ?? [],
    weigher: values.SKYLITE_SCHEDULER_WEIGHER,
    weights: values.SKYLITE_SCHEDULER_WEIGHTS ?? {},
    eventsKeepDays: values.SKYLITE_EVENTS_KEEP_DAYS,
    auditKeepDays: values.SKYLITE_AUDIT_KEEP_DAYS,
    resizeInPlace: values.SKYLITE_RESIZE_IN_PLACE === 'true',
    confirmAfterS: values.SKYLITE_RESIZE_CONFIRM_AFTER_S,
    brakes: { requestsPerS: values.SKYLITE_PROJECT_REQUESTS_PER_S, burst: values.SKYLITE_PROJECT_REQUESTS_BURST, createsInFlight: values.SKYLITE_PROJECT_CREATES_IN_FLIGHT, readsInFlight: values.SKYLITE_PROJECT_READS_IN_FLIGHT },
    logLevel: values.SKYLITE_LOG_LEVEL,
  };
}
export type LauncherConfig = ReturnType<typeof loadLauncherConfig>;
