/**
 * Asks hosts whether commands reach them, by the very way commands take: bus, the agent's event loop, its hypervisor. A
 * routine question each quarter of a minute, at once and again when a host falls silent. Owns when to ask; what the
 * answers mean is decided in decide/condition.ts. Never counts a question that was asked or ended while we were deaf.
 * A crash here loses counts only.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { hostEcho } from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import { LIMITS } from '../limits.js';
import { Periodic } from '../periodic.js';
import { Liveness, type Beat } from './liveness.js';

@Injectable()
export class Echo implements OnModuleInit, OnApplicationShutdown {
  readonly #ticks: Periodic;
  readonly #tickMs: number;
  readonly #running = new Set<Promise<void>>();
  #lastTick = performance.now();

  constructor(private readonly liveness: Liveness, @Inject(BUS) private readonly bus: Bus, @Inject(CONFIG) config: SchedulerConfig, @Inject(LOGGER) logger: Logger) {
    this.#tickMs = Math.min(LIMITS.echoTickMs, config.aliveTimeoutMs / 8);
    this.#ticks = new Periodic('echo', this.#tickMs, async () => this.#tick(), logger);
  }

  onModuleInit(): void {
    this.#ticks.start(this.#tickMs);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#ticks.stop();
    await Promise.allSettled(this.#running);
  }

  #tick(): void {
    const real = performance.now();
    const late = real - this.#lastTick - this.#tickMs;
    this.#lastTick = real;
    if (late > LIMITS.stallMs) this.liveness.stoodStill(late);
    this.liveness.watchForMassSilence();
    if (!this.bus.connected || this.liveness.clock.deaf) return;
    const now = this.liveness.clock.now();
    const { suspectMs, aliveTimeoutMs } = this.liveness.patience;
    for (const [hostId, beat] of this.liveness.beats) {
      if (this.#running.size >= LIMITS.echoesAtOnce) return;
      if (!beat.echoes || beat.asking || beat.bootId === null) continue;
      const silent = now - beat.heardAt;
      if (silent > suspectMs) this.liveness.look(hostId, beat);
      // A suspicion does not wait for the routine; who is lost already is asked by the routine only, should its beats be what is broken.
      const suspect = silent > suspectMs && silent <= aliveTimeoutMs && beat.unanswered === 0;
      if (!suspect && now < beat.echoAt) continue;
      const asked = this.#ask(hostId, beat, silent > suspectMs).finally(() => this.#running.delete(asked));
      this.#running.add(asked);
    }
  }

  async #ask(hostId: string, beat: Beat, suspect: boolean): Promise<void> {
    const { clock } = this.liveness;
    const { bootId } = beat;
    beat.asking = true;
    // Should the answer never be judged, it is asked again by the routine.
    beat.echoAt = clock.now() + LIMITS.echoEveryMs * (0.8 + 0.4 * Math.random());
    const [beganReal, beganHeard] = [performance.now(), clock.now()];
    try {
      // Who is silent has shown already that it is slow.
      const answer = await this.bus.ask(hostEcho, {}, { hostId, ...(suspect && { timeoutMs: LIMITS.echoSuspectMs }) });
      if (this.liveness.beats.get(hostId) !== beat || answer.bootId !== bootId) return;
      [beat.unanswered, beat.unansweredWhy] = [0, null];
      this.liveness.heard(hostId, answer.bootId, answer.hypervisorUp);
    } catch (error) {
      const { kind, message } = asSkyError(error);
      // Deaf for any of that time (the clocks differ then), or the bus went away: it was us.
      const heardAll = performance.now() - beganReal - (clock.now() - beganHeard) < 50;
      if (!this.bus.connected || !heardAll || (kind !== 'unavailable' && kind !== 'timeout')) return;
      beat.unanswered += 1;
      beat.unansweredWhy = message;
      beat.echoAt = clock.now() + (beat.unanswered <= LIMITS.echoesWhenHeard ? LIMITS.echoAgainMs : LIMITS.echoEveryMs / 3);
      this.liveness.tell(hostId, beat);
    } finally {
      beat.asking = false;
    }
  }
}
