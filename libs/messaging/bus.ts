import type { Contract, Hint, InputOf, OutputOf, ReceivedBy } from '#libs/contracts';
import type { z } from 'zod';

/** What a handler knows of the message beside its body. */
export interface BusContext {
  /** The host's id, taken from the subject (`host.<id>.…`); undefined for services' subjects. */
  readonly hostId: string | undefined;
  /** `req-<uuid>` of the HTTP request that started it all, when there was one. */
  readonly requestId: string | undefined;
  /** The answer stays in this process (a contract's `handedOver`): no message limits its length. */
  readonly unbounded?: boolean;
  /** Aborted when the asker's deadline has passed: work for a lost asker stops. */
  readonly signal: AbortSignal;
  /** Milliseconds that the asker still waits. */
  remainingMs(): number;
}

export interface AskOptions {
  /** Fills `{hostId}`. */
  hostId?: string;
  /** Shortens the contract's timeout. */
  timeoutMs?: number;
  requestId?: string;
}

/** A handler that was registered; stop() ends it and resolves when its running calls have ended. */
export interface Subscription { stop(): Promise<void> }

/**
 * Questions and hints. Two implementations behave alike (one contract suite): NATS, and in memory.
 * ask() throws SkyError only: the handler's own, `timeout` when none came, `unavailable` when nobody listens or the bus is down.
 */
export interface Bus {
  ask<C extends Contract>(contract: C, input: InputOf<C>, options?: AskOptions): Promise<OutputOf<C>>;
  /** Fire and forget; never throws for a bus that is down. */
  hint<P extends z.ZodType>(hint: Hint<P>, payload: z.input<P>, options?: { hostId?: string }): void;
  /**
   * Answers a contract. Services share the work (queue group named by `group`). For `{hostId}` subjects the handler
   * hears every host unless `hostId` names one.
   */
  handle<C extends Contract>(contract: C, handler: (input: ReceivedBy<C>, context: BusContext) => Promise<OutputOf<C>>, options: { group: string; hostId?: string }): Subscription;
  /** Hears a hint. With `group`, one of the group hears it; without, everyone does. */
  onHint<P extends z.ZodType>(hint: Hint<P>, listener: (payload: z.output<P>, context: { hostId: string | undefined }) => void, options?: { hostId?: string; group?: string }): Subscription;
  /** Connected right now? (Health, and "count deadlines only while reachable".) */
  readonly connected: boolean;
  onConnection(listener: (connected: boolean) => void): void;
  close(): Promise<void>;
}
