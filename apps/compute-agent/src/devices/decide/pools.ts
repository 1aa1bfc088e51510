/**
 * What pools want done now: how many VFs a PF has, on which driver each free device is, what a free VF may do. Pure.
 *
 * Owns: that nothing is done to a device that somebody has or shall have, nor to one that the host lives on, and that the number of VFs
 * is changed only while all of them are free. A pool that is empty, wrong or gone wants nothing. A crash between any two actions leaves a
 * state from which the next look goes on.
 */
import type { PoolWish } from '#libs/contracts';
import { PASSING_DRIVERS, type PciAddress, type VfSettings } from '#libs/pci';
import { isTaken, vfsOf, type DeviceFacts, type PoolProblem } from './facts.js';
import type { SeenDevice } from './seen.js';

export type VfChange = Partial<Omit<VfSettings, 'index'>>;

export type PoolAction = { readonly poolId: string; readonly identity: string; readonly pf: PciAddress } & (
  | { readonly does: 'set-vfs'; readonly count: number; readonly autoprobe: boolean }
  | { readonly does: 'link-up' }
  | { readonly does: 'set-vf'; readonly index: number; readonly settings: VfChange }
  | { readonly does: 'bind'; readonly address: PciAddress; readonly driver: 'vfio-pci' | 'kernel' });

export interface PoolPlan {
  readonly actions: readonly PoolAction[];
  readonly problems: readonly PoolProblem[];
  /** Free devices of pools that are not yet as their pool wants them, and why. */
  readonly notReady: ReadonlyMap<string, string>;
}

export function planPools(facts: DeviceFacts): PoolPlan {
  const actions: PoolAction[] = [];
  const problems: PoolProblem[] = [];
  const notReady = new Map<string, string>();
  const pools = facts.wishes?.pools ?? [];
  for (const pool of pools) {
    const problem = (code: string, sentence: string): void => { problems.push({ poolId: pool.poolId, identity: pool.identity, code, sentence }); };
    if (pools.filter(({ identity }) => identity === pool.identity).length > 1) {
      problem('two-pools', 'Two pools want this device: neither gets it.');
      continue;
    }
    const device = facts.seen.devices.get(pool.identity);
    if (!device) {
      problem('no-device', 'This host has no such device now.');
      continue;
    }
    if (device.held) {
      problem('hung-writer', `A write to it has not come back: ${device.held.what}.`);
      continue;
    }
    // Which card it is, an operator has to say first; that is told as its condition.
    if (device.doubt !== null) continue;
    const planned = pool.mode === 'vfs' ? planPf(pool, device, facts, problem) : planFunction(pool, device, facts, problem);
    for (const [identity, why] of planned.notReady) notReady.set(identity, why);
    if (facts.mayWrite) actions.push(...planned.actions);
    else if (planned.actions.length > 0) problem('writers-off', 'It is not as its pool wants it, and this host\'s agent may not change it: SKYLITE_DEVICES is not manage, or the agent is not root.');
  }
  return { actions, problems, notReady };
}

/** The code of a problem that passes by itself, and of which nobody tells that it has: some seconds after VFs were made, or when somebody puts the cable in. */
export const LINK_DOWN = 'link-down';

type Planned = Pick<PoolPlan, 'actions' | 'notReady'>;
type Problem = (code: string, sentence: string) => void;
const NOTHING: Planned = { actions: [], notReady: new Map() };

function planPf(pool: PoolWish, pf: SeenDevice, facts: DeviceFacts, problem: Problem): Planned {
  const { vfs: wanted } = pool;
  const { sriov } = pf.fn;
  const act = { poolId: pool.poolId, identity: pool.identity, pf: pf.fn.address };
  if (!wanted || !sriov) {
    problem('no-sriov', 'This device has no virtual functions.');
    return NOTHING;
  }
  if (wanted.count > sriov.totalVfs) {
    problem('too-many', `Its driver allows ${sriov.totalVfs} virtual functions; the pool wants ${wanted.count}.`);
    return NOTHING;
  }
  const vfs = vfsOf(pf, facts);
  if (sriov.numVfs !== wanted.count) {
    // Where there are none, making some takes nothing from anybody; else also those count that somebody has and nobody sees.
    const taken = sriov.numVfs === 0 ? [] : [...new Set([...vfs.map(({ identity }) => identity), ...claimedOf(pool.identity, facts)])].filter((identity) => isTaken(identity, facts));
    const unread = sriov.vfs.filter(({ address }) => !vfs.some((vf) => vf.fn.address === address));
    const own = vfs.find((vf) => vf.protectedBy !== null);
    if (pf.protectedBy !== null) problem('protected', `The host itself lives on it (${pf.protectedBy}): the number of its virtual functions is not changed. Set it at the host's boot.`);
    else if (own) problem('protected', `The host itself lives on its VF ${own.fn.address} (${own.protectedBy}): the number of its virtual functions is not changed.`);
    else if (pf.fn.driver === null || pf.fn.driver === 'vfio-pci') problem('no-driver', `It is bound to ${pf.fn.driver ?? 'no driver'}: virtual functions need its own one.`);
    else if (isTaken(pool.identity, facts)) problem('pf-taken', 'The whole device is given to a server: it gets no virtual functions.');
    else if (taken.length > 0) problem('vfs-in-use', `It has ${sriov.numVfs} virtual functions and the pool wants ${wanted.count}; that changes only when all of them are free, and ${taken.length} ${taken.length === 1 ? 'is' : 'are'} claimed or in use.`);
    else if (unread.length > 0) problem('vfs-unknown', `${unread.length} of its virtual functions could not be read: nothing is known of who has them.`);
    // From one number to another the kernel goes only by way of none.
    else return { actions: [{ ...act, does: 'set-vfs', count: sriov.numVfs > 0 ? 0 : wanted.count, autoprobe: wanted.driver === 'kernel' }], notReady: new Map(vfs.map(({ identity }) => [identity, 'Its PF is given another number of virtual functions.'])) };
  }
  return planVfs(pool, pf, vfs, facts, problem);
}

