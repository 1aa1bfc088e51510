/**
 * `up` after its first half (deploy/one-machine/up.mjs): brings one machine's Skylite to where its settings want it.
 *
 * Owns the order of steps; each is idempotent, so an `up` that was cut off anywhere is finished by the next one. The
 * children belong to the supervisor, not to this process: with --detach it ends when all is ready.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, loadCommandConfig } from '#libs/config';
import { prepareEmbeddedPostgres } from '#libs/embedded-postgres';
import { ApiClient, credentialsFrom } from '../client.js';
import { findMarked } from '../supervisor/marks.js';
import { isAlive } from '../supervisor/process.js';
import { leaveOut, readSpecs, readStates, removeSpec, writeSpec } from '../supervisor/spec.js';
import { buildTinyImage, ensureImage, probeVirtType } from './content.js';
import { demo } from './demo.js';
import { down, endLeftovers } from './down.js';
import { baseUrlOf, Home, repository, runDirOf, type Settings } from './home.js';
import { enrolAndRun, runFleet, untilHostsAlive } from './hosts.js';
import { lockHome } from './lock.js';
import { parseUpOptions, type UpOptions } from './options.js';
import { demandMachineLibvirt } from './machine-libvirt.js';
import { heedSignals, interruption, oneLine, say, step, until, UpError } from './progress.js';
import { ensureSecrets, writeCredentials } from './secrets.js';
import { portProblem, resolveSettings } from './settings.js';
import { hostSpec, launcherSpec, natsSpec, postgresSpec, type Base } from './specs.js';
import { findSupervisor, isFinished, noteFinished, pokeSupervisor, startSupervisor, stopSupervisor } from './supervise.js';

const REGION = 'RegionOne';

async function up(options: UpOptions): Promise<void> {
  const config = loadCommandConfig(repository);
  const home = new Home(config.home);
  const running = findSupervisor(home);
  if (running && isFinished(home, running)) {
    const known = home.readSettings();
    throw new UpError(`Skylite is up already at ${known ? baseUrlOf(known) : 'an unknown address'} (supervisor ${running.pid}, ${home.dir}).`, 'Run `npm run down` first, or set SKYLITE_HOME and --port for a second one.');
  }
  const known = home.readSettings();
  const wanted = await resolveSettings(home, options);
  const moves = known !== undefined && (wanted.port !== known.port || wanted.bind !== known.bind);
  if (!running && (moves || !isAliveStill(home, 'launcher'))) await demandAddress(wanted);
  if (wanted.hosts.some((host) => host.libvirt === 'system')) await demandMachineLibvirt(home.dir);
  home.demandSpace();
  home.make();
  const unlock = lockHome(home);
  heedSignals();
  try {
    if (running) {
      await step('end what an up that was cut off had started', () => stopSupervisor(home, false));
      await demandAddress(wanted);
    }
    // What runs still shall serve another address from now on.
    if (moves) await endLeftovers(home);
    const settings = await resolveSettings(home, options);
    home.writeSettings(settings);
    const base: Base = { home, settings, path: config.path, logLevel: config.logLevel, launcherEnv: config.launcherEnv, fleetEnv: config.fleetEnv };
    const api = new ApiClient(baseUrlOf(settings), () => credentialsFrom(home.openrc));
    await step('control plane', () => startControlPlane(base));
    const image = step('image skylite-tiny', () => buildTinyImage(config.cacheDir, config.path), () => undefined);
    image.catch(() => undefined);
    if (settings.hosts.length > 0 && !settings.virt) {
      settings.virt = await step('virtualization', () => probeVirtType(config.cacheDir, config.path), (found) => `${found.type}${found.type === 'qemu' ? ` (KVM: ${found.kvmReason ?? 'not available'})` : ''}`);
      home.writeSettings(settings);
    }
    await step('hosts', () => startHosts(base, api), (alive) => `${alive} alive`);
    const file = await Promise.race([image, interruption]);
    await step('image upload', () => ensureImage(api, file), (what) => what);
    noteFinished(home);
    banner(base);
  } catch (error) {
    // Nothing is left half started; what was made stays, and the next up goes on from there.
    await down(home, { purge: false });
    throw error;
  } finally {
    unlock();
  }
  try {
    if (options.demo) await Promise.race([demo(new ApiClient(baseUrlOf(wanted), () => credentialsFrom(home.openrc))), interruption]);
    if (options.detach) return;
    say('Skylite stays up until Ctrl-C (guests go on).');
    await Promise.race([untilStopped(home), interruption.catch(() => undefined)]);
  } finally {
    if (!options.detach) await down(home, { purge: false });
  }
  say('Skylite is down. Guests go on; `npm run up` finds them again.');
}

async function demandAddress({ bind, port }: Pick<Settings, 'bind' | 'port'>): Promise<void> {
  const problem = await portProblem(bind, port);
  if (problem === 'EADDRNOTAVAIL') throw new UpError(`${bind} is not an address of this machine.`, 'Name one that `ip address` shows, or leave --bind away.');
  if (problem) throw new UpError(`port ${port} is not available (${problem}).`, 'End what uses it, or choose another with --port N.');
}

/** A child of an earlier `up` runs still: its supervisor died, it did not. */
const isAliveStill = (home: Home, child: string): boolean => home.exists
  && (readStates(home.dir).some((state) => state.name === child && state.process !== null && isAlive(state.process)) || findMarked(home.dir).has(child));

