import { Get, Inject } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { listZones } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { zoneDetail, zoneList } from '#libs/openstack';
import { CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { ZoneList } from '../answers.js';

@ComputeController('os-availability-zone')
export class ZonesController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:availability-zones:list')
  @Describe({ summary: 'List availability zones', answers: { 200: ZoneList } })
  async list(@CallParam() { caller }: Call) {
    return zoneList((await this.bus.ask(listZones, {}, { requestId: caller.requestId })).zones);
  }

  @Get('detail')
  @Policy('compute:availability-zones:detail')
  @Describe({ summary: 'List availability zones and the hosts in them', answers: { 200: ZoneList } })
  async detail(@CallParam() { caller }: Call) {
    return zoneDetail((await this.bus.ask(listZones, {}, { requestId: caller.requestId })).zones);
  }
}