/** VFs of a PF that are claimed, seen or not. */
const claimedOf = (pf: string, { claims, wishes }: DeviceFacts): string[] => [...claims.keys(), ...(wishes?.holds.map(({ identity }) => identity) ?? [])].filter((identity) => identity.startsWith(`${pf}/vf:`));

function planVfs(pool: PoolWish, pf: SeenDevice, vfs: readonly SeenDevice[], facts: DeviceFacts, problem: Problem): Planned {
  const { driver, policy } = pool.vfs!;
  const actions: PoolAction[] = [];
  const notReady = new Map<string, string>();
  const act = { poolId: pool.poolId, identity: pool.identity, pf: pf.fn.address };
  const network = pf.fn.networks[0];
  if (network?.link === 'down' && vfs.length > 0 && pf.protectedBy === null) {
    // Whatever more is done to one that is set up does not put the cable in.
    if (network.isUp) problem(LINK_DOWN, `Its interface ${network.name} is set up, and its link is down all the same: is the cable in?`);
    else actions.push({ ...act, does: 'link-up' });
  }
  const settings = facts.settings.get(pf.fn.address);
  for (const vf of vfs) {
    if (vf.held || vf.protectedBy !== null || isTaken(vf.identity, facts)) continue;
    const now = settings?.find(({ index }) => index === vf.pf!.vf);
    // Without an interface of the kernel's there is nothing to set; but settings that could not be asked for are not verified.
    const change = now ? differing(now, policyOf(policy)) : {};
    if (Object.keys(change).length > 0) actions.push({ ...act, does: 'set-vf', index: vf.pf!.vf, settings: change });
    if (!isOn(vf, driver)) actions.push({ ...act, does: 'bind', address: vf.fn.address, driver });
    if (settings === undefined || (settings !== null && !now)) notReady.set(vf.identity, 'What its PF lets it do could not be read yet.');
    else if (Object.keys(change).length > 0) notReady.set(vf.identity, `Not yet as its pool wants it: ${Object.keys(change).join(', ')}.`);
    else if (!isOn(vf, driver)) notReady.set(vf.identity, `Not yet on the driver that its pool wants: it is on ${vf.fn.driver ?? 'none'}.`);
  }
  return { actions, notReady };
}

function planFunction(pool: PoolWish, device: SeenDevice, facts: DeviceFacts, problem: Problem): Planned {
  const { fn } = device;
  const needed = device.protectedBy ?? device.portOf;
  if (needed !== null) problem('protected', `The host itself lives on it (${needed}).`);
  else if ((fn.sriov?.numVfs ?? 0) > 0) problem('pf-has-vfs', `It has ${fn.sriov?.numVfs} virtual functions, which would vanish without a word: set their number to 0 first, or let the pool take virtual functions.`);
  else if (device.kind === 'vf') problem('is-vf', 'It is a virtual function: those come with a pool of their PF.');
  else if (!isTaken(device.identity, facts) && fn.driver !== 'vfio-pci') {
    return {
      actions: [{ poolId: pool.poolId, identity: pool.identity, pf: fn.address, does: 'bind', address: fn.address, driver: 'vfio-pci' }],
      notReady: new Map([[device.identity, `Not yet on vfio-pci: it is on ${fn.driver ?? 'no driver'}.`]]),
    };
  }
  return NOTHING;
}

/** What keeps a PF from being given out as a whole while the host has it as a port, unless it is there for its VFs. */
export function portTrouble({ identity, portOf }: SeenDevice, { wishes }: Pick<DeviceFacts, 'wishes'>): { readonly code: string; readonly sentence: string } | null {
  if (portOf === null || wishes?.pools.some((pool) => pool.identity === identity && pool.mode === 'vfs') === true) return null;
  return { code: 'host-port', sentence: `The host itself lives on it (${portOf}): it is not given away as a whole; virtual functions of it may be.` };
}

export function isOn({ fn }: Pick<SeenDevice, 'fn'>, driver: 'vfio-pci' | 'kernel'): boolean {
  return driver === 'vfio-pci' ? fn.driver === 'vfio-pci' : fn.driver !== null && !PASSING_DRIVERS.has(fn.driver);
}

type Policy = NonNullable<PoolWish['vfs']>['policy'];

/**
 * What a VF without a holder may do. Its MAC is whatever nobody chose: of a VF that was just made it is its PF's driver's choice, on its own driver it is that
 * one's, and some drivers take no zeros; so there is nothing to hold it against. A holder's is taken away by the scrub, without which it is not free.
 */
export const policyOf = (policy: Policy): Required<Omit<VfChange, 'mac'>> => ({
  vlan: 0, qos: 0, spoofCheck: policy.spoofCheck, trust: policy.trust, minTxMbps: policy.minTxMbps, maxTxMbps: policy.maxTxMbps,
});

export const differing = (now: VfSettings, wanted: VfChange): VfChange =>
  Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value !== undefined && now[name as keyof VfChange] !== value));

/** The pool that says what a device is like when it is free. */
export const poolOf = (device: Pick<SeenDevice, 'identity' | 'pf'>, { wishes }: Pick<DeviceFacts, 'wishes'>): PoolWish | undefined =>
  wishes?.pools.find(({ identity, mode }) => (mode === 'vfs' ? identity === device.pf?.identity : identity === device.identity));
