import type { FastifyReply, FastifyRequest } from 'fastify';
import { onPlacementRequest } from '../placement/placement-call.js';
import { onComputeRequest } from './call.js';

/** For the door's `onRequest`: each service settles its microversion before anything else. */
export function onApiRequest(request: FastifyRequest, reply: FastifyReply): void {
  onComputeRequest(request, reply);
  onPlacementRequest(request, reply);
}
