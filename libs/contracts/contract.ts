import type { z } from 'zod';

/**
 * A question that one process asks another over the bus: where it goes, what goes in, what comes back, how long it
 * may take. Schemas are plain `z.object`s: they drop unknown fields, so a newer sender is understood.
 */
export interface Contract<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  /** NATS subject; `{hostId}` stands for one host's id. */
  readonly subject: string;
  readonly input: I;
  readonly output: O;
  /** Milliseconds until the asker gives up; the remaining time travels in a header. */
  readonly timeoutMs: number;
  /**
   * The answer is long, is JSON as it stands, and nobody keeps it: between services of one process it is handed over as it is, not
   * copied. Neither side changes it.
   */
  readonly handedOver?: boolean;
}

/** A hint: may be lost, duplicated, reordered; nothing depends on it but speed. */
export interface Hint<P extends z.ZodType = z.ZodType> {
  readonly subject: string;
  readonly payload: P;
}

export const defineContract = <I extends z.ZodType, O extends z.ZodType>(contract: Contract<I, O>): Contract<I, O> => Object.freeze(contract);
export const defineHint = <P extends z.ZodType>(hint: Hint<P>): Hint<P> => Object.freeze(hint);

export type InputOf<C> = C extends Contract<infer I, z.ZodType> ? z.input<I> : never;
export type ReceivedBy<C> = C extends Contract<infer I, z.ZodType> ? z.output<I> : never;
export type OutputOf<C> = C extends Contract<z.ZodType, infer O> ? z.output<O> : never;

/** The subject with its host filled in. */
export const subjectFor = (subject: string, hostId?: string): string => (hostId === undefined ? subject : subject.replace('{hostId}', hostId));
