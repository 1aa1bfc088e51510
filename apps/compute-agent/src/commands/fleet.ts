import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import type { FleetConfig } from '#libs/config';
import type { NatsBus } from '#libs/messaging';
import { createLogger, serveMonitor, type Logger } from '#libs/observability';
import { EXIT, FatalError } from '../errors.js';
import { writeAtomic } from '../files/atomic.js';
import type { HostAgent } from '../host/host-agent.js';
import { connectHost } from '../host/host-bus.js';
import { makeSimulatedHost } from '../host/simulated-host.js';
import { LIMITS } from '../limits.js';
import { gaugeSources } from '../metrics.js';
import { inParallel } from '../parallel.js';
import type { Ledger } from '../reconcile/ledger.js';
import { join } from '../session/join.js';
import { readIdentity, type JoinedIdentity } from '../session/identity.js';
import { simulatedDevices, type SimulatedShape } from '../simulated/simulated-shape.js';
import { removeReadyFile, untilStopped, writeReadyFile } from './process.js';

interface FleetHost { readonly identity: JoinedIdentity; readonly bus: NatsBus; readonly agent: HostAgent; readonly ledger: Ledger }

/** Names sort as numbers: sim-001 … sim-100. */
export const simulatedName = (index: number): string => `sim-${String(index + 1).padStart(3, '0')}`;

export const fleetPullEveryMs = (size: number): number => Math.max(LIMITS.fleetPullMinMs, size * LIMITS.fleetPullPerHostMs);

/** `fleet`: purely simulated hosts in one process, until it is told to stop. @returns the exit code */
export async function fleet(config: FleetConfig): Promise<number> {
  const logger = createLogger('fleet', config.logLevel);
  removeReadyFile(config.readyFile);
  mkdirSync(config.stateDir, { recursive: true, mode: 0o711 });
  const hosts: FleetHost[] = [];
  const { fatal, ended } = untilStopped(logger, async () => {
    await Promise.all(hosts.map(async ({ agent, bus }) => {
      await agent.stop();
      await bus.close();
    }));
    await monitor.close();
  });
  const monitor = await serveMonitor({
    port: config.metricsPort, onProblem: (text) => logger.warn(text),
    health: () => {
      const bad = hosts.filter(({ agent }) => !agent.health.ok);
      const missing = config.size - hosts.length;
      return { ok: bad.length === 0 && missing === 0, parts: { fleet: { ok: bad.length === 0 && missing === 0, detail: `${hosts.length - bad.length} of ${config.size} simulated hosts well` } } };
    },
  });
  gaugeSources.instances = () => hosts.reduce((sum, { ledger }) => sum + ledger.entries.size, 0);
  gaugeSources.hypervisorsUp = () => hosts.filter(({ agent }) => agent.hypervisorUp).length;
  let ready = 0;
  const onReady = (): void => {
    ready += 1;
    if (ready === config.size) writeReadyFile(config.readyFile, { hosts: ready, metricsPort: monitor.port ?? null });
  };
  await inParallel(await identities(config, logger), LIMITS.fleetConnects, async (identity) => {
    hosts.push(await startHost(identity, config, logger.child({ host: identity.name }), { fatal, onReady }));
  });
  logger.info({ hosts: hosts.length }, 'simulated hosts started');
  return ended;
}

const shapeOf = ({ simulated, simulatedDevices: devices }: FleetConfig, hostId: string): SimulatedShape => {
  const bus = simulatedDevices({ ...devices, cells: simulated.cells }, hostId);
  return { ...simulated, ...(bus && { devices: bus }) };
};

async function startHost(identity: JoinedIdentity, config: FleetConfig, logger: Logger, told: { fatal: (error: FatalError) => void; onReady: () => void }): Promise<FleetHost> {
  const made: { ledger?: Ledger } = {};
  const bus = connectHost(identity, () => made.ledger?.host.incarnation ?? 0, logger);
  const host = await makeSimulatedHost({
    identity, bus, logger, stateDir: joinPath(config.stateDir, identity.name), pullEveryMs: fleetPullEveryMs(config.size), shape: shapeOf(config, identity.hostId), placement: config.placement, onReady: told.onReady,
    // A thousand hosts share one process: one of them refused must be seen, and the others cannot go on pretending.
    onFatal: (error) => told.fatal(new FatalError(`${identity.name}: ${error.message}`, error.exitCode)),
  });
  made.ledger = host.ledger;
  host.agent.start();
  // Not more than a few handshakes at a time; a bus that is down is waited for in the background.
  await bus.ready(LIMITS.announceMaxMs).catch(() => undefined);
  return { identity, bus, agent: host.agent, ledger: host.ledger };
}

/** Every host's identity; those that have none yet join with the tokens that are left. */
async function identities(config: FleetConfig, logger: Logger): Promise<JoinedIdentity[]> {
  const names = Array.from({ length: config.size }, (_, index) => simulatedName(index));
  const known = await Promise.all(names.map((name) => readIdentity(joinPath(config.stateDir, name))));
  const joined: (JoinedIdentity | undefined)[] = known.map((identity) => (identity?.membership ? { ...identity, membership: identity.membership } : undefined));
  const missing = names.flatMap((name, index) => (joined[index] ? [] : [{ name, index }]));
  if (missing.length === 0) return joined as JoinedIdentity[];
  const tokens = await handOutTokens(joinPath(config.stateDir, 'tokens-shown.json'), missing.map(({ name }) => name), readTokens(config.enrolTokensFile));
  await inParallel(missing, LIMITS.fleetConnects, async ({ name, index }) => {
    const token = tokens.get(name);
    if (token === undefined) throw new FatalError(`${missing.length} simulated hosts have not joined yet, and ${config.enrolTokensFile ?? 'SKYLITE_ENROL_TOKENS_FILE'} holds no token for ${name}`, EXIT.usage);
    joined[index] = (await join({ url: config.apiUrl, token, name, simulated: true, stateDir: joinPath(config.stateDir, name) })).identity;
  });
  logger.info({ hosts: missing.length }, 'simulated hosts joined');
  return joined as JoinedIdentity[];
}

/**
 * Which host shows which token, written down before any is shown: a host that asks again after a crash shows its own
 * again, which is answered alike; another host's would be refused as used.
 */
export async function handOutTokens(path: string, names: readonly string[], tokens: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex');
  const owners = new Map<string, string>(existsSync(path) ? Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>) : []);
  const given = new Map<string, string>();
  for (const token of tokens) {
    const owner = owners.get(digestOf(token));
    if (owner !== undefined) given.set(owner, token);
  }
  const free = tokens.filter((token) => !owners.has(digestOf(token)));
  for (const name of names.filter((each) => !given.has(each))) {
    const token = free.shift();
    if (token === undefined) break;
    owners.set(digestOf(token), name);
    given.set(name, token);
  }
  await writeAtomic(path, JSON.stringify(Object.fromEntries(owners)), { durable: true, mode: 0o600 });
  return given;
}

function readTokens(path: string | undefined): string[] {
  if (path === undefined) return [];
  try {
    return readFileSync(path, 'utf8').split('\n').map((line) => line.trim()).filter(Boolean);
  } catch (error) {
    throw new FatalError(`the tokens file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`, EXIT.usage);
  }
}
