import { Body, Get, Inject, Param, Put } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { getDefaultLimits, setDefaultLimits } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { quotaClassView } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { readBody } from '../../http/read-input.js';
import { QuotaClassSet } from '../answers.js';
import { UpdateQuotaClassSet, wantedLimits } from '../quota-sets/quota-sets.schema.js';

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

  /** Defaults are everybody's who was given nothing else: no other class has members. */
  @Put(':class')
  @Policy('compute:quota-class-sets:update')
  @Describe({ summary: 'Change the quotas of projects that have none of their own', body: UpdateQuotaClassSet, answers: { 200: QuotaClassSet } })
  async update(@CallParam() { caller, version }: Call, @Param('class') name: string, @Body() body: unknown) {
    const wanted = wantedLimits(readBody(UpdateQuotaClassSet(version), body).quota_class_set);
    if (name !== 'default') throw badRequest(`There is no quota class '${name.slice(0, 255)}': the one class is 'default'.`);
    if (Object.keys(wanted).length > 0) await asking(this.bus, caller)(setDefaultLimits, { service: 'compute', limits: wanted });
    return quotaClassView(undefined, (await this.bus.ask(getDefaultLimits, {}, { requestId: caller.requestId })).limits, version);
  }
}
