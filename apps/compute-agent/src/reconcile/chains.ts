/**
 * Runs the steps that plans ask for: one chain an instance at a time, bounded over the host; what takes long is bounded apart, so that
 * it holds up no other guest.
 *
 * Owns: who is being worked on, breaking off, booking failures. Never plans. A crash leaves the step half done, which the
 * next plan sees.
 */
import type { Logger } from '#libs/observability';
import { ACTIONS } from '../actions/actions.js';
import type { Clock } from '../clock.js';
import { judgeFailure, type BackoffRules } from '../decide/backoff.js';
import type { Step } from '../decide/facts.js';
import { StepError } from '../errors.js';
import type { Machine } from '../hypervisor/hypervisor.js';
import type { Limits } from '../limits.js';
import { agentMetrics } from '../metrics.js';
import { Slots } from '../parallel.js';
import type { Ledger } from './ledger.js';

export interface ChainsOptions {
  readonly ledger: Ledger;
  readonly machine: Machine;
  readonly bootId: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Pick<Limits, 'chains' | 'memoryChains' | 'copyChains' | 'attempts' | 'backoffMinMs' | 'backoffMaxMs' | 'detachAgainMs' | 'detachAgainMaxMs'>;
  /** May guests be started now? */
  readonly lease: { readonly mayStart: boolean };
  /** Tests stop the world here. */
  readonly around?: (step: Step, id: string, run: () => Promise<void>) => Promise<void>;
  onStep(id: string, step: Step): void;
  onEnd(id: string): void;
}

/** Bytes of images and disks; and devices, which may wait for a writer that hangs. */
const COPIES: ReadonlySet<Step> = new Set<Step>(['fetch-image', 'receive-disk', 'keep-disk', 'prepare-devices', 'attach-device']);

interface Chain { readonly generation: number; readonly abort: AbortController; readonly done: Promise<void> }

export class Chains {
  readonly #options: ChainsOptions;
  readonly #running = new Map<string, Chain>();
  readonly #short: Slots;
  readonly #memory: Slots;
  readonly #copy: Slots;

  constructor(options: ChainsOptions) {
    this.#options = options;
    this.#short = new Slots(options.limits.chains);
    this.#memory = new Slots(options.limits.memoryChains);
    this.#copy = new Slots(options.limits.copyChains);
  }

