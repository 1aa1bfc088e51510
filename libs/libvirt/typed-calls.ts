// The typed calls, each one procedure. Reads go on the control lane; whatever may wait for a domain's job, a process or a
// probe goes on the long lane, so that a slow start never delays a look; what moves a guest's memory, for minutes, goes on the
// memory lane, so that a few of those never delay a start or a stop.
import { EventEmitter } from 'node:events';
import type {
  CallOptions, DomainCapabilitiesQuery, DomainInfo, DomainRef, DomainState, DomainStats, DomainStatsQuery, FlagSet, LibvirtCalls,
  LibvirtEvents, LibvirtVersion, MetadataElement, NodeInfo,
} from './api.js';
import type { ArgsOf, ProcedureName, RetOf } from './call-table.js';
import { flagBits, fromChars, fromRef, stateName, toRef, toStat, toState, toVersion, uuidToBytes } from './convert.js';

export type Lane = 'control' | 'long' | 'memory';

const METADATA_ELEMENT = 2;

export abstract class TypedCalls extends EventEmitter<LibvirtEvents> implements LibvirtCalls {
  protected abstract invoke<P extends ProcedureName>(lane: Lane, procedure: P, args: ArgsOf<P>, options: CallOptions | undefined): Promise<RetOf<P>>;

  async getLibVersion(options?: CallOptions): Promise<LibvirtVersion> {
    return toVersion((await this.invoke('control', 'CONNECT_GET_LIB_VERSION', null, options)).lib_ver);
  }

  async getVersion(options?: CallOptions): Promise<LibvirtVersion> {
    return toVersion((await this.invoke('long', 'CONNECT_GET_VERSION', null, options)).hv_ver);
  }

  async getHostname(options?: CallOptions): Promise<string> {
    return (await this.invoke('control', 'CONNECT_GET_HOSTNAME', null, options)).hostname;
  }

  async getUri(options?: CallOptions): Promise<string> {
    return (await this.invoke('control', 'CONNECT_GET_URI', null, options)).uri;
  }

  async getCapabilities(options?: CallOptions): Promise<string> {
    return (await this.invoke('long', 'CONNECT_GET_CAPABILITIES', null, options)).capabilities;
  }

  async getDomainCapabilities(query: DomainCapabilitiesQuery = {}, options?: CallOptions): Promise<string> {
    const args = { emulatorbin: query.emulator ?? null, arch: query.arch ?? null, machine: query.machine ?? null, virttype: query.virtType ?? null, flags: 0 };
    return (await this.invoke('long', 'CONNECT_GET_DOMAIN_CAPABILITIES', args, options)).capabilities;
  }

  async baselineHypervisorCpu(cpus: readonly string[], query: DomainCapabilitiesQuery = {}, flags?: FlagSet<'baselineCpu'>, options?: CallOptions): Promise<string> {
    const args = { emulator: query.emulator ?? null, arch: query.arch ?? null, machine: query.machine ?? null, virttype: query.virtType ?? null, xmlCPUs: [...cpus], flags: flagBits('baselineCpu', flags) };
    return (await this.invoke('long', 'CONNECT_BASELINE_HYPERVISOR_CPU', args, options)).cpu;
  }

  async nodeGetInfo(options?: CallOptions): Promise<NodeInfo> {
    const { model, memory, cpus, mhz, nodes, sockets, cores, threads } = await this.invoke('control', 'NODE_GET_INFO', null, options);
    return { model: fromChars(model), memoryKiB: Number(memory), cpus, mhz, numaNodes: nodes, sockets, coresPerSocket: cores, threadsPerCore: threads };
  }

  async listAllDomains(filter?: FlagSet<'listDomains'>, options?: CallOptions): Promise<readonly DomainRef[]> {
    const { domains } = await this.invoke('control', 'CONNECT_LIST_ALL_DOMAINS', { need_results: 1, flags: flagBits('listDomains', filter) }, options);
    return domains.map(toRef);
  }

  async domainLookupByUuid(uuid: string, options?: CallOptions): Promise<DomainRef> {
    return toRef((await this.invoke('control', 'DOMAIN_LOOKUP_BY_UUID', { uuid: uuidToBytes(uuid) }, options)).dom);
  }

  async domainLookupByName(name: string, options?: CallOptions): Promise<DomainRef> {
    return toRef((await this.invoke('control', 'DOMAIN_LOOKUP_BY_NAME', { name }, options)).dom);
  }

  async domainGetXmlDesc(domain: DomainRef, flags?: FlagSet<'xml'>, options?: CallOptions): Promise<string> {
    return (await this.invoke('control', 'DOMAIN_GET_XML_DESC', { dom: fromRef(domain), flags: flagBits('xml', flags) }, options)).xml;
  }

  async domainGetInfo(domain: DomainRef, options?: CallOptions): Promise<DomainInfo> {
    const info = await this.invoke('control', 'DOMAIN_GET_INFO', { dom: fromRef(domain) }, options);
    return { state: stateName(info.state), maxMemoryKiB: Number(info.maxMem), memoryKiB: Number(info.memory), vcpus: info.nrVirtCpu, cpuTimeNs: info.cpuTime };
  }

