import { z } from 'zod';
import { list, logLevel, port, readEnv, readSecretFile, type Env } from './env.js';

const password = z.string().min(16);

/** What the first start generated: kept 0600 in the home. */
export const LauncherSecrets = z.object({
  databaseUrl: z.string().describe('superuser URL, for migrating and making roles'),
  databasePasswords: z.object({ identity: password, image: password, scheduler: password, compute: password }),
  adminPassword: password,
  demoPassword: password,
  imageUrlSecret: z.string().regex(/^[0-9a-f]{64}$/),
  natsAccountPublicKey: z.string(),
  natsSigningSeed: z.string(),
});
export type LauncherSecrets = z.output<typeof LauncherSecrets>;

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
  SKYLITE_SCHEDULER_WEIGHER: z.enum(['spread', 'pack']).default('spread'),
  SKYLITE_LOG_LEVEL: logLevel,
};

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
    aliveTimeoutMs: values.SKYLITE_HOST_ALIVE_TIMEOUT_MS,
    weigher: values.SKYLITE_SCHEDULER_WEIGHER,
    logLevel: values.SKYLITE_LOG_LEVEL,
  };
}
export type LauncherConfig = ReturnType<typeof loadLauncherConfig>;
