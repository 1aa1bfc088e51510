import { Get, Inject, Param } from '@nestjs/common';
import { allows, Policy } from '#libs/auth';
import { getServer, type InstanceView } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { serverTopology } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { onlyIn } from '../../http/only-in.js';
import { AddressesAnswer, InterfacesAnswer, SecurityGroupsAnswer, TopologyAnswer, VolumesAnswer } from '../answers.js';
import { serverIdOf } from './server-id.js';

/** Parts of one server under addresses of their own, which clients read beside the server. Without networks and volumes, their lists are empty. */
@ComputeController('servers/:id')
export class ServerFacetsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get('ips')
  @Policy('compute:server-addresses:list')
  @Describe({ summary: 'A server’s addresses', answers: { 200: AddressesAnswer } })
  async addresses(@CallParam() call: Call, @Param('id') id: string) {
    await this.server(call, id);
    return { addresses: {} };
  }

  @Get('topology')
  @Policy('compute:server-topology:get')
  @Describe({ summary: 'A server’s NUMA cells and pinned CPUs; administrators see those of its host', since: '2.78', answers: { 200: TopologyAnswer } })
  async topology(@CallParam() call: Call, @Param('id') id: string) {
    onlyIn(call.version, { since: '2.78' });
    const { layout } = await this.server(call, id);
    return serverTopology(layout ?? null, allows('compute:servers:host-details', call.caller));
  }

  @Get('os-interface')
  @Policy('compute:server-interfaces:list')
  @Describe({ summary: 'A server’s network interfaces', answers: { 200: InterfacesAnswer } })
  async interfaces(@CallParam() call: Call, @Param('id') id: string) {
    await this.server(call, id);
    return { interfaceAttachments: [] };
  }

  @Get('os-volume_attachments')
  @Policy('compute:server-volumes:list')
  @Describe({ summary: 'A server’s volumes', answers: { 200: VolumesAnswer } })
  async volumes(@CallParam() call: Call, @Param('id') id: string) {
    await this.server(call, id);
    return { volumeAttachments: [] };
  }

  @Get('os-security-groups')
  @Policy('compute:server-security-groups:list')
  @Describe({ summary: 'A server’s security groups', answers: { 200: SecurityGroupsAnswer } })
  async securityGroups(@CallParam() call: Call, @Param('id') id: string) {
    await this.server(call, id);
    return { security_groups: [] };
  }

  private server({ caller }: Call, id: string): Promise<InstanceView> {
    return asking(this.bus, caller)(getServer, { instanceId: serverIdOf(id) });
  }
}
