/**
 * The host loop: looks at the whole host, plans each instance, lets chains act, says what it saw.
 *
 * Why a loop and not commands: whatever was missed, repeated or half done, the next look starts from what is.
 * Owns: when to look. Never acts while the hypervisor does not answer; never touches a domain that the ledger does not
 * know: it is named as an orphan. A crash loses nothing but time: the ledger and the host itself hold everything.
 */
import type { DriftEntry, ObservedInstance } from '#libs/contracts';
import type { Logger } from '#libs/observability';
import { jittered, type Clock } from '../clock.js';
import { driftOf, strangers } from '../decide/drift.js';
import { NO_CPU_SETS, NO_FILES, type InstanceFacts, type ObservedFiles, type Step, type World } from '../decide/facts.js';
import { underLease, underSilence } from '../decide/lease.js';
import { observationOf, planInstance, tidied, type InstancePlan } from '../decide/plan.js';
import { builtOf, isActive } from '../decide/state.js';
import { configDriveDigest } from '../files/config-drive.js';
import type { Machine, Observation } from '../hypervisor/hypervisor.js';
import type { Limits } from '../limits.js';
import { agentMetrics } from '../metrics.js';
import { Chains } from './chains.js';
import { DriftMemory } from './drift-memory.js';
import type { Lease } from './lease.js';
import type { Ledger } from './ledger.js';

export interface Orphan { readonly uuid: string; readonly name: string }

export interface HostReconcilerOptions {
  readonly ledger: Ledger;
  readonly machine: Machine;
  readonly bootId: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Limits;
  /** May guests be started now? */
  readonly lease: Pick<Lease, 'mayStart'>;
  readonly around?: (step: Step, id: string, run: () => Promise<void>) => Promise<void>;
  /** What is to be said of one instance now. */
  onSeen(observed: ObservedInstance): void;
  onOrphans(orphans: readonly Orphan[]): void;
  /** What differs, as a whole, at each look. */
  onDrift(drift: readonly DriftEntry[]): void;
  /** A chain of steps begins to work on an instance. */
  onActing?(id: string): void;
  /** After each look. */
  onLooked(): void;
}

interface Last { readonly facts: InstanceFacts; readonly plan: InstancePlan }

export class HostReconciler {
  readonly #options: HostReconcilerOptions;
  readonly #chains: Chains;
  readonly #last = new Map<string, Last>();
  /** Whose chain ended while a look was under way: what that look saw of them is of mixed age. */
  #endedMeanwhile = new Set<string>();
  readonly #drift: DriftMemory;
  #looking: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  /** Until somebody lets it act, it only looks and says. */
  #held = true;
  #cancelTimer: (() => void) | undefined;
  #lookMs = 0;
  #wasUp: boolean | undefined;
  #cpus = NO_CPU_SETS;

