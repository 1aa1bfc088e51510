import type { FastifyRequest } from 'fastify';

/** A host name, an IPv4 address or a bracketed IPv6 one, with or without a port. */
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/** What of a request the base of links is made from. */
export type LinkRequest = Pick<FastifyRequest, 'protocol' | 'host'> & { server: { publicUrl?: string | undefined } };

/**
 * The absolute base for links, without a slash at its end: the configured one, else as this client reached us
 * (forwarded headers count only from trusted proxies, which Fastify has checked already).
 */
export function publicUrl(request: LinkRequest): string {
  if (request.server.publicUrl !== undefined) return request.server.publicUrl;
  return `${request.protocol === 'https' ? 'https' : 'http'}://${HOST.test(request.host) ? request.host : 'localhost'}`;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Fixed base of links when the operator configured one. */
    publicUrl?: string | undefined;
  }
}
