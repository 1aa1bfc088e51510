import { Controller, Get, HttpCode, Inject, Param, Patch, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { CallerParam, Policy } from '#libs/auth';
import { createEnrolToken, joinHost, listHosts, updateHost, type Caller } from '#libs/contracts';
import { ZodBody } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { EnrolTokensAnswer, EnrolTokensBody, HostAnswer, HostList, JoinAnswer, JoinBody, UpdateHostBody } from '../v1.schema.js';
import { findHost } from './find-host.js';
import { JoinBrake } from './join-brake.js';

/** Hosts: how they come to be, and what is known of them. */
@Controller('v1/hosts')
export class HostsController {
  constructor(@Inject(BUS) private readonly bus: Bus, private readonly brake: JoinBrake) {}

  @Get()
  @Policy('skylite:hosts:list')
  @Describe({ summary: 'List hosts', answers: { 200: HostList } })
  list(@CallerParam() { requestId }: Caller) {
    return this.bus.ask(listHosts, {}, { requestId });
  }

  @Post('enrol-tokens')
  @Policy('skylite:enrol-tokens:create')
  @Describe({ summary: 'Make one-time tokens, each of which lets one machine become a host', body: EnrolTokensBody, answers: { 201: EnrolTokensAnswer } })
  enrol(@CallerParam() caller: Caller, @ZodBody(EnrolTokensBody) body: z.output<typeof EnrolTokensBody>) {
    return asking(this.bus, caller)(createEnrolToken, body);
  }

  /** The token is the proof: there is nobody to ask for another one. */
  @Post('join')
  @HttpCode(200)
  @Policy('public')
  @Describe({ summary: 'Become a host, with a one-time token as proof', body: JoinBody, answers: { 200: JoinAnswer } })
  join(@ZodBody(JoinBody) body: z.output<typeof JoinBody>, @Req() { id }: FastifyRequest) {
    this.brake.pass();
    return this.bus.ask(joinHost, body, { requestId: id });
  }

  @Get(':id')
  @Policy('skylite:hosts:get')
  @Describe({ summary: 'One host, by id or name', answers: { 200: HostAnswer } })
  async get(@CallerParam() { requestId }: Caller, @Param('id') id: string) {
    return { host: await findHost(this.bus, id, requestId) };
  }

  @Patch(':id')
  @Policy('skylite:hosts:update')
  @Describe({ summary: 'Let a host take new servers, or not', body: UpdateHostBody, answers: { 200: HostAnswer } })
  async update(@CallerParam() caller: Caller, @Param('id') id: string, @ZodBody(UpdateHostBody) body: z.output<typeof UpdateHostBody>) {
    const { id: hostId } = await findHost(this.bus, id, caller.requestId);
    return { host: await asking(this.bus, caller)(updateHost, { hostId, enabled: body.enabled, disabledReason: body.disabledReason ?? null }) };
  }
}