  constructor(options: HostReconcilerOptions) {
    this.#options = options;
    this.#drift = new DriftMemory(() => options.clock.wallMs());
    this.#chains = new Chains({
      ...options,
      onStep: (id, step) => this.#say(id, step),
      onEnd: (id) => {
        this.#endedMeanwhile.add(id);
        this.wake();
      },
    });
    options.machine.hypervisor.onChange(() => this.wake());
  }

  /** Something may have changed: look soon. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#look(0);
  }

  /** From now on it acts. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.wake();
  }

  /** The control plane's word changed for these. */
  desiredChanged(ids: readonly string[]): void {
    for (const id of ids) {
      const entry = this.#options.ledger.entries.get(id);
      if (entry) this.#chains.breakOff(id, entry.desired.generation);
    }
    this.wake();
  }

  /** For `inspect`: the last facts and plan. */
  last(id: string): Last | undefined { return this.#last.get(id); }

  /** Nothing of this instance was left when last looked, and nobody works on it. */
  isProvedAbsent = (id: string): boolean => !this.#chains.has(id) && this.#last.get(id)?.plan.state === 'absent';

  /** Neither a domain nor a file of it was there when last looked, and nobody works on it. */
  isNothingThere(id: string): boolean {
    const facts = this.#last.get(id)?.facts;
    return this.#options.machine.hypervisor.isUp && !this.#chains.has(id) && facts?.domain === null && !facts.files.any;
  }

  /** Generation of the disk of a guest that is off and that nobody works on; null otherwise. */
  restingDisk(id: string): number | null {
    const last = this.#last.get(id);
    if (!last || !this.#options.machine.hypervisor.isUp || this.#chains.has(id) || last.plan.steps.length > 0) return null;
    const { facts } = last;
    const built = builtOf(facts);
    return built !== null && facts.domain !== null && !isActive(facts) && facts.files.disks.includes(built.diskGeneration) ? built.diskGeneration : null;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#chains.stop();
    await this.#looking;
  }

  #look(delayMs: number): void {
    this.#cancelTimer?.();
    this.#again = false;
    const { clock, logger } = this.#options;
    this.#looking = (async () => {
      await new Promise<void>((resolve) => { clock.after(delayMs, resolve); });
      if (this.#stopped) return;
      this.#again = false;
      const began = clock.nowMs();
      const wakeAtMs = await this.#lookOnce().catch((error: unknown) => {
        logger.warn({ err: error }, 'the host could not be looked at; nothing is done');
        return null;
      });
      this.#lookMs = clock.nowMs() - began;
      this.#sleep(wakeAtMs);
    })().finally(() => {
      this.#looking = undefined;
      // A pause as long as the look: a stream of events takes at most half of a core.
      if (this.#again && !this.#stopped) this.#look(Math.min(this.#lookMs, this.#options.limits.tickPauseMaxMs));
    });
  }

  #sleep(wakeAtMs: number | null): void {
    if (this.#stopped) return;
    const { clock, random, limits } = this.#options;
    const regular = jittered(limits.tickEveryMs, limits.jitter, random());
    const wait = wakeAtMs === null ? regular : Math.min(regular, Math.max(1, wakeAtMs - clock.nowMs()));
    this.#cancelTimer = clock.after(wait, () => this.wake());
  }

  /** @returns when to look again at the latest, by the boot clock; null: no earlier than usual */
  async #lookOnce(): Promise<number | null> {
    const { machine, ledger } = this.#options;
    this.#sayUpOrDown();
    if (!machine.hypervisor.isUp) return null;
    this.#endedMeanwhile = new Set();
    const stopTimer = agentMetrics.tickSeconds.startTimer();
    const [observation, files] = await Promise.all([machine.hypervisor.observe(new Set(ledger.entries.keys())), machine.files.list()]);
    if (!machine.hypervisor.isUp || this.#stopped) return null;
    this.#cpus = observation.cpus;
    let wakeAtMs: number | null = null;
    for (const id of this.#last.keys()) if (!ledger.entries.has(id)) this.#last.delete(id);
    for (const [id, entry] of ledger.entries) {
      if (this.#chains.has(id) || this.#endedMeanwhile.has(id)) continue; // the chain's end wakes us again
      const devices = machine.devices?.readiness(entry.desired);
      const facts: InstanceFacts = { ...(devices && { devices }), desired: entry.desired, listed: entry.listed, progress: entry.progress, domain: observation.domains.get(id) ?? null, files: files.get(id) ?? NO_FILES, configDrive: configDriveDigest(entry.desired) };
      const due = this.#settle(id, facts);
      if (due !== null) wakeAtMs = Math.min(wakeAtMs ?? due, due);
    }
    this.#sayOrphans(observation);
    this.#sayDrift(observation, files);
    stopTimer();
    this.#options.onLooked();
    return wakeAtMs;
  }

  #settle(id: string, facts: InstanceFacts): number | null {
    const { ledger } = this.#options;
    const world = this.#world();
    const plan = underSilence(facts, underLease(facts, planInstance(facts, world), this.#options.lease.mayStart), world.reportOnly || !facts.listed);
    this.#last.set(id, { facts, plan });
    const progress = tidied(facts, plan, world);
    // Waited for by nobody: if it is lost, it is tidied again.
    if (progress !== facts.progress) void ledger.book(id, () => progress).catch(() => undefined);
    this.#options.onSeen(observationOf(facts, plan));
    if (plan.steps.length > 0 && !this.#held) {
      this.#options.onActing?.(id);
      this.#chains.start(id, facts.desired.generation, plan.steps);
    }
    return plan.wakeAtMs;
  }

  #world(): World {
    const { clock, bootId, ledger, limits } = this.#options;
    return { nowMs: clock.nowMs(), bootId, reportOnly: ledger.host.reportOnly, powerOffMs: limits.powerOffMs, pressAgainMs: limits.pressAgainMs, cpus: this.#cpus };
  }

  #say(id: string, step: Step): void {
    const last = this.#last.get(id);
    if (last) this.#options.onSeen({ ...observationOf(last.facts, last.plan), doing: step });
  }

  #sayOrphans({ domains }: Observation): void {
    const { ledger } = this.#options;
    this.#options.onOrphans([...domains.values()].filter(({ id, notes }) => notes !== null && !ledger.entries.has(id)).map(({ id, name }) => ({ uuid: id, name })));
  }

  #sayDrift({ domains }: Observation, files: ReadonlyMap<string, ObservedFiles>): void {
    const { ledger } = this.#options;
    const ours = [...domains.values()].filter(({ notes }) => notes !== null);
    const world = this.#world();
    // Whoever is being worked on is between two states, which is no drift.
    const watched = [...this.#last].filter(([id]) => !this.#chains.has(id));
    this.#options.onDrift(this.#drift.date([...watched.flatMap(([, { facts, plan }]) => driftOf(facts, plan, world)), ...strangers(ledger.entries, ours, files.keys())]));
  }

  #sayUpOrDown(): void {
    const up = this.#options.machine.hypervisor.isUp;
    const justBegun = !up && this.#wasUp === undefined;
    if (justBegun) this.#wasUp = true; // told at the next look, if it is still so
    if (justBegun || up === this.#wasUp) return;
    if (up) this.#options.logger.info('the hypervisor answers');
    else this.#options.logger.warn('the hypervisor does not answer: nothing is known of its domains, so nothing is done');
    this.#wasUp = up;
  }
}
