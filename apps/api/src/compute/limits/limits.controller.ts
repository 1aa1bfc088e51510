import { Get, Inject } from '@nestjs/common';
import { z } from 'zod';
import { enforce, Policy } from '#libs/auth';
import { BUS, type Bus } from '#libs/messaging';
import { has, limitsView } from '#libs/openstack';
import { CallParam, projectOf, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { many } from '../../http/input-types.js';
import { last, readQuery } from '../../http/read-input.js';
import { LimitsAnswer } from '../answers.js';
import { projectLimits, projectUsage } from './project-limits.js';

const LimitsQuery = z.object({ tenant_id: many }).partial();

@ComputeController('limits')
export class LimitsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:limits:get')
  @Describe({ summary: 'A project’s limits and what it uses of them', query: LimitsQuery, answers: { 200: LimitsAnswer } })
  async get(@CallParam() { caller, version, query }: Call) {
    const own = projectOf(caller);
    const projectId = last(readQuery(LimitsQuery, query, has(version, 'query.strict')).tenant_id) ?? own;
    if (projectId !== own) enforce('compute:limits:get-any', caller);
    const [limits, usage] = await Promise.all([projectLimits(this.bus, caller, projectId), projectUsage(this.bus, caller, projectId)]);
    return limitsView(limits, usage, version);
  }
}
