import { Get, Inject, Param } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { getDefaultLimits } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { quotaClassView } from '#libs/openstack';
import { CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { QuotaClassSet } from '../answers.js';

@ComputeController('os-quota-class-sets')
export class QuotaClassSetsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  /** Whatever class is asked for: there is one, the default. */
  @Get(':class')
  @Policy('compute:quota-class-sets:get')
  @Describe({ summary: 'The quotas of projects that have none of their own', answers: { 200: QuotaClassSet } })
  async get(@CallParam() { caller, version }: Call, @Param('class') name: string) {
    return quotaClassView(name, (await this.bus.ask(getDefaultLimits, {}, { requestId: caller.requestId })).limits, version);
  }
}
