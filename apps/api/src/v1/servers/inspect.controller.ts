import { Controller, Get, Inject, Param } from '@nestjs/common';
import { CallerParam, Policy } from '#libs/auth';
import { inspectServer, type Caller } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { serverIdOf } from '../../compute/servers/server-id.js';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { InspectAnswer } from '../v1.schema.js';

@Controller('v1/servers')
export class InspectController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get(':id/inspect')
  @Policy('skylite:servers:inspect')
  @Describe({ summary: 'Everything that is known of a server: intent, step, what it waits for, placement, its host’s view', answers: { 200: InspectAnswer } })
  inspect(@CallerParam() caller: Caller, @Param('id') id: string) {
    return asking(this.bus, caller)(inspectServer, { instanceId: serverIdOf(id) });
  }
}
