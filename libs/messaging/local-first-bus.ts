import type { z } from 'zod';
import type { Contract, Hint, InputOf, OutputOf, ReceivedBy } from '#libs/contracts';
import type { AskOptions, Bus, BusContext, Subscription } from './bus.js';
import { InMemoryBus } from './memory-bus.js';

/**
 * The launcher's bus: what is answered in this process is asked directly (through the same checks; through JSON too but for long answers), all else
 * goes to NATS. Services therefore go on talking to each other while NATS is away.
 */
export class LocalFirstBus implements Bus {
  readonly #local = new InMemoryBus({ handsOver: true });
  constructor(private readonly remote: Bus) {}

  get connected(): boolean { return this.remote.connected; }
  onConnection(listener: (connected: boolean) => void): void { this.remote.onConnection(listener); }

  async ask<C extends Contract>(contract: C, input: InputOf<C>, options: AskOptions = {}): Promise<OutputOf<C>> {
    return this.#local.answers(contract, options.hostId) ? this.#local.ask(contract, input, options) : this.remote.ask(contract, input, options);
  }

  hint<P extends z.ZodType>(hint: Hint<P>, payload: z.input<P>, options: { hostId?: string } = {}): void {
    this.remote.hint(hint, payload, options);
  }

  handle<C extends Contract>(contract: C, handler: (input: ReceivedBy<C>, context: BusContext) => Promise<OutputOf<C>>, options: { group: string; hostId?: string }): Subscription {
    const here = this.#local.handle(contract, handler, options);
    const there = this.remote.handle(contract, handler, options);
    return { stop: async () => { await Promise.all([here.stop(), there.stop()]); } };
  }

  onHint<P extends z.ZodType>(hint: Hint<P>, listener: (payload: z.output<P>, context: { hostId: string | undefined }) => void, options: { hostId?: string; group?: string } = {}): Subscription {
    return this.remote.onHint(hint, listener, options);
  }

  async close(): Promise<void> {
    await this.#local.close();
    await this.remote.close();
  }
}
