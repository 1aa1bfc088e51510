/**
 * The device loop: looks at the whole host's devices, says what it saw, brings them to what pools and holds want, and answers whether an
 * instance may have its own.
 *
 * Why a loop: whatever was missed or half done, the next look starts from what is. Owns: when to look, that one hand at a time writes, and
 * how long a failing change is left alone. Never acts without libvirt's answer in the same look, nor before the control plane's word may be
 * acted on. A crash loses nothing but time.
 */
import { InstanceId, type DesiredInstance, type HostDevice } from '#libs/contracts';
import { PciError, type PciHost } from '#libs/pci';
import type { Logger } from '#libs/observability';
import { jittered, type Clock } from '../clock.js';
import type { Hypervisor, InstanceDevices } from '../hypervisor/hypervisor.js';
import type { Limits } from '../limits.js';
import { agentMetrics } from '../metrics.js';
import { Slots } from '../parallel.js';
import { learned } from './decide/bookkeeping.js';
import type { DeviceFacts, PoolProblem } from './decide/facts.js';
import { planHolds, waitsFor, type HoldAction } from './decide/holds.js';
import { LINK_DOWN, planPools, portTrouble, type PoolAction, type PoolPlan } from './decide/pools.js';
import { isOf, readinessOf, type PlacedDevice, type Readiness } from './decide/ready.js';
import { cleanNow, NO_RECORD } from './decide/records.js';
import { conditionOf, lastSeenOf, unreadable } from './decide/seen.js';
import { placedOf, type DeviceActs } from './device-acts.js';
import type { DeviceLedger } from './device-ledger.js';
import type { DeviceObserver } from './device-observer.js';

export interface HostDevicesOptions {
  readonly pci: PciHost;
  readonly hypervisor: Pick<Hypervisor, 'isUp' | 'onChange'>;
  readonly observer: DeviceObserver;
  readonly acts: DeviceActs;
  readonly devices: DeviceLedger;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Limits;
  /** false: it looks and tells, and prepares none for a guest. */
  readonly mayGive: boolean;
  /** @returns whether that is new */
  onSeen(devices: readonly HostDevice[], problems: readonly PoolProblem[], appliedWishes: string | null): boolean;
  /** Instances may be able to start, or not any more. */
  onChanged(): void;
}

/** Failures in a row after which nobody is kept waiting in silence. */
const SAID_AFTER = 3;

type Action = PoolAction | HoldAction;
interface Failed { readonly count: number; readonly retryAtMs: number; readonly problem: PoolProblem | null; /** Of a hold: whose device. */ readonly unclean: string | null; readonly sentence: string }

export class HostDevices implements InstanceDevices {
  readonly #options: HostDevicesOptions;
  readonly #hand = new Slots(1);
  readonly #stop = new AbortController();
  readonly #failed = new Map<string, Failed>();
  /** Ports of pools whose link is awaited, and since when. */
  readonly #linkless = new Map<string, number>();
  #facts: DeviceFacts | null = null;
  #applied: string | null = null;
  #seenWishes: DeviceFacts['wishes'] | undefined;
  /** Until somebody lets it act, it only looks and says. */
  #held = true;
  #looking: Promise<void> | undefined;
  #again = false;
  #lookedAtMs = -Infinity;
  /** Looks in a row that failed. */
  #unseen = { count: 0, why: '' };
  #cancelTimer: (() => void) | undefined;
  #cancelChanges: (() => void) | undefined;

