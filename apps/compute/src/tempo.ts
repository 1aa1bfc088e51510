import { LIMITS } from './limits.js';

/** The loop's times: what an operator (or a test) may set. Milliseconds; limits.ts has the defaults and their reasons. */
export interface Tempo {
  loopPollMs: number; leaseMs: number; waitTickMs: number; nudgeAfterMs: number; deleteTickMaxMs: number; retryMinMs: number; retryMaxMs: number;
  claimDeadlineMs: number; buildDeadlineMs: number; operateDeadlineMs: number; powerOffGraceMs: number; hostFreshMs: number; sessionFreshMs: number;
  /** A console ticket that nobody uses is good for this long. */
  consoleTicketTtlMs: number;
}

/** Injection token of the app's Tempo. */
export const TEMPO = Symbol('TEMPO');

export const tempoOf = (config: Partial<Tempo> = {}): Tempo => ({
  loopPollMs: LIMITS.loopPollMs, leaseMs: LIMITS.leaseMs, waitTickMs: LIMITS.waitTickMs, nudgeAfterMs: LIMITS.nudgeAfterMs, deleteTickMaxMs: LIMITS.deleteTickMaxMs,
  retryMinMs: LIMITS.retryMinMs, retryMaxMs: LIMITS.retryMaxMs, claimDeadlineMs: LIMITS.claimDeadlineMs, buildDeadlineMs: LIMITS.buildDeadlineMs,
  operateDeadlineMs: LIMITS.operateDeadlineMs, powerOffGraceMs: LIMITS.powerOffGraceMs, hostFreshMs: LIMITS.hostFreshMs,
  sessionFreshMs: LIMITS.sessionFreshMs, consoleTicketTtlMs: LIMITS.consoleTicketTtlMs, ...config,
});
