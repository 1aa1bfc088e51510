import { randomUUID } from 'node:crypto';

const REQUEST_ID = /^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const isRequestId = (text: unknown): text is string => typeof text === 'string' && REQUEST_ID.test(text);

/** The caller's own id when it is a proper one, so that a request can be followed across services; else a new one. */
export function requestIdOf(header: string | string[] | undefined): string {
  return isRequestId(header) ? header : `req-${randomUUID()}`;
}