  async domainGetState(domain: DomainRef, options?: CallOptions): Promise<DomainState> {
    const { state, reason } = await this.invoke('control', 'DOMAIN_GET_STATE', { dom: fromRef(domain), flags: 0 }, options);
    return toState(state, reason);
  }

  async domainDefineXml(xml: string, flags?: FlagSet<'define'>, options?: CallOptions): Promise<DomainRef> {
    return toRef((await this.invoke('long', 'DOMAIN_DEFINE_XML_FLAGS', { xml, flags: flagBits('define', flags) }, options)).dom);
  }

  async domainCreate(domain: DomainRef, flags?: FlagSet<'start'>, options?: CallOptions): Promise<DomainRef> {
    return toRef((await this.invoke(options?.memory === true ? 'memory' : 'long', 'DOMAIN_CREATE_WITH_FLAGS', { dom: fromRef(domain), flags: flagBits('start', flags) }, options)).dom);
  }

  async domainCreateXml(xml: string, flags?: FlagSet<'start'>, options?: CallOptions): Promise<DomainRef> {
    return toRef((await this.invoke('long', 'DOMAIN_CREATE_XML', { xml_desc: xml, flags: flagBits('start', flags) }, options)).dom);
  }

  async domainShutdown(domain: DomainRef, flags?: FlagSet<'shutdown'>, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_SHUTDOWN_FLAGS', { dom: fromRef(domain), flags: flagBits('shutdown', flags) }, options);
  }

  async domainReboot(domain: DomainRef, flags?: FlagSet<'reboot'>, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_REBOOT', { dom: fromRef(domain), flags: flagBits('reboot', flags) }, options);
  }

  async domainReset(domain: DomainRef, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_RESET', { dom: fromRef(domain), flags: 0 }, options);
  }

  async domainDestroy(domain: DomainRef, flags?: FlagSet<'destroy'>, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_DESTROY_FLAGS', { dom: fromRef(domain), flags: flagBits('destroy', flags) }, options);
  }

  async domainUndefine(domain: DomainRef, flags?: FlagSet<'undefine'>, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_UNDEFINE_FLAGS', { dom: fromRef(domain), flags: flagBits('undefine', flags) }, options);
  }

  async domainSuspend(domain: DomainRef, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_SUSPEND', { dom: fromRef(domain) }, options);
  }

  async domainResume(domain: DomainRef, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_RESUME', { dom: fromRef(domain) }, options);
  }

  async domainManagedSave(domain: DomainRef, flags?: FlagSet<'save'>, options?: CallOptions): Promise<void> {
    await this.invoke('memory', 'DOMAIN_MANAGED_SAVE', { dom: fromRef(domain), flags: flagBits('save', flags) }, options);
  }

  async domainManagedSaveRemove(domain: DomainRef, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_MANAGED_SAVE_REMOVE', { dom: fromRef(domain), flags: 0 }, options);
  }

  async domainSetMetadata(domain: DomainRef, element: MetadataElement, affect?: FlagSet<'affect'>, options?: CallOptions): Promise<void> {
    const args = { dom: fromRef(domain), type: METADATA_ELEMENT, metadata: element.xml, key: element.key, uri: element.uri, flags: flagBits('affect', affect) };
    await this.invoke('long', 'DOMAIN_SET_METADATA', args, options);
  }

  async domainGetMetadata(domain: DomainRef, uri: string, affect?: FlagSet<'affect'>, options?: CallOptions): Promise<string> {
    const args = { dom: fromRef(domain), type: METADATA_ELEMENT, uri, flags: flagBits('affect', affect) };
    return (await this.invoke('control', 'DOMAIN_GET_METADATA', args, options)).metadata;
  }

  async domainAttachDevice(domain: DomainRef, xml: string, affect?: FlagSet<'affect'>, options?: CallOptions): Promise<void> {
    await this.invoke(affect?.live === true ? 'memory' : 'long', 'DOMAIN_ATTACH_DEVICE_FLAGS', { dom: fromRef(domain), xml, flags: flagBits('affect', affect) }, options);
  }

  async domainDetachDevice(domain: DomainRef, alias: string, affect?: FlagSet<'affect'>, options?: CallOptions): Promise<void> {
    await this.invoke('long', 'DOMAIN_DETACH_DEVICE_ALIAS', { dom: fromRef(domain), alias, flags: flagBits('affect', affect) }, options);
  }

  async getAllDomainStats(query: DomainStatsQuery = {}, options?: CallOptions): Promise<readonly DomainStats[]> {
    const args = { doms: (query.domains ?? []).map(fromRef), stats: flagBits('stats', query.groups), flags: flagBits('allStats', query.filter) };
    const { retStats } = await this.invoke('long', 'CONNECT_GET_ALL_DOMAIN_STATS', args, options);
    return retStats.map(({ dom, params }) => ({ domain: toRef(dom), stats: new Map(params.map((param) => [param.field, toStat(param)])) }));
  }
}
