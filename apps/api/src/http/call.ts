import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthenticatedRequest, Login } from '#libs/auth';
import type { Caller, Contract, InputOf, OutputOf } from '#libs/contracts';
import { badRequest, forbidden, internalError } from '#libs/errors';
import { idsOf, publicUrl, serviceOf, type Ids } from '#libs/http';
import type { Bus } from '#libs/messaging';
import { computeLinks, negotiate, versionHeaders, type LinkBase, type Microversion, type Negotiated } from '#libs/openstack';

/** One compute request: who asks, at which microversion, how its links begin, and its query. */
export interface Call {
  readonly caller: Caller;
  readonly version: Microversion;
  readonly links: LinkBase;
  readonly query: URLSearchParams;
  /** Base of every URL of this door as this client reaches it, without a slash at its end. */
  readonly publicUrl: string;
  /** When the token of this request ends. */
  readonly sessionEndsAt: string;
  /** That token, for whoever has to ask later whether it is still good. */
  readonly login: Login | undefined;
  /** What this request makes ids and other random things with: the same again when it repeats under its Idempotency-Key. */
  readonly ids: Ids;
}

const negotiated = new WeakMap<object, Negotiated>();

function negotiatedOf(request: FastifyRequest): Negotiated {
  const known = negotiated.get(request.raw);
  if (known !== undefined) return known;
  const result = negotiate(request.headers);
  negotiated.set(request.raw, result);
  return result;
}

/** The versioned part of the compute API; its root lists versions and has none itself. */
const VERSIONED = /^\/+compute\/+v2\.1(?:[/?]|$)/;

/**
 * For the door's `onRequest`: settles the microversion of a compute request before anything else and echoes it on
 * every answer, refusals and unknown paths included. Other paths are none of its business.
 */
export function onComputeRequest(request: FastifyRequest, reply: FastifyReply): void {
  const url = request.raw.url ?? '';
  if (serviceOf(url) !== 'compute' || !VERSIONED.test(url)) return;
  const { refusal, echo } = negotiatedOf(request);
  void reply.headers(versionHeaders(echo));
  if (refusal) throw refusal;
}

export function queryOf(request: FastifyRequest): URLSearchParams {
  const url = request.raw.url ?? '';
  const mark = url.indexOf('?');
  return new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1));
}

/** Base of this request's links; keeps the project id in the path for clients that put one there. */
export const linksOf = (request: FastifyRequest): LinkBase => computeLinks(publicUrl(request), (request.params as { projectId?: string }).projectId);

export const CallParam = createParamDecorator((_: unknown, context: ExecutionContext): Call => {
  const request = context.switchToHttp().getRequest<FastifyRequest & AuthenticatedRequest>();
  const { caller } = request;
  if (caller === undefined) throw internalError('CallParam on a route without a verified token');
  const { version, refusal } = negotiatedOf(request);
  if (refusal) throw refusal;
  const { projectId } = request.params as { projectId?: string };
  if (projectId !== undefined && projectId !== caller.projectId) {
    throw badRequest(`Malformed request URL: URL's project_id '${projectId}' doesn't match Context's project_id '${caller.projectId ?? 'None'}'`);
  }
  return { caller, version, links: linksOf(request), query: queryOf(request), publicUrl: publicUrl(request), sessionEndsAt: new Date((request.token?.claims.expiresAt ?? 0) * 1000).toISOString(), login: request.token, ids: idsOf(request) };
});

/** The project a caller acts in. Policies ask for one; a route whose policy does not must not come here. */
export function projectOf(caller: Caller): string {
  if (caller.projectId === null) throw forbidden('This request needs a token that is scoped to a project.');
  return caller.projectId;
}

/** Asks a service on behalf of a caller; the request's id travels along. */
export const asking = (bus: Bus, caller: Caller) =>
  <C extends Contract>(contract: C, input: Omit<InputOf<C>, 'caller'>): Promise<OutputOf<C>> =>
    bus.ask(contract, { ...input, caller } as InputOf<C>, { requestId: caller.requestId });
