/**
 * The instance loop: moves one instance, step by step, towards what is wanted.
 *
 * Owns: loading facts, asking decide/next-step.ts, performing the step, and what happens when a step cannot be performed:
 * something out of reach delays and says so, it never makes an ERROR. Never decides by itself.
 * If it crashes anywhere, the lease ends and the next pass decides anew from what is stored.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { asSkyError, type SkyError } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { Reconciler } from '#libs/reconcile';
import { HostDirectory } from '../hosts/host-directory.js';
import { LIMITS } from '../limits.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import type { InstanceRow } from '../instances/instance-row.js';
import type { PassFacts } from './decide/facts.js';
import { nextStep, type Step } from './decide/next-step.js';
import { factsOf } from './facts-of-row.js';
import { LifecycleRepository } from './lifecycle.repository.js';
import { LoopBell } from './loop-bell.js';
import { performAttachmentStep } from './steps/attachment.steps.js';
import { claimHostStep, renewClaimStep } from './steps/claim-host.step.js';
import { finishDeleteStep } from './steps/finish-delete.step.js';
import { handToHostStep } from './steps/hand-to-host.step.js';
import { leaveHostStep } from './steps/leave-host.step.js';
import { performMoveStep } from './steps/move.steps.js';
import { releaseClaimStep } from './steps/release-claim.step.js';
import { acceptPowerOffStep, failStep, restStep, settleStep } from './steps/settle.step.js';
import { ends, type StepResult, type StepTools } from './steps/step.js';
import { lookAtHostStep, waitHostStep } from './steps/wait-host.step.js';
import { unassignStep, withdrawStep } from './steps/withdraw.step.js';

/** Out of reach: waiting does not count towards any deadline. */
const OUT_OF_REACH: ReadonlySet<string> = new Set(['unavailable', 'timeout', 'too-many-requests']);

@Injectable()
export class InstanceReconciler implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #loop: Reconciler;
  readonly #tools: StepTools;

  constructor(
    private readonly instances: InstancesRepository, private readonly source: LifecycleRepository, hosts: HostDirectory,
    private readonly bell: LoopBell, @Inject(BUS) bus: Bus, @Inject(LOGGER) private readonly logger: Logger, @Inject(TEMPO) private readonly tempo: Tempo,
  ) {
    this.#tools = { instances, hosts, departures: source.departures, moves: source.moves, groups: source.groups, bus, tempo, reachable: () => bus.connected && source.reachable };
    this.#loop = new Reconciler({
      name: 'instances', owner: bell.owner, source, concurrency: LIMITS.loopConcurrency, pollMs: tempo.loopPollMs, leaseMs: tempo.leaseMs,
      reconcile: (id, signal) => this.pass(id, signal),
      onError: (error, id) => logger.warn({ err: error, instance: id }, 'instance loop: a pass failed and will be repeated'),
    });
  }

  onApplicationBootstrap(): void {
    this.bell.listen((id) => this.#loop.wake(id), () => this.#loop.waiting);
    this.#loop.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.#loop.stop();
    await this.source.releaseAll(this.bell.owner).catch((error: unknown) => this.logger.info({ err: error }, 'leases could not be given back; they end by themselves'));
  }

  /** One pass over one instance: as many steps as can be taken now. */
  async pass(id: string, signal: AbortSignal): Promise<void> {
    let row = this.bell.takeRow(id) ?? await this.instances.find(id);
    let now: PassFacts = {};
    for (let steps = 0; row !== undefined && steps < LIMITS.stepsPerPass && !signal.aborted; steps += 1) {
      const step = nextStep(factsOf(row, now), this.tempo);
      let result: StepResult;
      try {
        result = await this.#perform(step, row);
        if (typeof result === 'object' && 'postponed' in result) result = await this.#postpone(result.row, step, result.postponed);
      } catch (error) {
        result = await this.#postpone(row, step, asSkyError(error));
      }
      if (result === 'done') return;
      if (result === 'lost') {
        row = await this.instances.find(id);
        now = {};
      } else if ('row' in result) {
        row = result.row;
        now = {};
      } else {
        now = { ...now, ...result.learned };
      }
    }
    // Out of steps (others change it all the time) or stopping: come again at once, whoever does.
    if (row !== undefined) await this.instances.change(id, row.version, { release: true, reconcileInMs: 0, quiet: true });
  }

  #perform(step: Step, row: InstanceRow): Promise<StepResult> {
    const tools = this.#tools;
    switch (step.do) {
      case 'claim-host': return claimHostStep(tools, row);
      case 'renew-claim': return renewClaimStep(tools, row);
      case 'hand-to-host': return handToHostStep(tools, row, step.claim);
      case 'look-at-host': return lookAtHostStep(tools, row);
      case 'wait-host': return waitHostStep(tools, row, step);
      case 'leave-host': return leaveHostStep(tools, row);
      case 'withdraw': return withdrawStep(tools, row);
      case 'release-claim': return releaseClaimStep(tools, row);
      case 'unassign': return unassignStep(tools, row);
      case 'finish-delete': return finishDeleteStep(tools, row);
      case 'accept-power-off': return acceptPowerOffStep(tools, row, step.crashed);
      case 'settle': return settleStep(tools, row);
      case 'fail': return failStep(tools, row, step.fault);
      case 'rest': return restStep(tools, row);
      case 'claim-devices': case 'note-attached': case 'take-back': case 'release-devices': return performAttachmentStep(tools, row, step);
      default: return performMoveStep(tools, row, step);
    }
  }

  /** A step that could not be performed is tried again, later and later. Only answers that were errors wind the clock. */
  async #postpone(row: InstanceRow, step: Step, error: SkyError): Promise<StepResult> {
    const outOfReach = OUT_OF_REACH.has(error.kind) || isDatabaseAway(error);
    const againMs = Math.min(this.tempo.retryMaxMs, this.tempo.retryMinMs * 2 ** Math.min(row.attempts, 10));
    const text = `${step.do}: ${error.message}${error.internal === undefined ? '' : ` (${error.internal})`}`;
    if (!outOfReach) this.logger.warn({ err: error, instance: row.id, step: step.do }, 'a step of an instance failed');
    return ends(await this.instances.change(row.id, row.version, {
      set: { attempts: row.attempts + 1, last_error: text, waiting_for: `${outOfReach ? 'what is out of reach now' : 'another try'} (${text})` },
      wind: { atMostMs: outOfReach ? 0 : this.tempo.retryMaxMs + this.tempo.loopPollMs },
      reconcileInMs: againMs, release: true, quiet: true,
      // Each reason is told once, however often it is tried.
      ...(row.last_error !== text && { events: [{ kind: 'wait', message: `${outOfReach ? 'for what is out of reach' : 'for another try'}: ${error.message}`, detail: text }] }),
    }));
  }
}

/** PostgreSQL's classes 08 (connection), 53 (resources), 57 (operator), and sockets that break. */
const isDatabaseAway = ({ cause }: SkyError): boolean => {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && /^(?:08|53|57)|^E[A-Z]+$/.test(code);
};
