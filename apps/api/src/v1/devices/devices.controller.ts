import { Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { CallerParam, Policy } from '#libs/auth';
import { deviceHistory, getHostTopology, listDevices, releaseDevice, rescanDevices, type Caller } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { ZodBody, ZodQuery } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { serverIdOf } from '../../compute/servers/server-id.js';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { findHost } from '../hosts/find-host.js';
import { DeviceAnswer, DeviceList, DevicesQuery, HistoryAnswer, HistoryQuery, markerText, readMarker, ReleaseAnswer, ReleaseBody, RescanAnswer, RescanBody, TopologyAnswer } from './devices.schema.js';
import { findPool } from './find-pool.js';

/** Devices: where each one is, how it is, who has it and who had it. */
@Controller('v1/devices')
export class DevicesController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('skylite:devices:list')
  @Describe({ summary: "Devices by host, then by identity: all that hosts see, what is in no pool too", query: DevicesQuery, answers: { 200: DeviceList } })
  async list(@CallerParam() { requestId }: Caller, @ZodQuery(DevicesQuery) { host, class: className, pool, marker, limit, ...filters }: DevicesQuery) {
    const after = readMarker(marker);
    const [hostId, poolId] = await Promise.all([
      host === undefined ? undefined : findHost(this.bus, host, requestId).then(({ id }) => id), pool === undefined ? undefined : findPool(this.bus, pool, requestId).then(({ id }) => id),
    ]);
    const asked = Object.fromEntries(Object.entries({ ...filters, hostId, className, poolId }).filter(([, value]) => value !== undefined));
    const { devices, next } = await this.bus.ask(listDevices, { ...asked, after, limit }, { requestId });
    return { devices, next: markerText(next) };
  }

  @Post('rescan')
  @HttpCode(202)
  @Policy('skylite:devices:rescan')
  @Describe({ summary: 'Make rows of devices anew from what servers hold and what hosts see; frees nothing', body: RescanBody, answers: { 202: RescanAnswer } })
  async rescan(@CallerParam() caller: Caller, @ZodBody(RescanBody) { host }: RescanBody) {
    const hostId = host === null ? null : (await findHost(this.bus, host, caller.requestId)).id;
    return asking(this.bus, caller)(rescanDevices, { hostId });
  }

  @Get(':id')
  @Policy('skylite:devices:get')
  @Describe({ summary: 'One device', answers: { 200: DeviceAnswer } })
  async get(@CallerParam() { requestId }: Caller, @Param('id') id: string) {
    const { devices: [device] } = await this.bus.ask(listDevices, { id: deviceIdOf(id), limit: 1 }, { requestId });
    if (device === undefined) throw noDevice(id);
    return { device };
  }

  @Get(':id/history')
  @Policy('skylite:devices:history')
  @Describe({ summary: 'Who had a device from when to when, and what happened to it, newest first', query: HistoryQuery, answers: { 200: HistoryAnswer } })
  history(@CallerParam() { requestId }: Caller, @Param('id') id: string, @ZodQuery(HistoryQuery) { before, limit }: HistoryQuery) {
    return this.bus.ask(deviceHistory, { deviceId: deviceIdOf(id), before: before ?? null, limit }, { requestId });
  }

  @Post(':id/release')
  @HttpCode(200)
  @Policy('skylite:devices:release')
  @Describe({ summary: 'State that a device in quarantine is clean and sound, that one in doubt is the same, that a missing one will not come back; recorded with your name', body: ReleaseBody, answers: { 200: ReleaseAnswer } })
  release(@CallerParam() caller: Caller, @Param('id') id: string, @ZodBody(ReleaseBody) { statement, generation }: ReleaseBody) {
    return asking(this.bus, caller)(releaseDevice, { deviceId: deviceIdOf(id), statement, ...(generation !== undefined && { generation }) });
  }
}

/** The same things seen from a server and from a host. */
@Controller('v1')
export class DeviceSidesController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get('servers/:id/device-history')
  @Policy('skylite:devices:history')
  @Describe({ summary: 'Which devices a server had from when to when, newest first; also of a deleted one', query: HistoryQuery, answers: { 200: HistoryAnswer } })
  ofServer(@CallerParam() { requestId }: Caller, @Param('id') id: string, @ZodQuery(HistoryQuery) { before, limit }: HistoryQuery) {
    return this.bus.ask(deviceHistory, { instanceId: serverIdOf(id), before: before ?? null, limit }, { requestId });
  }

  @Get('hosts/:id/topology')
  @Policy('skylite:hosts:topology')
  @Describe({ summary: "A host's sockets, cells, cores, pages and PCI functions, with who has what", answers: { 200: TopologyAnswer } })
  async topology(@CallerParam() { requestId }: Caller, @Param('id') id: string) {
    const { id: hostId } = await findHost(this.bus, id, requestId);
    return this.bus.ask(getHostTopology, { hostId }, { requestId });
  }
}

const noDevice = (id: string) => notFound(`There is no device ${id.slice(0, 64)}. \`GET /v1/devices?host=…&device=…\` finds one by its address or identity.`);
const Id = z.uuid();
function deviceIdOf(text: string): string {
  const { data } = Id.safeParse(text.toLowerCase());
  if (data === undefined) throw noDevice(text);
  return data;
}
