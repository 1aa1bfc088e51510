import { Controller, Get, Inject, Param } from '@nestjs/common';
import { allows, CallerParam, Policy } from '#libs/auth';
import { getServer, listDevices, type Caller, type DeviceView } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { serverIdOf } from '../../compute/servers/server-id.js';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { ServerAnswer } from './server.schema.js';
import { deviceForAdmin, deviceForTenant } from './server-devices.js';

/** What Nova's API has no words for. */
@Controller('v1/servers')
export class ServerController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get(':id')
  @Policy('skylite:servers:get')
  @Describe({ summary: 'A server with its devices: class, tag, MAC, VLAN; which ones of its host they are is for administrators', answers: { 200: ServerAnswer } })
  async get(@CallerParam() caller: Caller, @Param('id') id: string) {
    const { id: found, name, projectId, intent, step, availabilityZone, hostName, layout } = await asking(this.bus, caller)(getServer, { instanceId: serverIdOf(id) });
    const devices = layout?.devices ?? [];
    const server = { id: found, name, projectId, intent, step, availabilityZone };
    if (!allows('compute:servers:host-details', caller)) return { server: { ...server, devices: devices.map(deviceForTenant) } };
    const seen: DeviceView[] = devices.length === 0 ? [] : (await this.bus.ask(listDevices, { holder: found }, { requestId: caller.requestId })).devices;
    return { server: { ...server, host: hostName, devices: devices.map((device) => deviceForAdmin(device, seen)) } };
  }
}
