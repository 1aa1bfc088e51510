import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import type { z } from 'zod';
import { CallerParam, Policy } from '#libs/auth';
import { fenceHost, hostServers, inspectHost, setHostPower, setHostRestart, unfenceHost, type Caller } from '#libs/contracts';
import { ZodBody } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { HostAnswer } from '../v1.schema.js';
import { FenceAnswer, FenceBody, HostDetails, Nothing, PowerBody, RestartBody } from './fencing.schema.js';
import { findHost } from './find-host.js';

/** Lost hosts: what is known, giving one up, taking it back, and how its power is cut. */
@Controller('v1/hosts/:id')
export class FencingController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get('details')
  @Policy('skylite:hosts:get')
  @Describe({ summary: 'One host with its events, alarms, fence and servers', answers: { 200: HostDetails } })
  async details(@CallerParam() caller: Caller, @Param('id') id: string) {
    const host = await findHost(this.bus, id, caller.requestId);
    const [inspected, servers] = await Promise.all([this.bus.ask(inspectHost, { hostId: host.id }, { requestId: caller.requestId }), asking(this.bus, caller)(hostServers, { hostId: host.id })]);
    return { host, ...inspected, ...servers };
  }

  @Post('fence')
  @HttpCode(202)
  @Policy('skylite:hosts:fence')
  @Describe({ summary: 'Give a lost host up, so that its servers may be rebuilt elsewhere; 409 while it is alive', body: FenceBody, answers: { 202: FenceAnswer } })
  async fence(@CallerParam() caller: Caller, @Param('id') id: string, @ZodBody(FenceBody) body: z.output<typeof FenceBody>) {
    const { id: hostId } = await findHost(this.bus, id, caller.requestId);
    return { fence: await asking(this.bus, caller)(fenceHost, { hostId, ...body }) };
  }

  @Post('unfence')
  @HttpCode(202)
  @Policy('skylite:hosts:fence')
  @Describe({ summary: 'Take a fenced host back', answers: { 202: HostAnswer } })
  async unfence(@CallerParam() caller: Caller, @Param('id') id: string) {
    const { id: hostId } = await findHost(this.bus, id, caller.requestId);
    return { host: await asking(this.bus, caller)(unfenceHost, { hostId }) };
  }

  @Put('restart')
  @Policy('skylite:hosts:update')
  @Describe({ summary: 'Whether the host starts its servers after a boot without having heard from the cloud', body: RestartBody, answers: { 200: HostAnswer } })
  async restart(@CallerParam() caller: Caller, @Param('id') id: string, @ZodBody(RestartBody) { restart }: z.output<typeof RestartBody>) {
    const { id: hostId } = await findHost(this.bus, id, caller.requestId);
    return { host: await asking(this.bus, caller)(setHostRestart, { hostId, restart }) };
  }

  @Put('power')
  @Policy('skylite:hosts:power')
  @Describe({ summary: "How the host's power is cut; the password is never given out", body: PowerBody, answers: { 200: Nothing } })
  async setPower(@CallerParam() caller: Caller, @Param('id') id: string, @ZodBody(PowerBody) power: z.output<typeof PowerBody>) {
    const { id: hostId } = await findHost(this.bus, id, caller.requestId);
    return asking(this.bus, caller)(setHostPower, { hostId, power });
  }

  @Delete('power')
  @HttpCode(204)
  @Policy('skylite:hosts:power')
  @Describe({ summary: "Forget how the host's power is cut", answers: { 204: null } })
  async forgetPower(@CallerParam() caller: Caller, @Param('id') id: string): Promise<void> {
    const { id: hostId } = await findHost(this.bus, id, caller.requestId);
    await asking(this.bus, caller)(setHostPower, { hostId, power: null });
  }
}
