import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { z } from 'zod';
import { CallerParam, Policy } from '#libs/auth';
import { adoptOrphan, cleanOrphan, DriftView, listDrift, listHosts, type Caller } from '#libs/contracts';
import { ZodBody, ZodQuery } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { findHost } from '../hosts/find-host.js';

const DriftQuery = z.strictObject({ host: z.string().max(255).optional() });
const DriftAnswer = z.object({ drift: z.array(DriftView), more: z.boolean() });
const OrphanBody = z.strictObject({ host: z.string().min(1).max(255), id: z.uuid(), confirm: z.string().min(3).max(1000) });
const Nothing = z.object({});

/** What differs between intent, hosts' memory, hypervisors and disks. Orphans are removed on an operator's word only. */
@Controller('v1/drift')
export class DriftController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('skylite:drift:list')
  @Describe({ summary: 'What differs on all hosts, or on one; the oldest first', answers: { 200: DriftAnswer } })
  async list(@CallerParam() { requestId }: Caller, @ZodQuery(DriftQuery) { host }: z.output<typeof DriftQuery>) {
    const hostId = host === undefined ? undefined : (await findHost(this.bus, host, requestId)).id;
    const [{ drift, more }, { hosts }] = await Promise.all([this.bus.ask(listDrift, { ...(hostId && { hostId }) }, { requestId }), this.bus.ask(listHosts, {}, { requestId })]);
    const names = new Map(hosts.map(({ id, name }) => [id, name]));
    return { drift: drift.map((entry) => ({ ...entry, hostName: names.get(entry.hostId) ?? entry.hostName })), more };
  }

  @Post('clean')
  @HttpCode(202)
  @Policy('skylite:drift:clean')
  @Describe({ summary: 'Have a host remove a domain or files that belong to no server', body: OrphanBody, answers: { 202: Nothing } })
  async clean(@CallerParam() caller: Caller, @ZodBody(OrphanBody) { host, id, confirm }: z.output<typeof OrphanBody>) {
    const { id: hostId } = await findHost(this.bus, host, caller.requestId);
    return asking(this.bus, caller)(cleanOrphan, { hostId, id: id.toLowerCase(), statement: confirm });
  }

  @Post('adopt')
  @HttpCode(202)
  @Policy('skylite:drift:adopt')
  @Describe({ summary: "Make a server of a domain that belongs to none, as its own notes and its host's memory tell it", body: OrphanBody, answers: { 202: Nothing } })
  async adopt(@CallerParam() caller: Caller, @ZodBody(OrphanBody) { host, id, confirm }: z.output<typeof OrphanBody>) {
    const { id: hostId } = await findHost(this.bus, host, caller.requestId);
    return asking(this.bus, caller)(adoptOrphan, { hostId, id: id.toLowerCase(), statement: confirm });
  }
}
