/**
 * Finishes fences, phase by phase.
 *
 * Why a loop: a fence spans two services and perhaps a power switch, and any of them may die in between. Each phase is one
 * repeatable effect followed by one transaction here. The order keeps it safe: first nobody gets the host's feed any more
 * (compute), then the epoch rises (here); a fence that stops in between has taken rights away and given none.
 * Never decides that a host shall be fenced. A crash anywhere: the step is taken up again after a while, by any replica.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { hostFenced, readmitHost } from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import { Periodic } from '../periodic.js';
import { PowerSwitches } from '../power/power-switches.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { FencesRepository, type FenceRow } from './fences.repository.js';

@Injectable()
export class FenceReconciler implements OnModuleInit, OnApplicationShutdown {
  readonly #poll: Periodic;

  constructor(
    private readonly fences: FencesRepository, private readonly power: PowerSwitches, private readonly snapshot: Snapshot,
    @Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.#poll = new Periodic('fences', LIMITS.fencePollMs, () => this.#round(), logger);
  }

  onModuleInit(): void { this.#poll.start(LIMITS.fencePollMs); }
  async onApplicationShutdown(): Promise<void> { await this.#poll.stop(); }

  wake(): void { this.#poll.wake(); }

  async #round(): Promise<void> {
    const due = await this.fences.take(16);
    await Promise.all(due.map((fence) => this.#step(fence)));
    if (due.length > 0) {
      this.snapshot.wake();
      this.#poll.wake();
    }
  }

  async #step(fence: FenceRow): Promise<void> {
    try {
      await this.#take(fence);
    } catch (error) {
      const { message, internal } = asSkyError(error);
      const text = internal === undefined ? message : `${message} (${internal})`;
      this.logger.warn({ err: error, hostId: fence.host_id, phase: fence.phase }, 'a fence could not go on');
      if (fence.phase === 'power-off' && fence.attempts >= LIMITS.powerAttempts) await this.fences.failed(fence, `the power could not be cut: ${text}`);
      else await this.fences.postpone(fence, text);
    }
  }

  async #take(fence: FenceRow): Promise<void> {
    const hostId = fence.host_id as never;
    switch (fence.phase) {
      case 'power-off': {
        const proof = await this.power.powerOff(fence.host_id, AbortSignal.timeout(LIMITS.powerMs));
        return this.fences.powerIsOff(fence, proof.text);
      }
      case 'tell':
        await this.bus.ask(hostFenced, { hostId, epoch: fence.epoch, telling: fence.told });
        return this.fences.raised(fence);
      case 'readmit':
        await this.bus.ask(readmitHost, { hostId, epoch: fence.epoch });
        return this.fences.readmitted(fence);
      case 'done': case 'over': case 'failed': return undefined;
    }
  }
}
