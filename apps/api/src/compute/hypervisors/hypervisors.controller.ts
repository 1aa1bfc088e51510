import { Get, Inject, Param } from '@nestjs/common';
import { z } from 'zod';
import { Policy } from '#libs/auth';
import type { HostView } from '#libs/contracts';
import { badRequest, notFound, unsupported } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { has, hypervisorBrief, hypervisorDetail, hypervisorId, hypervisorList, hypervisorStatistics } from '#libs/openstack';
import { CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { flag, many, nonNegative } from '../../http/input-types.js';
import { onlyIn } from '../../http/only-in.js';
import { pageOf, pagingOf } from '../../http/paging.js';
import { last, readQuery } from '../../http/read-input.js';
import { HypervisorAnswer, HypervisorDetailList, HypervisorList, HypervisorStatistics } from '../answers.js';
import { hypervisorHosts, serversByHost } from './hypervisor-hosts.js';

const EarlyQuery = z.object({ limit: nonNegative, marker: many }).partial();
const withServers = z.array(flag).max(1);
const ListQuery = z.object({
  limit: nonNegative.max(1), marker: many.max(1), with_servers: withServers,
  hypervisor_hostname_pattern: z.array(z.string().min(1).max(255).regex(/^[a-zA-Z0-9-._]*$/)).max(1),
}).partial();
const ShowQuery = z.object({ with_servers: withServers }).partial();
const BEFORE_UUIDS = { until: '2.52' } as const;
const BEFORE_LEAN = { until: '2.87' } as const;

@ComputeController('os-hypervisors')
export class HypervisorsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:hypervisors:list')
  @Describe({ summary: 'List hypervisors', query: ListQuery, answers: { 200: HypervisorList } })
  list(@CallParam() call: Call) {
    return this.listAs(call, false);
  }

  @Get('detail')
  @Policy('compute:hypervisors:list')
  @Describe({ summary: 'List hypervisors in full', query: ListQuery, answers: { 200: HypervisorDetailList } })
  detail(@CallParam() call: Call) {
    return this.listAs(call, true);
  }

  @Get('statistics')
  @Policy('compute:hypervisors:list')
  @Describe({ summary: 'Sums over all hypervisors', ...BEFORE_LEAN, answers: { 200: HypervisorStatistics } })
  async statistics(@CallParam() { caller, version }: Call) {
    onlyIn(version, BEFORE_LEAN);
    return hypervisorStatistics(await hypervisorHosts(this.bus, caller));
  }

  @Get(':id')
  @Policy('compute:hypervisors:get')
  @Describe({ summary: 'One hypervisor', query: ShowQuery, answers: { 200: HypervisorAnswer } })
  async get(@CallParam() call: Call, @Param('id') id: string) {
    const host = await this.host(call, id);
    const wanted = has(call.version, 'hypervisor.uuid') && readQuery(ShowQuery, call.query, true).with_servers?.[0] === true;
    const servers = wanted ? ((await serversByHost(this.bus, call.caller, host.name)).get(host.name) ?? []) : undefined;
    return { hypervisor: hypervisorDetail(host, call.version, servers) };
  }

  @Get(':id/uptime')
  @Policy('compute:hypervisors:get')
  @Describe({ summary: 'Not offered', ...BEFORE_LEAN, answers: { 501: null } })
  async uptime(@CallParam() call: Call, @Param('id') id: string): Promise<never> {
    onlyIn(call.version, BEFORE_LEAN);
    await this.host(call, id);
    throw unsupported('The requested functionality is not supported.');
  }

  @Get(':pattern/search')
  @Policy('compute:hypervisors:list')
  @Describe({ summary: 'Hypervisors whose name contains a text', ...BEFORE_UUIDS, answers: { 200: HypervisorList } })
  async search(@CallParam() call: Call, @Param('pattern') pattern: string) {
    onlyIn(call.version, BEFORE_UUIDS);
    return { hypervisors: matching(await hypervisorHosts(this.bus, call.caller), pattern).map((host) => hypervisorBrief(host, call.version)) };
  }

  @Get(':pattern/servers')
  @Policy('compute:hypervisors:list')
  @Describe({ summary: 'The same, with the servers on them', ...BEFORE_UUIDS, answers: { 200: HypervisorList } })
  async servers(@CallParam() call: Call, @Param('pattern') pattern: string) {
    onlyIn(call.version, BEFORE_UUIDS);
    const hosts = matching(await hypervisorHosts(this.bus, call.caller), pattern);
    const servers = await serversByHost(this.bus, call.caller);
    return { hypervisors: hosts.map((host) => hypervisorBrief(host, call.version, servers.get(host.name))) };
  }

  private async host({ caller, version }: Call, id: string): Promise<HostView> {
    if (has(version, 'hypervisor.uuid') && !z.guid().safeParse(id).success) throw badRequest(`Invalid uuid ${id.slice(0, 100)}`);
    const host = (await hypervisorHosts(this.bus, caller)).find((each) => String(hypervisorId(each, version)) === id.toLowerCase());
    if (host === undefined) throw notFound(`Hypervisor with ID '${id}' could not be found.`);
    return host;
  }

  private async listAs(call: Call, detail: boolean) {
    const { version, query, caller } = call;
    const values = readListing(call);
    const paging = has(version, 'hypervisor.paging') ? pagingOf(query, values) : null;
    const pattern = last(values.hypervisor_hostname_pattern);
    const serverMap = values.with_servers?.[0] === true ? await serversByHost(this.bus, caller) : undefined;
    const options = { detail, ...(serverMap && { serversByHost: serverMap }) };
    const hosts = await hypervisorHosts(this.bus, caller);
    if (pattern !== undefined) {
      if (query.has('limit') || query.has('marker')) throw badRequest('Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.');
      return hypervisorList(matching(hosts, pattern), { ...options, page: null }, call);
    }
    const shown = paging === null ? hosts : pageOf(hosts, (host) => hypervisorId(host, version), paging);
    return hypervisorList(shown, { ...options, page: paging }, call);
  }
}

/** Before 2.33 a query says nothing; from 2.53 on it says each thing once, and nothing unknown. */
function readListing({ version, query }: Call): z.output<typeof ListQuery> {
  if (has(version, 'hypervisor.uuid')) return readQuery(ListQuery, query, true);
  return has(version, 'hypervisor.paging') ? readQuery(EarlyQuery, query) : {};
}

function matching(hosts: readonly HostView[], pattern: string): HostView[] {
  const found = hosts.filter(({ name }) => name.includes(pattern));
  if (found.length === 0) throw notFound(`No hypervisor matching '${pattern}' could be found.`);
  return found;
}
