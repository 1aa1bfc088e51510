import { Body, Get, Inject, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { Policy } from '#libs/auth';
import { listHosts, updateHost, type HostView } from '#libs/contracts';
import { notFound, unsupported } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { hostListView, hostView } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { many } from '../../http/input-types.js';
import { onlyIn } from '../../http/only-in.js';
import { last, readBody, readQuery } from '../../http/read-input.js';
import { HostAnswer, HostList, HostUpdated } from '../answers.js';
import { serversOnHost } from '../hypervisors/hypervisor-hosts.js';

const ListQuery = z.object({ zone: many }).partial();
const word = z.enum(['enable', 'disable', 'Enable', 'Disable', 'ENABLE', 'DISABLE']).optional();
const UpdateHostBody = z.strictObject({ status: word, maintenance_mode: word })
  .refine((asked) => asked.status !== undefined || asked.maintenance_mode !== undefined, { error: "{} is not valid under any of the given schemas" });

/** Hosts as they were asked for before hypervisors and services took their place, at 2.43. */
const EARLY = { until: '2.42' } as const;
const notOffered = () => unsupported('The requested functionality is not supported.');

@ComputeController('os-hosts')
export class ComputeHostsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:hosts:list')
  @Describe({ summary: 'List hosts that take servers', ...EARLY, query: ListQuery, answers: { 200: HostList } })
  async list(@CallParam() { caller, version, query }: Call) {
    onlyIn(version, EARLY);
    const zone = last(readQuery(ListQuery, query).zone);
    const { hosts } = await this.bus.ask(listHosts, {}, { requestId: caller.requestId });
    return hostListView(hosts.filter(({ enabled, availabilityZone }) => enabled && (zone === undefined || zone === '' || availabilityZone === zone)).sort((a, b) => a.number - b.number));
  }

  @Get(':name')
  @Policy('compute:hosts:get')
  @Describe({ summary: 'What a host has, and who uses it', ...EARLY, answers: { 200: HostAnswer } })
  async get(@CallParam() call: Call, @Param('name') name: string) {
    onlyIn(call.version, EARLY);
    const host = await this.host(call, name);
    const servers = await serversOnHost(this.bus, call.caller, host.name);
    return hostView(host, servers.map(({ projectId, flavor }) => ({ projectId, vcpus: flavor.vcpus, ramMib: flavor.ramMib, diskGib: flavor.diskGib + flavor.ephemeralGib })));
  }

  @Put(':name')
  @Policy('compute:hosts:update')
  @Describe({ summary: 'Open or close a host to new servers', ...EARLY, body: UpdateHostBody, answers: { 200: HostUpdated } })
  async update(@CallParam() call: Call, @Param('name') name: string, @Body() body: unknown) {
    onlyIn(call.version, EARLY);
    const asked = readBody(UpdateHostBody, body);
    if (asked.status === undefined || asked.maintenance_mode !== undefined) throw notOffered();
    const host = await this.host(call, name);
    const enabled = asked.status.toLowerCase() === 'enable';
    await asking(this.bus, call.caller)(updateHost, { hostId: host.id, enabled, disabledReason: null });
    return { host: host.name, status: enabled ? 'enabled' : 'disabled' };
  }

  @Get(':name/:action')
  @Policy('compute:hosts:update')
  @Describe({ summary: 'Not offered', ...EARLY, answers: { 501: null } })
  async power(@CallParam() call: Call, @Param('name') name: string, @Param('action') action: string): Promise<never> {
    onlyIn(call.version, EARLY);
    if (!['startup', 'shutdown', 'reboot'].includes(action)) throw notFound('The resource could not be found.');
    await this.host(call, name);
    throw notOffered();
  }

  private async host({ caller }: Call, name: string): Promise<HostView> {
    const { hosts: [host] } = await this.bus.ask(listHosts, { name }, { requestId: caller.requestId });
    if (host === undefined) throw notFound(`Compute host ${name.slice(0, 255)} could not be found.`);
    return host;
  }
}
