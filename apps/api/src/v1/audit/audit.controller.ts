import { Readable } from 'node:stream';
import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CallerParam, Policy, TokenParam, TokenVerifier, type VerifiedToken } from '#libs/auth';
import { listAuditRecords, type AuditFilters, type Caller } from '#libs/contracts';
import { ZodQuery } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { LIMITS } from '../../limits.js';
import { OpenStreams } from '../events/open-streams.js';
import { AuditAnswer, AuditQuery } from './audit.schema.js';
import { auditLines } from './audit-lines.js';

/** Who did what, on what, from where, with what outcome, in which request: in all services. */
@Controller('v1/audit')
export class AuditController {
  constructor(@Inject(BUS) private readonly bus: Bus, private readonly streams: OpenStreams, private readonly verifier: TokenVerifier) {}

  @Get()
  @Policy('skylite:audit:list')
  @Describe({ summary: 'The audit trail, page by page, or all of it as JSON lines (format=jsonl)', answers: { 200: AuditAnswer } })
  async list(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @ZodQuery(AuditQuery) query: AuditQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    const ask = asking(this.bus, caller);
    const page = (marker: string | undefined, limit: number) => ask(listAuditRecords, { filters: filtersOf(query), order: query.order, limit, ...(marker !== undefined && { marker }) });
    if (query.format === 'json') return page(query.marker, query.limit);
    // The first page is asked for before anything is answered: what is wrong with the question is said as it is everywhere.
    const first = await page(query.marker, LIMITS.auditPage);
    const ended = this.streams.open(caller.projectId ?? `user:${caller.userId}`);
    void reply.header('content-type', 'application/jsonl; charset=utf-8').header('cache-control', 'no-store');
    return Readable.from(auditLines(first, (marker) => page(marker, LIMITS.auditPage), () => this.verifier.isGood(token))).once('close', ended);
  }
}

function filtersOf({ user, project, domain, service, action, outcome, kind, target, address, request, since, before }: AuditQuery): AuditFilters {
  const all = { user, projectId: project, domainId: domain, service, action, outcome, targetKind: kind, targetId: target, address, requestId: request, since, before };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as AuditFilters;
}
