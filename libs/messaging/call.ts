import type { z } from 'zod';
import type { Contract } from '#libs/contracts';
import { internalError, timedOut, badRequest } from '#libs/errors';
import type { BusContext } from './bus.js';

/** What both buses do around a handler: check what comes in, bound the time, check what goes out. */
export interface Incoming { body: unknown; hostId: string | undefined; requestId: string | undefined; remainingMs: number; unbounded?: boolean }

export type AnyHandler = (input: never, context: BusContext) => Promise<unknown>;

/** Runs a handler under the asker's deadline. Throws SkyError only. */
export async function answer(contract: Contract, handler: AnyHandler, incoming: Incoming): Promise<unknown> {
  const input = contract.input.safeParse(incoming.body);
  if (!input.success) throw badRequest(`Malformed message for ${contract.subject}: ${describe(input.error)}`);
  const end = performance.now() + incoming.remainingMs;
  const aborter = new AbortController();
  const context: BusContext = {
    hostId: incoming.hostId,
    requestId: incoming.requestId,
    unbounded: incoming.unbounded === true,
    signal: aborter.signal,
    remainingMs: () => Math.max(0, end - performance.now()),
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = timedOut(`No answer to ${contract.subject} in time.`);
      aborter.abort(error);
      reject(error);
    }, incoming.remainingMs);
  });
  try {
    const result = await Promise.race([handler(input.data as never, context), late]);
    const output = contract.output.safeParse(result);
    if (!output.success) throw internalError(`${contract.subject} answered out of contract: ${describe(output.error)}`);
    return output.data;
  } finally {
    clearTimeout(timer);
  }
}

/** Checks an asker's own input before it leaves. */
export function checkInput(contract: Contract, input: unknown): unknown {
  const checked = contract.input.safeParse(input);
  if (!checked.success) throw internalError(`${contract.subject} asked out of contract: ${describe(checked.error)}`);
  return checked.data;
}

export const describe = (error: z.ZodError): string =>
  error.issues.slice(0, 3).map((issue) => `${issue.path.join('.') || '(body)'}: ${issue.message}`).join('; ');