  has(id: string): boolean { return this.#running.has(id); }

  start(id: string, generation: number, steps: readonly Step[]): void {
    if (this.#running.has(id)) return;
    const abort = new AbortController();
    const done = this.#run(id, generation, steps, abort.signal)
      .catch((error: unknown) => {
        if (!abort.signal.aborted) this.#options.logger.error({ instance: id, err: error }, 'a chain of actions ended unexpectedly');
      })
      .finally(() => {
        this.#running.delete(id);
        this.#options.onEnd(id);
      });
    this.#running.set(id, { generation, abort, done });
  }

  /** The intent has changed: what can be broken off is, the rest ends after its step. */
  breakOff(id: string, generation: number): void {
    const chain = this.#running.get(id);
    if (chain && chain.generation !== generation) chain.abort.abort(new Error('the intent has changed'));
  }

  /** Breaks everything off and waits for the steps under way. */
  async stop(): Promise<void> {
    for (const chain of this.#running.values()) chain.abort.abort(new Error('the agent stops'));
    await Promise.allSettled([...this.#running.values()].map((chain) => chain.done));
  }

  async #run(id: string, generation: number, steps: readonly Step[], signal: AbortSignal): Promise<void> {
    const wakes = steps.includes('book-wake');
    let held: Slots | undefined;
    try {
      for (const step of steps) {
        const slots = await this.#slotsOf(id, step, wakes);
        if (slots !== held) {
          held?.give();
          held = undefined;
          await slots.take(signal);
          held = slots;
        }
        const entry = this.#options.ledger.entries.get(id);
        if (signal.aborted || entry?.desired.generation !== generation || this.#options.ledger.host.reportOnly) return;
        // The plan had a lease; waiting for its turn, or an image, may have taken longer than that lasts.
        if (step === 'start' && !this.#options.lease.mayStart) return;
        this.#options.onStep(id, step);
        if (!(await this.#step(id, generation, step, signal))) return;
      }
    } finally {
      held?.give();
    }
  }

  async #slotsOf(id: string, step: Step, wakes: boolean): Promise<Slots> {
    if (step === 'save' || (step === 'start' && wakes)) return this.#memory;
    // An image that is here already is no bytes to wait for.
    const desired = step === 'fetch-image' ? this.#options.ledger.entries.get(id)?.desired : undefined;
    if (desired !== undefined && (await this.#options.machine.files.hasImage?.(desired).catch(() => false)) === true) return this.#short;
    return COPIES.has(step) ? this.#copy : this.#short;
  }

  /** @returns whether the chain may go on */
  async #step(id: string, generation: number, step: Step, signal: AbortSignal): Promise<boolean> {
    const { ledger, machine, bootId, clock, logger } = this.#options;
    const action = ACTIONS[step];
    const deadline = AbortSignal.timeout(action.timeoutMs);
    const began = clock.nowMs();
    const run = (): Promise<void> => action.run({
      desired: ledger.entries.get(id)!.desired, machine, bootId, epoch: ledger.host.epoch,
      signal: action.interruptible ? AbortSignal.any([signal, deadline]) : deadline,
      nowMs: clock.nowMs, wallMs: clock.wallMs,
      progress: () => ledger.entries.get(id)!.progress,
      book: (change) => ledger.book(id, change),
      judge: (before, deviceStep, of, error) => judgeFailure(before, { generation: of, step: deviceStep, ...explain(deviceStep, error) }, this.#now(), this.#rulesOf(deviceStep), deviceStep === 'attach-device'),
    });
    try {
      await (this.#options.around ? this.#options.around(step, id, run) : run());
      agentMetrics.actions.inc({ step, outcome: 'ok' });
      agentMetrics.actionSeconds.observe({ step }, (clock.nowMs() - began) / 1000);
      logger.info({ instance: id, step, ms: clock.nowMs() - began }, 'done');
      return true;
    } catch (error) {
      if (action.interruptible && signal.aborted) {
        agentMetrics.actions.inc({ step, outcome: 'broken-off' });
        return false;
      }
      agentMetrics.actions.inc({ step, outcome: 'failed' });
      await this.#fail(id, generation, step, deadline.aborted ? new StepError('timeout', `${step} did not end within ${action.timeoutMs} ms.`, 'counted', { cause: error }) : error);
      return false;
    }
  }

  #now(): { nowMs: number; bootId: string; random: number } {
    const { bootId, clock, random } = this.#options;
    return { nowMs: clock.nowMs(), bootId, random: random() };
  }

  /** A guest is asked again and again; it may answer late. */
  #rulesOf(step: Step): BackoffRules {
    const { limits } = this.#options;
    return step === 'detach-device' ? { ...limits, backoffMinMs: limits.detachAgainMs, backoffMaxMs: limits.detachAgainMaxMs } : limits;
  }

  async #fail(id: string, generation: number, step: Step, error: unknown): Promise<void> {
    const { limits, logger, ledger } = this.#options;
    const { code, message, retry } = explain(step, error);
    await ledger.book(id, (progress) => {
      const failure = judgeFailure(progress.failure, { generation, step, code, message, retry }, this.#now(), limits);
      logger.warn({ instance: id, step, code, attempts: failure.attempts, final: failure.final, err: error }, message);
      return { ...progress, failure };
    }).catch(() => undefined); // in memory it stands; the disk's trouble has been told
  }
}

/** Words for whoever asked for the server; paths and stacks stay in this host's log. */
function explain(step: Step, error: unknown): Pick<StepError, 'code' | 'message' | 'retry'> {
  if (error instanceof StepError) return { code: error.code, message: error.message, retry: error.retry };
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') return { code: 'no-space', message: `The host has no disk space left for ${step}.`, retry: 'counted' };
  return { code: 'host-error', message: `The host could not do ${step}${typeof code === 'string' ? ` (${code})` : ''}.`, retry: 'counted' };
}
