import { rmSync, writeFileSync } from 'node:fs';
import type { Logger } from '#libs/observability';
import { EXIT, FatalError } from '../errors.js';

/** Ends the process on SIGTERM or SIGINT, or for good on a fatal error, after `stop` (which leaves guests alone). */
export function untilStopped(logger: Logger, stop: () => Promise<void>): { fatal: (error: FatalError) => void; ended: Promise<number> } {
  let end!: (code: number) => void;
  const asked = new Promise<number>((resolve) => { end = resolve; });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(0));
  const ended = asked.then(async (code) => {
    await Promise.race([stop(), new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())]);
    return code;
  });
  return {
    ended,
    fatal: (error) => {
      logger.error(error.message);
      end(error.exitCode);
    },
  };
}

/** Steps under way may end; whoever stops us does not wait much longer. */
const STOP_MS = 8_000;

/** Tells whoever started us that we serve. */
export function writeReadyFile(path: string | undefined, content: Record<string, unknown>): void {
  if (path !== undefined) writeFileSync(path, `${JSON.stringify({ pid: process.pid, ...content })}\n`, { mode: 0o600 });
}

export function removeReadyFile(path: string | undefined): void {
  if (path !== undefined) rmSync(path, { force: true });
}

/** One line for the operator, and the exit code. */
export function describeFailure(error: unknown): { line: string; code: number } {
  if (error instanceof FatalError) return { line: error.message, code: error.exitCode };
  if (error instanceof Error && error.name === 'ConfigError') return { line: error.message, code: EXIT.usage };
  return { line: error instanceof Error ? (error.stack ?? error.message) : String(error), code: EXIT.failure };
}
