import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { throwError, type Observable } from 'rxjs';
import { asSkyError, SkyError, unavailable } from '#libs/errors';

/** The error's code: PostgreSQL's own (five characters) or the system's. */
export const codeOf = (error: unknown): string | undefined => (error as { code?: string } | null)?.code;

/** Deadlock, serialization failure: nothing was done and the same statement may work now. */
export const isRetryable = (error: unknown): boolean => codeOf(error) === '40P01' || codeOf(error) === '40001';

/** Connection trouble (08), out of resources (53), shut down or cancelled (57), no socket: it is not the statement's fault. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof SkyError) return error.kind === 'unavailable';
  const code = codeOf(error);
  if (code !== undefined) return /^(08|53|57)...$/.test(code) || /^E(CONN|PIPE|NOENT|HOST|NET|TIMEDOUT)/.test(code);
  // The client's own errors carry no code: "Connection terminated unexpectedly", "timeout exceeded when trying to connect".
  return error instanceof Error && error.constructor === Error && /connect/i.test(error.message);
}

/** What an asker is told: come back when the database is away, else the failure is ours. */
export function databaseError(error: unknown): SkyError {
  if (error instanceof SkyError || !isDatabaseAway(error)) return asSkyError(error);
  return unavailable('The scheduler cannot reach its database.', { internal: String(error), retryAfterS: 1, cause: error });
}

/** For controllers whose handlers go straight to the database. */
@Catch()
export class DatabaseErrorFilter implements RpcExceptionFilter {
  catch(exception: unknown): Observable<never> {
    return throwError(() => databaseError(exception));
  }
}
