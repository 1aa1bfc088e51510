/**
 * The one closed error union of Skylite.
 *
 * Owns: the kinds of failure that may cross a wall (bus, HTTP, ledger), with a public text for whoever asked and an
 * internal text for logs. Never maps to a status code or a body: edges do (libs/http, libs/messaging).
 */

/** Every kind of failure there is. Edges map each kind; adding one is a compile error until all edges know it. */
export const ERROR_KINDS = [
  'bad-request', // the input is wrong; the public text says what and what would be right
  'unauthorized', // who are you?
  'forbidden', // we know you, and no (policy)
  'over-quota', // allowed in principle, but a limit of the project is reached
  'not-found',
  'conflict', // the state of the thing forbids it now
  'too-large', // the input exceeds a size limit
  'too-many-requests',
  'not-acceptable', // an unsupported version was asked for
  'unsupported', // understood, and not offered here
  'stale', // an older generation, epoch or incarnation; never retried as it is
  'unavailable', // a part needed for the answer is not reachable; try again
  'timeout', // no answer within the deadline; the outcome is unknown
  'no-capacity', // placement found no host; details carry the explanation
  'internal', // a bug or an unforeseen failure; the public text says nothing but the request id
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

export interface SkyErrorOptions {
  /** For logs only: never sent to a client. */
  internal?: string;
  /** Machine-readable facts that may be shown (numbers, filter names). JSON-serializable. */
  details?: Record<string, unknown>;
  /** Seconds after which a retry makes sense (too-many-requests, unavailable). */
  retryAfterS?: number;
  cause?: unknown;
}

export class SkyError extends Error {
  readonly internal: string | undefined;
  readonly details: Record<string, unknown> | undefined;
  readonly retryAfterS: number | undefined;

  /** @param message the public text: what was wrong and what would be right. */
  constructor(readonly kind: ErrorKind, message: string, options: SkyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SkyError';
    this.internal = options.internal;
    this.details = options.details;
    this.retryAfterS = options.retryAfterS;
  }
}

/** What of an error travels over the bus. Internal text travels too: the bus is inside the walls; HTTP drops it. */
export interface WireError {
  kind: ErrorKind;
  message: string;
  internal?: string;
  details?: Record<string, unknown>;
  retryAfterS?: number;
}

export function toWireError(error: unknown): WireError {
  const sky = asSkyError(error);
  return {
    kind: sky.kind,
    message: sky.message,
    ...(sky.internal !== undefined && { internal: sky.internal }),
    ...(sky.details !== undefined && { details: sky.details }),
    ...(sky.retryAfterS !== undefined && { retryAfterS: sky.retryAfterS }),
  };
}

/** An unknown kind (from a newer sender) becomes `internal`, with its text kept for the log. */
export function fromWireError(wire: WireError): SkyError {
  const known = ERROR_KINDS.includes(wire.kind);
  return new SkyError(known ? wire.kind : 'internal', known ? wire.message : 'Unexpected failure.', {
    ...(known ? wire.internal !== undefined && { internal: wire.internal } : { internal: `${wire.kind}: ${wire.message}` }),
    ...(wire.details !== undefined && { details: wire.details }),
    ...(wire.retryAfterS !== undefined && { retryAfterS: wire.retryAfterS }),
  });
}

/**
 * Codes of system calls, PostgreSQL (class 08 connection, 57P01-03 shutting down or starting, 53300 too many
 * connections, 57014 statement deadline) and Prisma (P1001, P1002, P1008, P1017, P2024) that say "not now", not "wrong".
 */
const UNREACHABLE = /^(ECONN(REFUSED|RESET)|EPIPE|08\d{3}|57P0[123]|53300|57014|P1001|P1002|P1008|P1017|P2024)$/;

/** The same from node-postgres itself, which gives its own failures no code. */
const UNREACHABLE_TEXT = /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error)/;

/** Anything thrown, as one of ours; what is not ours is `internal` and keeps its stack as the cause. */
export function asSkyError(error: unknown): SkyError {
  if (error instanceof SkyError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  if ((typeof code === 'string' && UNREACHABLE.test(code)) || (error as { syscall?: unknown } | null)?.syscall === 'connect' || (code === undefined && error instanceof Error && UNREACHABLE_TEXT.test(error.message))) return new SkyError('unavailable', 'A part that is needed for the answer is not reachable now. Try again.', { internal: String(error), cause: error, retryAfterS: 1 });
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new SkyError('internal', 'Unexpected failure.', { internal: text, cause: error });
}

type Make = (message: string, options?: SkyErrorOptions) => SkyError;
const maker = (kind: ErrorKind): Make => (message, options) => new SkyError(kind, message, options);

export const badRequest = maker('bad-request');
export const unauthorized = maker('unauthorized');
export const forbidden = maker('forbidden');
export const overQuota = maker('over-quota');
export const notFound = maker('not-found');
export const conflict = maker('conflict');
export const tooLarge = maker('too-large');
export const unsupported = maker('unsupported');
export const stale = maker('stale');
export const unavailable = maker('unavailable');
export const timedOut = maker('timeout');
export const internalError: Make = (message, options) => new SkyError('internal', 'Unexpected failure.', { ...options, internal: message });
