import { Controller, Get, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy, TokenParam, TokenVerifier, type VerifiedToken } from '#libs/auth';
import type { Caller, Change } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { projectOf, queryOf } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { last, readQuery } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';
import { EventsQuery } from '../v1.schema.js';
import { ChangeFeed } from './change-feed.js';
import { EventStream } from './event-stream.js';
import { OpenStreams } from './open-streams.js';
import { readPlace } from './place.js';

/** What changes, as it changes: that it did, not how it is now; for that there is the API. */
@Controller('v1/events')
export class EventsController {
  constructor(private readonly feed: ChangeFeed, private readonly streams: OpenStreams, private readonly verifier: TokenVerifier) {}

  @Get()
  @Policy('skylite:events:list')
  @Describe({ summary: 'Changes as server-sent events, in the order of commits; go on with Last-Event-ID', query: EventsQuery, answers: { 200: null } })
  listen(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const asked = readQuery(EventsQuery, queryOf(request));
    const project = last(asked.project);
    if (!caller.isAdmin && project !== undefined && project !== caller.projectId) enforce('skylite:events:list-all', caller);
    const only = project ?? (caller.isAdmin ? undefined : projectOf(caller));
    const kinds = asked.kind?.flatMap((text) => text.split(',')).filter((text) => text !== '');
    const wants = (change: Change): boolean => (only === undefined || change.projectId === only)
      && (kinds === undefined || kinds.some((kind) => kind === change.kind || kind === `${change.kind}.${change.what}`));
    const header = request.headers['last-event-id'];
    const from = typeof header === 'string' && header.trim() !== '' ? readPlace(header) : undefined;
    if (typeof header === 'string' && header.trim() !== '' && from === undefined) throw badRequest('Last-Event-ID is no id of this stream: leave it out to begin now.');
    const lifeMs = Math.min(LIMITS.streamLifeMs, Math.max(0, token.claims.expiresAt * 1000 - Date.now()));
    const ended = this.streams.open(caller.projectId ?? `user:${caller.userId}`);
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no', connection: 'close', 'x-openstack-request-id': request.id });
    new EventStream(raw, this.feed, { wants, from, lifeMs, mayGoOn: () => this.verifier.isGood(token) }).start(ended);
  }
}
