import { Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import type { z } from 'zod';
import { allows, CallerParam, Policy } from '#libs/auth';
import { askCapacity, askFit, getPlacementRules, readScheduling, type Caller } from '#libs/contracts';
import { ZodBody } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { serverIdOf } from '../../compute/servers/server-id.js';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { CapacityView, FitBody, FitView, PolicyView, SchedulingView } from './placement.schema.js';
import { schedulingForTenant, withoutHosts, zonesOf } from './tenant-placement.js';

/** Questions about placement: what fits, how much, by which rules, and why a server is where it is. */
@Controller('v1')
export class PlacementQuestionsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Post('placement/fit')
  @HttpCode(200)
  @Policy('skylite:placement:fit')
  @Describe({ summary: 'Would servers of this flavor fit, where, how many? Nothing is claimed', body: FitBody, answers: { 200: FitView } })
  async fit(@CallerParam() caller: Caller, @ZodBody(FitBody) body: z.output<typeof FitBody>) {
    const hints = body.same_host.length + body.different_host.length === 0 ? null : { sameHost: body.same_host, differentHost: body.different_host };
    const { fits, most, hosts, explanation } = await asking(this.bus, caller)(askFit, {
      flavorId: body.flavor, imageId: body.image, count: body.count, availabilityZone: body.availability_zone, requestedHost: body.host, groupId: body.group, hints,
    });
    const common = { asked: body.count, fits, most, zones: zonesOf(hosts) };
    return seesHosts(caller) ? { ...common, hosts, explanation } : { ...common, explanation: withoutHosts(explanation) };
  }

  @Get('placement/capacity')
  @Policy('skylite:placement:capacity')
  @Describe({ summary: 'How many servers of each flavor still fit, zone by zone', answers: { 200: CapacityView } })
  capacity(@CallerParam() caller: Caller) {
    return asking(this.bus, caller)(askCapacity, {});
  }

  @Get('placement/policy')
  @Policy('skylite:placement:policy')
  @Describe({ summary: 'The filters in their order and the weighers with their multipliers', answers: { 200: PolicyView } })
  async policy(@CallerParam() { requestId }: Caller) {
    return { policy: await this.bus.ask(getPlacementRules, {}, { requestId }) };
  }

  @Get('servers/:id/scheduling')
  @Policy('skylite:servers:scheduling')
  @Describe({ summary: 'Where a server was placed and since when, or why nowhere', answers: { 200: SchedulingView } })
  async scheduling(@CallerParam() caller: Caller, @Param('id') id: string) {
    const { instanceId: server, ...found } = await asking(this.bus, caller)(readScheduling, { instanceId: serverIdOf(id) });
    if (seesHosts(caller)) return { server, ...found };
    const { instanceId: _same, ...seen } = schedulingForTenant({ instanceId: server, ...found });
    return { server, ...seen };
  }
}

const seesHosts = (caller: Caller): boolean => allows('compute:servers:host-details', caller);
