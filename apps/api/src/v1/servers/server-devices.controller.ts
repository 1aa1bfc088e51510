import { Controller, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { CallerParam, Policy } from '#libs/auth';
import { attachDevices, detachDevices, listServerDevices, type Caller } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { IdsParam, ZodBody, type Ids } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { serverIdOf } from '../../compute/servers/server-id.js';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { AttachBody, AttachmentsAnswer, ServerDevicesAnswer } from './server.schema.js';
import { attachmentsShownTo, shownTo } from './shown-devices.js';

/** Devices of a server that is there: what it has, more of them, and fewer. */
@Controller('v1/servers/:id/devices')
export class ServerDevicesController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('skylite:servers:list-devices')
  @Describe({ summary: "A server's devices and how each stands: attaching, attached, detaching, and what it waits for", answers: { 200: ServerDevicesAnswer } })
  async list(@CallerParam() caller: Caller, @Param('id') id: string) {
    const instanceId = serverIdOf(id);
    const { devices, attachments } = await asking(this.bus, caller)(listServerDevices, { instanceId });
    return { devices: await shownTo(caller, this.bus, instanceId, devices), attachments: attachmentsShownTo(caller, attachments) };
  }

  @Post()
  @HttpCode(202)
  @Policy('skylite:servers:attach-device')
  @Describe({ summary: 'Attach devices of a class to a server that runs or is off; 409 says in numbers what its host has not', body: AttachBody, answers: { 202: AttachmentsAnswer } })
  async attach(@CallerParam() caller: Caller, @Param('id') id: string, @ZodBody(AttachBody) { class: className, count, vlan, tag, numa_policy: numaPolicy }: AttachBody, @IdsParam() ids: Ids) {
    const { attachments } = await asking(this.bus, caller)(attachDevices, { instanceId: serverIdOf(id), attachment: ids.uuid('device-attachment'), className, count, vlan, tag, numaPolicy });
    return { attachments: attachmentsShownTo(caller, attachments) };
  }

  @Delete(':attachmentId')
  @HttpCode(202)
  @Policy('skylite:servers:detach-device')
  @Describe({ summary: 'Detach what was attached; a guest that does not let go has it until it is off', answers: { 202: AttachmentsAnswer } })
  async detach(@CallerParam() caller: Caller, @Param('id') id: string, @Param('attachmentId') attachmentId: string) {
    const { attachments } = await asking(this.bus, caller)(detachDevices, { instanceId: serverIdOf(id), attachment: attachmentOf(attachmentId) });
    return { attachments: attachmentsShownTo(caller, attachments) };
  }
}

const Id = z.uuid();
function attachmentOf(text: string): string {
  const { data } = Id.safeParse(text.toLowerCase());
  if (data === undefined) throw notFound(`There is no attachment ${text.slice(0, 64)}. \`GET /v1/servers/…/devices\` names them.`);
  return data;
}
