import type { z } from 'zod';
import { subjectFor, type Contract, type Hint, type InputOf, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { asSkyError, fromWireError, SkyError, timedOut, toWireError, unavailable } from '#libs/errors';
import type { AskOptions, Bus, BusContext, Subscription } from './bus.js';
import { answer, checkInput, type AnyHandler } from './call.js';

interface Handler { contract: Contract; run: AnyHandler; hostId: string | undefined; running: Set<Promise<unknown>> }
interface Listener { heard: (payload: unknown, context: { hostId: string | undefined }) => void; hostId: string | undefined; group: string | undefined }

/**
 * The bus within one process: tests and the launcher's own services. Messages pass through JSON as they would on the
 * wire, so nothing that works here fails there; the launcher spares itself that for answers that say so (`handedOver`).
 * Handlers of one group take turns.
 */
export class InMemoryBus implements Bus {
  readonly #handlers = new Map<string, Handler[]>();
  readonly #listeners = new Map<string, Listener[]>();
  readonly #watchers = new Set<(connected: boolean) => void>();
  readonly #underWay = new Set<(error: SkyError) => void>();
  readonly #handsOver: boolean;
  #turn = 0;
  #connected = true;

  constructor({ handsOver = false }: { handsOver?: boolean } = {}) { this.#handsOver = handsOver; }

  get connected(): boolean { return this.#connected; }

  /** For tests: behaves as a bus that lost its server. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
    if (!connected) for (const fail of [...this.#underWay]) fail(unavailable('The connection to the message bus was lost.'));
    for (const watcher of this.#watchers) watcher(connected);
  }

  onConnection(listener: (connected: boolean) => void): void { this.#watchers.add(listener); }

  /** Is anybody here to answer this? (The launcher's bus asks before it goes to NATS.) */
  answers(contract: Contract, hostId?: string): boolean { return this.#pick(contract, hostId) !== undefined; }

  async ask<C extends Contract>(contract: C, input: InputOf<C>, options: AskOptions = {}): Promise<OutputOf<C>> {
    if (!this.#connected) throw unavailable('The message bus is not connected.');
    const body: unknown = JSON.parse(JSON.stringify(checkInput(contract, input)));
    const handler = this.#pick(contract, options.hostId);
    if (!handler) throw unavailable(`Nobody answers ${subjectFor(contract.subject, options.hostId)} now.`);
    const remainingMs = Math.min(contract.timeoutMs, options.timeoutMs ?? contract.timeoutMs);
    if (remainingMs <= 0) throw timedOut(`No time left to ask ${contract.subject}.`);
    const unbounded = this.#handsOver && contract.handedOver === true;
    const call = answer(contract, handler.run, { body, hostId: options.hostId, requestId: options.requestId, remainingMs, unbounded });
    handler.running.add(call);
    let cutOff: ((error: SkyError) => void) | undefined;
    const lost = new Promise<never>((_, reject) => { cutOff = reject; this.#underWay.add(reject); });
    try {
      const answered = await Promise.race([call, lost]);
      return (unbounded ? answered : JSON.parse(JSON.stringify(answered))) as OutputOf<C>;
    } catch (error) {
      throw error instanceof SkyError ? fromWireError(toWireError(error)) : asSkyError(error);
    } finally {
      if (cutOff) this.#underWay.delete(cutOff);
      call.then(() => undefined, () => undefined).finally(() => handler.running.delete(call));
    }
  }

  hint<P extends z.ZodType>(hint: Hint<P>, payload: z.input<P>, options: { hostId?: string } = {}): void {
    if (!this.#connected) return;
    const text = JSON.stringify(payload);
    queueMicrotask(() => {
      const all = (this.#listeners.get(hint.subject) ?? []).filter((listener) => listener.hostId === undefined || listener.hostId === options.hostId);
      const chosen = new Map<string, Listener>();
      for (const listener of all) {
        if (listener.group === undefined) listener.heard(JSON.parse(text), { hostId: options.hostId });
        else if (!chosen.has(listener.group)) chosen.set(listener.group, listener);
      }
      for (const listener of chosen.values()) listener.heard(JSON.parse(text), { hostId: options.hostId });
    });
  }

  handle<C extends Contract>(contract: C, handler: (input: ReceivedBy<C>, context: BusContext) => Promise<OutputOf<C>>, options: { group: string; hostId?: string }): Subscription {
    const entry: Handler = { contract, run: handler as AnyHandler, hostId: options.hostId, running: new Set() };
    const list = this.#handlers.get(contract.subject) ?? [];
    this.#handlers.set(contract.subject, [...list, entry]);
    return {
      stop: async () => {
        this.#handlers.set(contract.subject, (this.#handlers.get(contract.subject) ?? []).filter((other) => other !== entry));
        await Promise.allSettled(entry.running);
      },
    };
  }

  onHint<P extends z.ZodType>(hint: Hint<P>, listener: (payload: z.output<P>, context: { hostId: string | undefined }) => void, options: { hostId?: string; group?: string } = {}): Subscription {
    const entry: Listener = {
      heard: (payload, context) => {
        const checked = hint.payload.safeParse(payload);
        if (checked.success) listener(checked.data, context);
      },
      hostId: options.hostId, group: options.group,
    };
    this.#listeners.set(hint.subject, [...(this.#listeners.get(hint.subject) ?? []), entry]);
    return {
      stop: async () => {
        this.#listeners.set(hint.subject, (this.#listeners.get(hint.subject) ?? []).filter((other) => other !== entry));
      },
    };
  }

  async close(): Promise<void> {
    this.setConnected(false);
    this.#handlers.clear();
    this.#listeners.clear();
  }

  #pick(contract: Contract, hostId: string | undefined): Handler | undefined {
    const all = this.#handlers.get(contract.subject) ?? [];
    const named = all.filter((handler) => handler.hostId !== undefined && handler.hostId === hostId);
    const able = named.length > 0 ? named : all.filter((handler) => handler.hostId === undefined);
    this.#turn += 1;
    return able[this.#turn % Math.max(1, able.length)];
  }
}
