import { Controller, Get, Inject, Param } from '@nestjs/common';
import { allows, CallerParam, Policy } from '#libs/auth';
import { getServer, type Caller } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { serverIdOf } from '../../compute/servers/server-id.js';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { ServerAnswer } from './server.schema.js';
import { devicesOf } from './server-devices.js';
import { shownTo } from './shown-devices.js';

/** What Nova's API has no words for. */
@Controller('v1/servers')
export class ServerController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get(':id')
  @Policy('skylite:servers:get')
  @Describe({ summary: 'A server with its devices: class, tag, MAC, VLAN, and how each stands; which ones of its host they are is for administrators', answers: { 200: ServerAnswer } })
  async get(@CallerParam() caller: Caller, @Param('id') id: string) {
    const view = await asking(this.bus, caller)(getServer, { instanceId: serverIdOf(id) });
    const { id: found, name, projectId, intent, step, availabilityZone, hostName } = view;
    const devices = await shownTo(caller, this.bus, found, devicesOf(view));
    return { server: { id: found, name, projectId, intent, step, availabilityZone, ...(allows('compute:servers:host-details', caller) && { host: hostName }), devices } };
  }
}
