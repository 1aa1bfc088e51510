import type { FastifyRequest } from 'fastify';
import type { Caller } from '#libs/contracts';

/** A request that was refused because of who asked. */
export interface Refusal {
  /** forbidden: known, and not allowed; unauthorized: no good token. */
  kind: 'forbidden' | 'unauthorized';
  caller: Caller | undefined;
  address: string;
  requestId: string;
}

const refusals = new WeakMap<object, Refusal['kind']>();

export const noteRefusal = (request: FastifyRequest, kind: Refusal['kind']): void => { refusals.set(request.raw, kind); };

/** A request without any token that wants one says nothing about anybody, and is none; a secret that opens nothing (a host's that joins) is. */
export function refusalOf(request: FastifyRequest): Refusal | undefined {
  const kind = refusals.get(request.raw);
  const { caller } = request as { caller?: Caller };
  if (kind === undefined || (kind === 'unauthorized' && caller === undefined && request.headers['x-auth-token'] === undefined)) return undefined;
  return { kind, caller, address: request.ip, requestId: request.id };
}
