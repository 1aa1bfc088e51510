import { Get, Inject, Param } from '@nestjs/common';
import { z } from 'zod';
import { enforce, Policy } from '#libs/auth';
import { getDefaultLimits, type Caller } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { has, quotaSetDetail, quotaSetView } from '#libs/openstack';
import { CallParam, projectOf, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { many } from '../../http/input-types.js';
import { readQuery } from '../../http/read-input.js';
import { QuotaSet, QuotaSetDetail } from '../answers.js';
import { checkProject, projectLimits, projectUsage } from '../limits/project-limits.js';

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
}

function mayRead(caller: Caller, projectId: string): void {
  if (projectId !== projectOf(caller)) enforce('compute:quota-sets:get-any', caller);
}
