import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import type { z } from 'zod';
import { CallerParam, Policy } from '#libs/auth';
import { adoptHosts, viewAdoption, type Caller } from '#libs/contracts';
import { ZodBody } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { AdoptBody, AdoptionAnswer } from '../hosts/fencing.schema.js';
import { findHost } from '../hosts/find-host.js';

/** After a restore of the database: what hosts remember against what it says. */
@Controller('v1/adoption')
export class AdoptionController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('skylite:adoption:get')
  @Describe({ summary: 'What hosts that are not adopted remember, against what the database says; changes nothing', answers: { 200: AdoptionAnswer } })
  async view(@CallerParam() caller: Caller) {
    return { adoption: await asking(this.bus, caller)(viewAdoption, {}) };
  }

  @Post()
  @HttpCode(200)
  @Policy('skylite:adoption:adopt')
  @Describe({ summary: 'Let the database follow these hosts, and them go on', body: AdoptBody, answers: { 200: AdoptionAnswer } })
  async adopt(@CallerParam() caller: Caller, @ZodBody(AdoptBody) { hosts, statement }: z.output<typeof AdoptBody>) {
    const hostIds = hosts === undefined ? null : await Promise.all(hosts.map(async (name) => (await findHost(this.bus, name, caller.requestId)).id));
    return { adoption: await asking(this.bus, caller)(adoptHosts, { hostIds, statement }) };
  }
}
