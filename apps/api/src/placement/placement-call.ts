import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthenticatedRequest } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { badRequest, internalError, notFound } from '#libs/errors';
import { serviceOf } from '#libs/http';
import { negotiatePlacement, placementHeaders } from '#libs/openstack';
import { queryOf } from '../http/call.js';

/** One request to Placement: who asks, at 1.minor, and what. */
export interface PlacementCall { readonly caller: Caller; readonly minor: number; readonly query: URLSearchParams }

/** For the door's `onRequest`: settles the microversion of a request to Placement and echoes it on every answer. */
export function onPlacementRequest(request: FastifyRequest, reply: FastifyReply): void {
  if (serviceOf(request.raw.url ?? '') !== 'placement') return;
  const { minor, refusal } = negotiatePlacement(request.headers);
  void reply.headers(placementHeaders(minor, new Date()));
  if (refusal) throw refusal;
}

export const PlacementCallParam = createParamDecorator((_: unknown, context: ExecutionContext): PlacementCall => {
  const request = context.switchToHttp().getRequest<FastifyRequest & AuthenticatedRequest>();
  const { caller } = request;
  if (caller === undefined) throw internalError('PlacementCallParam on a route without a verified token');
  const { minor, refusal } = negotiatePlacement(request.headers);
  if (refusal) throw refusal;
  return { caller, minor, query: queryOf(request) };
});

/** A route that older microversions do not have looks to them as if it were not there. */
export function since(minor: number, first: number): void {
  if (minor < first) throw notFound('The resource could not be found.');
}

/** Refuses what a query says and nobody reads. */
export function onlyKnown(query: URLSearchParams, known: (name: string) => boolean): void {
  for (const name of query.keys()) if (!known(name)) throw badRequest(`Invalid query string parameters: '${name.slice(0, 64)}' is not known here, or not at this microversion.`, { details: { code: 'placement.query.bad_value' } });
}
