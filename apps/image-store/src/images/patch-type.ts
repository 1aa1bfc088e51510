import type { FastifyRequest } from 'fastify';
import { HttpError } from '#libs/http';

const TYPE = /^application\/openstack-images-v2\.[01]-json-patch(?:\s*;|$)/i;

/** Plain JSON would be ambiguous: a client that means to replace the image must not patch it. */
export function patchOnly(request: Pick<FastifyRequest, 'headers'>): void {
  if (!TYPE.test(request.headers['content-type'] ?? '')) {
    throw new HttpError(415, 'Unsupported Content-Type; send application/openstack-images-v2.1-json-patch.', { 'accept-patch': 'application/openstack-images-v2.1-json-patch, application/openstack-images-v2.0-json-patch' });
  }
}
