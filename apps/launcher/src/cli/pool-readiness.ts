/** Waits until hosts have made of a pool what it says, and tells how far they are. Asks only; cut off anywhere, nothing is lost. */
import type { DevicePoolView, DeviceView } from '#libs/contracts';
import type { ApiClient } from '../client.js';
import { allDevices } from './devices.js';

export interface Progress {
  /** Devices that are to come out of it, those that are ready (free or with a server), and those that waiting makes no better. */
  readonly wanted: number; readonly ready: number; readonly stuck: readonly DeviceView[];
  readonly hosts: number;
}

/** States that pass by themselves. */
const passes = ({ state, device }: DeviceView): boolean => state === 'scrubbing' || state === 'missing' || (state === 'unusable' && (device.condition === null || device.condition.code === 'not-ready'));

/** @param devices those of the pool: PFs that keep VFs and their VFs, or whole functions */
export function progressOf(pool: Pick<DevicePoolView, 'mode' | 'vfCount'>, devices: readonly DeviceView[]): Progress {
  const hosts = new Set(devices.map(({ host }) => host.id)).size;
  const given = devices.filter(({ device }) => pool.mode === 'functions' || device.kind === 'vf');
  const pfs = pool.mode === 'functions' ? [] : devices.filter(({ device }) => device.kind === 'pf');
  const wanted = pool.mode === 'functions' ? given.length : pfs.reduce((sum, { device }) => sum + (pool.vfCount ?? device.sriov?.totalVfs ?? 0), 0);
  const made = pfs.every(({ device }) => device.sriov?.numVfs === (pool.vfCount ?? device.sriov?.totalVfs));
  const ready = made ? given.filter(({ state }) => state === 'available' || state === 'claimed' || state === 'in-use').length : 0;
  return { wanted, ready, stuck: [...pfs.filter(({ device }) => device.condition !== null && device.condition.code !== 'not-ready'), ...given.filter((one) => !passes(one) && !['available', 'claimed', 'in-use'].includes(one.state))], hosts };
}

const LOOK_MS = 500;
/** What stands in the way may still be on its way out: a mate that is bound next, a link that comes up. */
const STUCK_MS = 10_000;
const NOTHING_MS = 5_000;

export interface Surroundings { say(line: string): void; nowMs(): number; pause(ms: number): Promise<void> }
export const terminal: Surroundings = { say: (line) => { process.stderr.write(`${line}\n`); }, nowMs: () => performance.now(), pause: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }) };

/** @returns 0: all are ready; 1: some never will be, or not in time */
export async function untilReady(api: Pick<ApiClient, 'call'>, pool: DevicePoolView, timeoutS: number, { say, nowMs, pause }: Surroundings = terminal): Promise<number> {
  const began = nowMs();
  let last = '';
  let stuckSince: number | null = null;
  for (;;) {
    const devices = await allDevices(api, { pool: pool.id });
    const { wanted, ready, stuck, hosts } = progressOf(pool, devices);
    const line = `${pool.name}: ${ready} of ${wanted} devices ready on ${hosts} ${hosts === 1 ? 'host' : 'hosts'}`;
    if (line !== last) say(last = line);
    const now = nowMs();
    if (wanted > 0 && ready >= wanted && stuck.length === 0) {
      say(`All are ready after ${((now - began) / 1000).toFixed(1)} s.`);
      return 0;
    }
    stuckSince = stuck.length > 0 && ready + stuck.length >= wanted ? stuckSince ?? now : null;
    if (stuckSince !== null && now - stuckSince >= STUCK_MS) {
      for (const one of stuck) say(`  ${one.host.name} ${one.device.address}: ${one.state}. ${one.reason ?? ''}`);
      return 1;
    }
    if (devices.length === 0 && now - began >= NOTHING_MS) {
      say('No host has a function that the pool matches.');
      return 1;
    }
    if (now - began >= timeoutS * 1000) {
      const { problems } = (await api.call<{ pool: DevicePoolView }>('GET', `/v1/device-pools/${pool.id}`)).pool;
      for (const { hostName, identity, sentence, code } of problems.slice(0, 10)) say(`  ${hostName} ${identity}: ${sentence} (${code})`);
      for (const one of devices.filter((each) => each.reason !== null && each.state !== 'in-use' && each.device.kind !== 'pf').slice(0, 10)) say(`  ${one.host.name} ${one.device.address}: ${one.state}. ${one.reason ?? ''}`);
      say(`Not all are ready after ${timeoutS} s. Hosts go on by themselves: skylite device list --pool ${pool.name}`);
      return 1;
    }
    await pause(LOOK_MS);
  }
}
