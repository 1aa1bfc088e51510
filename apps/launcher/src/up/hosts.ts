import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ApiClient } from '../client.js';
import { findMarked } from '../supervisor/marks.js';
import { writeAtomically, writeSpec } from '../supervisor/spec.js';
import { lastLine } from './content.js';
import { baseUrlOf, natsUrlOf, type HostSetting } from './home.js';
import { until, UpError } from './progress.js';
import { agentCommand, agentSpec, agentStateDir, agentStateDirInside, fleetSpec, fleetStateDir, type Base } from './specs.js';
import { pokeSupervisor } from './supervise.js';

const run = promisify(execFile);

interface HostAnswer { name: string; alive: boolean; availability_zone?: string; simulated: boolean }
const listHosts = (api: ApiClient): Promise<{ hosts: HostAnswer[] }> => api.call('GET', '/v1/hosts');

const newTokens = async (api: ApiClient, availabilityZone: string, onlyWhenAsked: boolean, simulated: boolean, count: number): Promise<string[]> =>
  (await api.call<{ tokens: string[] }>('POST', '/v1/hosts/enrol-tokens', { availabilityZone, onlyWhenAsked, simulated, count, ttlS: 3_600 })).tokens;

/** Makes a machine's agent a host of this cloud: the same path that `skylite host enroll` and `skylite-agent join` take. */
export async function enrolAndRun(base: Base, api: ApiClient, host: HostSetting): Promise<void> {
  const state = agentStateDir(base.home, host);
  if (!hasJoined(state)) {
    await mkdir(state, { recursive: true, mode: 0o711 });
    const [token] = await newTokens(api, 'nova', false, false, 1);
    const tokenFile = join(state, 'token');
    writeAtomically(tokenFile, token ?? '');
    const { command, args, env } = agentCommand(base, host, ['join', baseUrlOf(base.settings), `@${join(agentStateDirInside(base.home, host), 'token')}`, '--name', host.name]);
    try {
      await run(command, args, { env, timeout: 60_000, cwd: base.home.dir });
    } catch (error) {
      throw new UpError(`host ${host.name} could not join: ${lastLine((error as { stderr?: string }).stderr) ?? String(error)}`, 'Run up again; if it stays, `npx skylite doctor` says more.');
    } finally {
      rmSync(tokenFile, { force: true });
    }
  }
  followNats(state, natsUrlOf(base.settings));
  expectWord(base, `agent-${host.name}`);
  writeSpec(base.home.dir, agentSpec(base, host));
  pokeSupervisor(base.home);
}

/** The agent writes who it is before it asks, and what it was given after. */
function hasJoined(stateDir: string): boolean {
  try {
    return (JSON.parse(readFileSync(join(stateDir, 'identity.json'), 'utf8')) as { membership: unknown }).membership !== null;
  } catch {
    return false;
  }
}

/** A host of this machine follows its Skylite to another address. */
function followNats(stateDir: string, url: string): void {
  const path = join(stateDir, 'identity.json');
  const identity = JSON.parse(readFileSync(path, 'utf8')) as { membership: { natsUrls: string[] } };
  if (identity.membership.natsUrls.join() === url) return;
  identity.membership.natsUrls = [url];
  writeAtomically(path, JSON.stringify(identity, null, 2));
}

/** Purely simulated hosts: a zone of their own that is used only when asked for, or the default when they are the only ones. */
export async function runFleet(base: Base, api: ApiClient): Promise<void> {
  const only = base.settings.hosts.length === 0;
  const joined = (await listHosts(api)).hosts.filter((host) => host.simulated).length;
  const tokensFile = join(base.home.secretsDir, 'fleet-tokens');
  if (joined < base.settings.fleet) writeAtomically(tokensFile, (await newTokens(api, only ? 'nova' : 'fleet', !only, true, base.settings.fleet - joined)).join('\n'));
  await mkdir(fleetStateDir(base.home), { recursive: true, mode: 0o700 });
  expectWord(base, 'fleet');
  writeSpec(base.home.dir, fleetSpec(base, tokensFile));
  pokeSupervisor(base.home);
}

/** An agent that will be started says anew that it is ready; one that runs still has said so. */
function expectWord(base: Base, child: string): void {
  if (!findMarked(base.home.dir).has(child)) rmSync(base.home.ready(child), { force: true });
}

/** Every agent has announced itself, and the scheduler hears its beats: the one alone may be of the time before. */
export async function untilHostsAlive(base: Base, api: ApiClient): Promise<number> {
  const want = base.settings.hosts.length + base.settings.fleet;
  const names = new Set(base.settings.hosts.map((host) => host.name));
  const words = [...base.settings.hosts.map((host) => base.home.ready(`agent-${host.name}`)), ...(base.settings.fleet > 0 ? [base.home.ready('fleet')] : [])];
  return until('not every host came alive', `Run \`npx skylite doctor\`; agents log to ${base.home.logs}.`, 60_000 + base.settings.fleet * 200, async () => {
    if (!words.every((word) => existsSync(word))) return undefined;
    const { hosts } = await listHosts(api);
    const alive = hosts.filter((host) => host.alive && (names.has(host.name) || host.simulated)).length;
    return alive >= want ? alive : undefined;
  });
}
