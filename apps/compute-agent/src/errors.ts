import type { Retry } from './decide/backoff.js';

/**
 * Why a step failed, in words for whoever asked for the server.
 * `retry`: counted (tries are limited), free (something else was unreachable; tries are not counted), never (it cannot
 * succeed by itself).
 */
export class StepError extends Error {
  constructor(readonly code: string, message: string, readonly retry: Retry, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StepError';
  }
}

/** The agent cannot go on; the process ends with this code and one line. */
export class FatalError extends Error {
  constructor(message: string, readonly exitCode: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FatalError';
  }
}

export const EXIT = { failure: 1, usage: 2, sessionRefused: 3 } as const;
