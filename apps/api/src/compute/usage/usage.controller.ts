import { Get, Inject, Param } from '@nestjs/common';
import { z } from 'zod';
import { enforce, Policy } from '#libs/auth';
import { listServerUsages, type ServerUsage } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { has, nextLinks, noUsage, projectUsages, type UsagePeriod } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { many, nonNegative } from '../../http/input-types.js';
import { pagingOf, type Paging } from '../../http/paging.js';
import { readQuery, versioned } from '../../http/read-input.js';
import { UsageAnswer, UsageList } from '../answers.js';
import { periodOf } from './period.js';

const period = { start: many, end: many };
const paged = { limit: nonNegative, marker: many };
const ShowQuery = versioned((version) => z.object({ ...period, ...(has(version, 'usage.paging') && paged) }).partial());
const ListQuery = versioned((version) => z.object({ ...period, detailed: many, ...(has(version, 'usage.paging') && paged) }).partial());
type Asked = Readonly<Partial<Record<'start' | 'end' | 'detailed' | 'limit' | 'marker', string[] | undefined>>>;

/** What projects used in a period: of their servers, also of those that are gone by now. */
@ComputeController('os-simple-tenant-usage')
export class UsageController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:usage:get-any')
  @Describe({ summary: 'What all projects used in a period', query: ListQuery, answers: { 200: UsageList } })
  async list(@CallParam() call: Call) {
    const asked = readQuery(ListQuery(call.version), call.query, has(call.version, 'query.strict')) as Asked;
    const { servers, when, page } = await this.read(call, null, asked);
    const links = has(call.version, 'usage.paging') ? nextLinks(call.links, 'os-simple-tenant-usage', page, servers.map(({ id }) => id)) : undefined;
    return { tenant_usages: projectUsages(servers, when, asked.detailed?.[0] === '1'), ...(links && { tenant_usages_links: links }) };
  }

  @Get(':projectOfUsage')
  @Policy('compute:usage:get')
  @Describe({ summary: 'What a project used in a period, server by server', query: ShowQuery, answers: { 200: UsageAnswer } })
  async get(@CallParam() call: Call, @Param('projectOfUsage') projectId: string) {
    if (projectId !== call.caller.projectId) enforce('compute:usage:get-any', call.caller);
    const { servers, when, page } = await this.read(call, projectId, readQuery(ShowQuery(call.version), call.query, has(call.version, 'query.strict')) as Asked);
    const links = has(call.version, 'usage.paging') ? nextLinks(call.links, `os-simple-tenant-usage/${encodeURIComponent(projectId)}`, page, servers.map(({ id }) => id)) : undefined;
    return { tenant_usage: projectUsages(servers, when, true)[0] ?? noUsage(projectId, when), ...(links && { tenant_usage_links: links }) };
  }

  private async read({ caller, version, query }: Call, projectId: string | null, asked: Asked): Promise<{ servers: ServerUsage[]; when: UsagePeriod; page: Paging }> {
    const when = periodOf(asked.start?.[0], asked.end?.[0], Date.now());
    const page = pagingOf(query, has(version, 'usage.paging') ? asked : {});
    // No id of a server is longer.
    if (page.marker !== undefined && page.marker.length > 64) throw badRequest(`marker [${page.marker.slice(0, 64)}] not found`);
    const { usages } = page.limit === 0 ? { usages: [] } : await asking(this.bus, caller)(listServerUsages, {
      projectId, from: new Date(when.fromMs).toISOString(), to: new Date(when.toMs).toISOString(), limit: page.limit, ...(page.marker !== undefined && { marker: page.marker }),
    });
    return { servers: usages, when, page };
  }
}
