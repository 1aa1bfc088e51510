import { Body, Get, Inject, Param, Put } from '@nestjs/common';
import { z } from 'zod';
import { Policy } from '#libs/auth';
import { listHosts, updateHost, type HostView } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { COMPUTE_BINARY, has, serviceStatusView, serviceView } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { many } from '../../http/input-types.js';
import { last, readBody, readQuery } from '../../http/read-input.js';
import { ServiceList, ServiceUpdated } from '../answers.js';
import { UpdateServiceBody, UpdateServiceByIdBody, UpdateServiceByNameBody } from './services.schema.js';

const ListQuery = z.object({ host: many, binary: many }).partial();

/** The agents of hosts, under the name that OpenStack gives them. */
@ComputeController('os-services')
export class ServicesController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:services:list')
  @Describe({ summary: 'List compute services', query: ListQuery, answers: { 200: ServiceList } })
  async list(@CallParam() { version, query, caller }: Call) {
    const values = readQuery(ListQuery, query, has(version, 'query.strict'));
    const host = filterOf(values.host);
    const binary = filterOf(values.binary);
    const { hosts } = binary !== undefined && binary !== COMPUTE_BINARY ? { hosts: [] } : await this.bus.ask(listHosts, host === undefined ? {} : { name: host }, { requestId: caller.requestId });
    return { services: hosts.sort((a, b) => a.number - b.number).map((each) => serviceView(each, version)) };
  }

  /** Before 2.53 the path names what to do and the body to whom; from then on the path names whom. */
  @Put(':id')
  @Policy('compute:services:update')
  @Describe({ summary: 'Enable or disable a compute service', body: UpdateServiceBody, answers: { 200: ServiceUpdated } })
  update(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    return has(call.version, 'hypervisor.uuid') ? this.updateById(call, id, body) : this.updateByName(call, id, body);
  }

  private async updateById(call: Call, id: string, body: unknown) {
    if (!z.guid().safeParse(id).success) throw badRequest(`Invalid uuid ${id.slice(0, 100)}`);
    const asked = readBody(UpdateServiceByIdBody, body);
    if (asked.status === undefined && asked.forced_down === undefined) throw badRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.");
    if (asked.status === 'enabled' && asked.disabled_reason !== undefined) throw badRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.");
    const host = await this.find(call, (each) => each.id === id.toLowerCase(), `Service ${id} could not be found.`);
    const change = {
      ...(asked.status !== undefined && { enabled: asked.status === 'enabled', disabledReason: asked.disabled_reason ?? null }),
      ...(asked.forced_down !== undefined && { forcedDown: asked.forced_down }),
    };
    return { service: serviceView(await this.set(call, host, change), call.version) };
  }

  private async updateByName(call: Call, action: string, body: unknown) {
    const actions = ['enable', 'disable', 'disable-log-reason', ...(has(call.version, 'service.forced-down') ? ['force-down'] : [])];
    const asked = readBody(UpdateServiceByNameBody(call.version), body);
    if (!actions.includes(action)) throw notFound('Unknown action');
    if (action === 'disable-log-reason' && asked.disabled_reason === undefined) throw badRequest('Missing disabled reason field');
    if (asked.binary !== COMPUTE_BINARY) throw badRequest(`Updating a ${asked.binary} service is not supported. Only nova-compute services can be updated.`);
    const host = await this.find(call, ({ name }) => name === asked.host, `Could not find binary ${asked.binary} on host ${asked.host}.`);
    if (action === 'force-down') {
      const { forced_down: down } = asked as { forced_down?: boolean };
      if (down === undefined) throw badRequest('Missing forced_down field');
      await this.set(call, host, { forcedDown: down });
      return { service: { host: host.name, binary: COMPUTE_BINARY, forced_down: down } };
    }
    const reason = action === 'disable-log-reason' ? (asked.disabled_reason ?? null) : null;
    return serviceStatusView(await this.set(call, host, { enabled: action === 'enable', disabledReason: reason }));
  }

  private async find({ caller }: Call, is: (host: HostView) => boolean, missing: string): Promise<HostView> {
    const { hosts } = await this.bus.ask(listHosts, {}, { requestId: caller.requestId });
    const host = hosts.find(is);
    if (host === undefined) throw notFound(missing);
    return host;
  }

  private set({ caller }: Call, host: HostView, change: { enabled?: boolean; disabledReason?: string | null; forcedDown?: boolean }): Promise<HostView> {
    return asking(this.bus, caller)(updateHost, { hostId: host.id, ...change });
  }
}

/** Some clients write out None where they mean no filter. */
function filterOf(values: string[] | undefined): string | undefined {
  const value = last(values);
  return value === undefined || value === '' || value === 'None' ? undefined : value;
}
