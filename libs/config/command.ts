import { resolve } from 'node:path';
import { z } from 'zod';
import { fleetTunables } from './agent.js';
import { logLevel, readEnv, type Env } from './env.js';
import { launcherTunables } from './launcher.js';

const shape = {
  /** One Skylite's whole state. Several live side by side on one machine: own home, own port. */
  SKYLITE_HOME: z.string().optional(),
  /** Built images, shared by all Skylites of a machine, by content hash. */
  SKYLITE_CACHE: z.string().default('/var/cache/skylite'),
  SKYLITE_LOG_LEVEL: logLevel,
};

/** What `up`, `down` and the `skylite` command read. */
export function loadCommandConfig(repository: string, env: Env = process.env) {
  const values = readEnv(shape, env);
  return {
    home: resolve(values.SKYLITE_HOME ?? `${repository}/.skylite`),
    cacheDir: values.SKYLITE_CACHE,
    logLevel: values.SKYLITE_LOG_LEVEL,
    /** Settings of the launcher that were said to `up`. */
    launcherEnv: launcherTunables(env),
    /** Settings of simulated hosts that were said to it. */
    fleetEnv: fleetTunables(env),
    /** Handed to children that need to find programs. */
    path: env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  };
}
export type CommandConfig = ReturnType<typeof loadCommandConfig>;
