import { randomUUID } from 'node:crypto';

const REQUEST_ID = /^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Every request gets an id of its own, as with Nova: a repeat is told from another request by it, and a client that follows a
 * whole order through several services sends one id with all of its requests.
 */
export const newRequestId = (): string => `req-${randomUUID()}`;

/** The id that the client follows its requests by, when it sent a proper one: for logs. */
export const clientRequestIdOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && REQUEST_ID.test(header) ? header : undefined;
