import { Get, Inject, Param } from '@nestjs/common';
import { enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { quotaSetDetail, quotaSetView } from '#libs/openstack';
import { CallParam, projectOf, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { QuotaSet, QuotaSetDetail } from '../answers.js';
import { projectLimits, projectUsage } from '../limits/project-limits.js';

@ComputeController('os-quota-sets')
export class QuotaSetsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get(':projectOfQuota')
  @Policy('compute:quota-sets:get')
  @Describe({ summary: 'A project’s quotas', answers: { 200: QuotaSet } })
  async get(@CallParam() { caller, version }: Call, @Param('projectOfQuota') projectId: string) {
    mayRead(caller, projectId);
    return quotaSetView(projectId, await projectLimits(this.bus, caller, projectId), version);
  }

  @Get(':projectOfQuota/detail')
  @Policy('compute:quota-sets:get')
  @Describe({ summary: 'A project’s quotas and what it uses of them', answers: { 200: QuotaSetDetail } })
  async detail(@CallParam() { caller, version }: Call, @Param('projectOfQuota') projectId: string) {
    mayRead(caller, projectId);
    const [limits, usage] = await Promise.all([projectLimits(this.bus, caller, projectId), projectUsage(this.bus, caller, projectId)]);
    return quotaSetDetail(projectId, limits, usage, version);
  }
}

function mayRead(caller: Caller, projectId: string): void {
  if (projectId !== projectOf(caller)) enforce('compute:quota-sets:get-any', caller);
}
