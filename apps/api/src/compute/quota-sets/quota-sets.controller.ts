import { Body, Delete, Get, HttpCode, Inject, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { enforce, Policy } from '#libs/auth';
import { getDefaultLimits, IdentityId, resetLimits, setLimits, type Caller } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { has, quotaSetChanged, quotaSetDetail, quotaSetView } from '#libs/openstack';
import { asking, CallParam, projectOf, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { many } from '../../http/input-types.js';
import { readBody, readQuery } from '../../http/read-input.js';
import { QuotaSet, QuotaSetDetail } from '../answers.js';
import { checkProject, projectLimits, projectUsage } from '../limits/project-limits.js';
import { refuseBelowUse, UpdateQuotaSet, wantedLimits } from './quota-sets.schema.js';

/** One user's share of a project's quotas is asked for by user_id: here users have none of their own, so it is the project's. */
const QuotaQuery = z.object({ user_id: many }).partial();

@ComputeController('os-quota-sets')
export class QuotaSetsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get(':projectOfQuota')
  @Policy('compute:quota-sets:get')
  @Describe({ summary: 'A project’s quotas', query: QuotaQuery, answers: { 200: QuotaSet } })
  async get(@CallParam() { caller, version, query }: Call, @Param('projectOfQuota') projectId: string) {
    readQuery(QuotaQuery, query, has(version, 'query.strict'));
    mayRead(caller, projectId);
    return quotaSetView(projectId, await projectLimits(this.bus, caller, projectId), version);
  }

  @Get(':projectOfQuota/detail')
  @Policy('compute:quota-sets:get')
  @Describe({ summary: 'A project’s quotas and what it uses of them', query: QuotaQuery, answers: { 200: QuotaSetDetail } })
  async detail(@CallParam() { caller, version, query }: Call, @Param('projectOfQuota') projectId: string) {
    readQuery(QuotaQuery, query, has(version, 'query.strict'));
    mayRead(caller, projectId);
    const [limits, usage] = await Promise.all([projectLimits(this.bus, caller, projectId), projectUsage(this.bus, caller, projectId)]);
    return quotaSetDetail(projectId, limits, usage, version);
  }

  @Get(':projectOfQuota/defaults')
  @Policy('compute:quota-sets:get')
  @Describe({ summary: 'The quotas of projects that have none of their own', answers: { 200: QuotaSet } })
  async defaults(@CallParam() { caller, version }: Call, @Param('projectOfQuota') projectId: string) {
    mayRead(caller, projectId);
    await checkProject(this.bus, caller, projectId);
    return quotaSetView(projectId, (await this.bus.ask(getDefaultLimits, {}, { requestId: caller.requestId })).limits, version);
  }

  @Put(':projectOfQuota')
  @Policy('compute:quota-sets:update')
  @Describe({ summary: 'Change a project’s quotas', query: QuotaQuery, body: UpdateQuotaSet, answers: { 200: QuotaSet } })
  async update(@CallParam() { caller, version, query }: Call, @Param('projectOfQuota') projectId: string, @Body() body: unknown) {
    const { quota_set: { force, ...asked } } = readBody(UpdateQuotaSet(version), body);
    if (readQuery(QuotaQuery, query, has(version, 'query.strict')).user_id !== undefined) throw badRequest('Users have no quotas of their own here: set their project’s.');
    const wanted = wantedLimits(asked);
    const [, usage] = await Promise.all([checkProject(this.bus, caller, projectId), force === true ? undefined : projectUsage(this.bus, caller, projectId)]);
    if (usage !== undefined) refuseBelowUse(wanted, usage);
    if (Object.keys(wanted).length > 0) await asking(this.bus, caller)(setLimits, { projectId, service: 'compute', limits: wanted });
    return quotaSetChanged(await projectLimits(this.bus, caller, projectId), version);
  }

  /** A user's own quotas are never there, so they are gone as asked. */
  @Delete(':projectOfQuota')
  @HttpCode(202)
  @Policy('compute:quota-sets:delete')
  @Describe({ summary: 'Give a project the default quotas again', query: QuotaQuery, answers: { 202: null } })
  async reset(@CallParam() { caller, version, query }: Call, @Param('projectOfQuota') projectId: string): Promise<void> {
    if (readQuery(QuotaQuery, query, has(version, 'query.strict')).user_id !== undefined) return;
    if (IdentityId.safeParse(projectId).success) await asking(this.bus, caller)(resetLimits, { projectId, service: 'compute' });
  }
}

function mayRead(caller: Caller, projectId: string): void {
  if (projectId !== projectOf(caller)) enforce('compute:quota-sets:get-any', caller);
}