async function startControlPlane(base: Base): Promise<void> {
  const { home, settings } = base;
  const runDir = runDirOf(settings);
  mkdirSync(runDir, { recursive: true, mode: 0o711 });
  const options = { dataDir: join(home.dir, 'postgres'), runDir: join(runDir, 'pg') };
  const url = (password: string): string => `postgresql://skylite:${encodeURIComponent(password)}@/postgres?host=${encodeURIComponent(join(options.runDir, 's'))}`;
  const { secrets, databasePassword } = await ensureSecrets(home, settings, url);
  const postgres = await prepareEmbeddedPostgres({ ...options, password: databasePassword });
  writeCredentials(home, baseUrlOf(settings), REGION, secrets);
  if (!isAliveStill(home, 'launcher')) rmSync(home.ready('launcher'), { force: true });
  const taken = isAliveStill(home, 'nats-server') ? undefined : await portProblem(settings.bind, settings.natsPort);
  if (taken) throw new UpError(`port ${settings.natsPort}, which NATS has had here since the first up, is not available (${taken}).`, 'End what uses it.');
  for (const spec of readSpecs(home.dir, leaveOut)) if (spec.order === 3) removeSpec(home.dir, spec.name);
  writeSpec(home.dir, postgresSpec(base, postgres));
  writeSpec(home.dir, natsSpec(base));
  writeSpec(home.dir, launcherSpec(base, { region: REGION }));
  if (settings.virt) for (const host of settings.hosts) if (host.libvirt === 'own') writeSpec(home.dir, hostSpec(base, host));
  await startSupervisor(home, base.path);
  await until('the control plane did not become ready', `Look into ${join(home.logs, 'launcher.log')} and ${join(home.logs, 'postgres.log')}.`, 60_000, async () => {
    const response = await fetch(`${baseUrlOf(settings)}/identity/v3`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    return response?.ok ? true : undefined;
  });
}

async function startHosts(base: Base, api: ApiClient): Promise<number> {
  for (const host of base.settings.hosts) if (host.libvirt === 'own') writeSpec(base.home.dir, hostSpec(base, host));
  pokeSupervisor(base.home);
  await Promise.all(base.settings.hosts.map(async (host) => {
    if (host.libvirt === 'own') {
      await until(`the libvirt of host ${host.name} did not start`, `Look into ${join(base.home.logs, `host-${host.name}.log`)}.`, 60_000, () => {
        const state = readStates(base.home.dir).find((one) => one.name === `host-${host.name}`);
        return state?.process && isAlive(state.process) ? true : undefined;
      });
    }
    await enrolAndRun(base, api, host);
  }));
  if (base.settings.fleet > 0) await runFleet(base, api);
  return untilHostsAlive(base, api);
}

function banner({ home, settings }: Base): void {
  const usual = home.dir === join(repository, '.skylite');
  const which = usual ? '' : `SKYLITE_HOME=${home.dir} `;
  const virt = settings.virt ? `, guests run under ${settings.virt.type === 'kvm' ? 'KVM' : 'plain QEMU (no usable KVM)'}` : '';
  const fleet = settings.fleet > 0 ? [`${settings.fleet} simulated hosts (no guests)${settings.hosts.length > 0 ? ' in zone fleet' : ''}`] : [];
  const hosts = settings.hosts.length > 0 ? [`${settings.hosts.length} compute host${settings.hosts.length === 1 ? '' : 's'}${virt}`] : [];
  say([
    '', `Skylite is up: ${baseUrlOf(settings)}   (${[...hosts, ...fleet].join(', ')})`, '',
    `  Load the credentials:     . ${usual ? '.skylite' : home.dir}/openrc`,
    '  A first server:           openstack server create --flavor m1.nano --image skylite-tiny --wait first',
    '  Watch it boot:            openstack console log show first',
    `  See what is going on:     ${which}npx skylite doctor`, `  Stop (guests go on):      ${which}npm run down`, '',
  ].join('\n'));
}

/** The supervisor's end: somebody ran `down`. */
function untilStopped(home: Home): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (findSupervisor(home)) return;
      clearInterval(timer);
      resolve();
    }, 1_000);
  });
}

try {
  await up(parseUpOptions(process.argv.slice(2)));
  process.exit(0);
} catch (error) {
  if (error instanceof UpError) process.stderr.write(`skylite: ${error.message} ${error.cure}\n`);
  else if (error instanceof ConfigError) process.stderr.write(`skylite: ${error.message}\n`);
  else process.stderr.write(`skylite: ${oneLine(error instanceof Error ? error.message : String(error))}. Look into the logs, or run \`npx skylite doctor\`.\n`);
  process.exit(1);
}