  constructor(options: HostDevicesOptions) {
    this.#options = options;
    // Domains come and go all day; who has which device matters where somebody wants any.
    options.hypervisor.onChange(() => { if (this.#isWanted()) this.wake(); });
  }

  get mayGive(): boolean { return this.#options.mayGive; }

  start(): void {
    this.#cancelChanges = this.#options.pci.onChange(() => this.wake());
    this.wake();
  }

  /** Resolves when no look is under way. */
  async idle(): Promise<void> {
    while (this.#looking) await this.#looking;
  }

  /** From now on it acts. */
  release(): void {
    this.#held = false;
    this.wake();
  }

  wake(): void {
    if (this.#stop.signal.aborted) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#cancelTimer?.();
    this.#again = false;
    const { clock, limits, random, logger } = this.#options;
    const pauseMs = this.#lookedAtMs + limits.deviceLookPauseMs - clock.nowMs();
    if (pauseMs > 0) {
      this.#cancelTimer = clock.after(pauseMs, () => this.wake());
      return;
    }
    this.#looking = this.#look().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) logger.warn({ err: error }, 'the devices of the host could not be looked at; nothing is done');
      this.#unseen = { count: this.#unseen.count + 1, why: error instanceof Error ? error.message : String(error) };
      return null;
    }).then((wakeAtMs) => {
      this.#looking = undefined;
      this.#lookedAtMs = clock.nowMs();
      if (this.#stop.signal.aborted) return;
      const regular = this.#again ? limits.deviceLookPauseMs : jittered(limits.deviceLookEveryMs, limits.jitter, random());
      this.#cancelTimer = clock.after(wakeAtMs === null ? regular : Math.min(regular, Math.max(1, wakeAtMs - clock.nowMs())), () => this.wake());
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the agent stops'));
    this.#cancelTimer?.();
    this.#cancelChanges?.();
    await this.#looking;
  }

  readiness(desired: Pick<DesiredInstance, 'id' | 'layout'>): Readiness {
    const found = readinessOf(desired, this.#facts);
    if (found.kind === 'wait' && this.#unseen.count >= SAID_AFTER) return { kind: 'refused', code: 'devices-unseen', message: `The devices of its host can't be looked at: ${this.#unseen.why}` };
    // What would come by itself does not come: then it is said why, and still tried.
    const failing = found.kind === 'wait' ? [...this.#failed.values()].find(({ count, problem }) => problem !== null && isOf(problem.identity, desired) && count >= SAID_AFTER) : undefined;
    return failing && found.kind === 'wait' ? { kind: 'refused', code: 'device-missing', message: `${found.why} ${failing.sentence}` } : found;
  }

  place(desired: DesiredInstance): readonly PlacedDevice[] { return placedOf(desired, this.#facts); }

  async prepare(desired: DesiredInstance, signal: AbortSignal): Promise<readonly PlacedDevice[]> {
    const placed = await this.#hand.run(signal, () => this.#options.acts.prepare(desired));
    this.wake();
    return placed;
  }

  #isWanted(): boolean {
    return this.#facts === null || this.#facts.claims.size > 0 || (this.#facts.wishes !== null && this.#facts.wishes.pools.length + this.#facts.wishes.holds.length > 0);
  }

  /** @returns when to look again at the latest; null: no earlier than usual */
  async #look(): Promise<number | null> {
    const done = new Set<string>();
    for (let round = 0; round < this.#options.limits.deviceRounds; round += 1) {
      if (!this.#options.hypervisor.isUp || this.#stop.signal.aborted) return null;
      if (!(await this.#hand.run(this.#stop.signal, () => this.#round(done)))) return this.#nextTry();
    }
    this.#again = true;
    return this.#nextTry();
  }

  #nextTry(): number | null {
    const { clock, limits } = this.#options;
    // After as long again as it has been down: soon for one that comes up by itself, seldom for one whose cable is out.
    const awaited = [...this.#linkless.values()].map((sinceMs) => clock.nowMs() + Math.min(limits.deviceBackoffMaxMs, Math.max(limits.backoffMinMs, clock.nowMs() - sinceMs)));
    const due = [...[...this.#failed.values()].map(({ retryAtMs }) => retryAtMs), ...awaited];
    return due.length > 0 ? Math.min(...due) : null;
  }

  /** @param done in this look already; @returns whether something was done, so that another round is worth it */
  async #round(done: Set<string>): Promise<boolean> {
    const { observer, devices, clock, limits } = this.#options;
    const facts = await observer.observe();
    const seenAtMs = clock.nowMs();
    this.#unseen = { count: 0, why: '' };
    await devices.book([...learned(facts)].map(([identity, record]) => [identity, () => record] as const));
    const isFirst = this.#facts === null;
    this.#facts = facts;
    const pools = planPools(facts);
    const planned: Action[] = [...pools.actions, ...planHolds(facts)];
    const keys = new Set(planned.map(keyOf));
    for (const key of this.#failed.keys()) if (!keys.has(key)) this.#failed.delete(key);
    const linkless = new Set(pools.problems.filter(({ code }) => code === LINK_DOWN).map(({ identity }) => identity));
    for (const identity of this.#linkless.keys()) if (!linkless.has(identity)) this.#linkless.delete(identity);
    for (const identity of linkless) if (!this.#linkless.has(identity)) this.#linkless.set(identity, seenAtMs);
    const due = planned.filter((action) => (this.#failed.get(keyOf(action))?.retryAtMs ?? 0) <= clock.nowMs());
    if (due.length === 0) this.#applied = facts.wishes?.version ?? null;
    const isNew = this.#tell(facts, pools);
    if (isNew || isFirst || this.#seenWishes !== facts.wishes) this.#options.onChanged();
    this.#seenWishes = facts.wishes;
    if (this.#held || facts.wishes === null) return false;
    let any = false;
    const broken = new Set<string>();
    for (const action of due) {
      if (this.#stop.signal.aborted || !this.#options.hypervisor.isUp) return false;
      // What was seen is old by now: the rest is planned anew. One change at least, however slow the host is.
      if (any && clock.nowMs() - seenAtMs > limits.deviceFreshMs) return true;
      const of = 'pf' in action ? action.pf : action.identity;
      if (broken.has(of)) continue;
      if (await this.#try(action, done)) any = true;
      else broken.add(of); // the rest of it after another look
    }
    return any;
  }

  async #try(action: Action, done: Set<string>): Promise<boolean> {
    const { acts, clock, limits, random, logger } = this.#options;
    const key = keyOf(action);
    try {
      if (done.has(key)) throw new PciError('not-verified', null, `It was done (${action.does}), and looks as if it had not been.`);
      done.add(key);
      if ('poolId' in action) await acts.applyPool(action);
      else await acts.applyHold(action);
      // A failure of it is forgotten when it is not planned any more: done is only what looks so.
      agentMetrics.deviceActions.inc({ does: action.does, outcome: 'ok' });
      return true;
    } catch (error) {
      const { code, message } = error instanceof PciError ? error : { code: 'other', message: error instanceof Error ? error.message : String(error) };
      const count = (this.#failed.get(key)?.count ?? 0) + 1;
      const full = Math.min(limits.deviceBackoffMaxMs, limits.backoffMinMs * 2 ** Math.min(20, count - 1));
      this.#failed.set(key, {
        count, retryAtMs: clock.nowMs() + Math.round(full * (0.5 + random() / 2)), sentence: message,
        problem: 'poolId' in action ? { poolId: action.poolId, identity: action.identity, code, sentence: message } : null, unclean: 'poolId' in action ? null : action.identity,
      });
      agentMetrics.deviceActions.inc({ does: action.does, outcome: 'failed' });
      logger.warn({ ...action, err: error }, 'a device could not be changed');
      return false;
    }
  }

  #tell(facts: DeviceFacts, pools: PoolPlan): boolean {
    const { devices } = this.#options;
    const seen = [...facts.seen.devices.values()].map((device): HostDevice => {
      const record = devices.records.get(device.identity) ?? NO_RECORD;
      const pf = device.pf ? facts.seen.devices.get(device.pf.identity) : undefined;
      const notReady = pools.notReady.get(device.identity);
      const failed = [...this.#failed].find(([key]) => notReady !== undefined && key.includes(device.fn.address))?.[1];
      const unclean = [...this.#failed.values()].find(({ count, unclean: identity }) => identity === device.identity && count >= SAID_AFTER);
      const why = unclean ? `It could not be made clean yet, and is tried again: ${unclean.sentence}` : notReady === undefined ? waitsFor(device, facts) ?? undefined : failed?.sentence ?? notReady;
      return {
        identity: device.identity, ...lastSeenOf(device),
        condition: conditionOf(device, record, pf && { device: pf, record: devices.records.get(pf.identity) ?? NO_RECORD }) ?? portTrouble(device, facts) ?? (why === undefined ? null : { code: 'not-ready', sentence: why.slice(0, 500) }),
        usedBy: idOf(device.usedBy), cleanAt: cleanNow(record), dirty: record.dirty,
      };
    });
    const lost = unreadable(facts.seen, devices.records).map(({ identity, last, condition, usedBy }): HostDevice => {
      const record = devices.records.get(identity)!;
      return { identity, ...last, condition, usedBy: idOf(usedBy), cleanAt: cleanNow(record), dirty: record.dirty };
    });
    const failures = [...this.#failed.values()].flatMap(({ problem }) => problem ?? []);
    const problems = [...pools.problems, ...failures.filter((each, at) => failures.findIndex((other) => other.identity === each.identity && other.poolId === each.poolId) === at)];
    return this.#options.onSeen([...seen, ...lost], problems, this.#applied);
  }
}

const idOf = (domainId: string | null): InstanceId | null => (domainId === null ? null : (InstanceId.safeParse(domainId).data ?? null));

const keyOf = (action: Action): string => JSON.stringify('poolId' in action
  ? [action.does, action.identity, action.does === 'bind' ? action.address : action.does === 'set-vf' ? action.index : action.does === 'set-vfs' ? action.count : '']
  : [action.does, action.identity, action.generation]);
