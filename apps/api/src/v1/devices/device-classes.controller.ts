import { Controller, Delete, Get, Inject, Param, Patch, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import { createDeviceClass, deleteDeviceClass, DeviceClassName, listDeviceClasses, updateDeviceClass, type Caller } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { ZodBody, ZodQuery } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { ClassAnswer, ClassBody, ClassChange, ClassList, ClassWritten, Planned, WriteQuery } from './devices.schema.js';
import { writing } from './writing.js';

/** Device classes: what flavors ask for by name, in the whole cloud. */
@Controller('v1/device-classes')
export class DeviceClassesController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('skylite:device-classes:list')
  @Describe({ summary: 'Device classes, with how many devices there are of each', answers: { 200: ClassList } })
  list(@CallerParam() { requestId }: Caller) {
    return this.bus.ask(listDeviceClasses, {}, { requestId });
  }

  @Post()
  @Policy('skylite:device-classes:create')
  @Describe({ summary: 'Make a device class; 409 tells what stands against it. dry_run: only what it would do', body: ClassBody, query: WriteQuery, answers: { 200: ClassWritten, 201: ClassWritten } })
  async create(@CallerParam() caller: Caller, @ZodBody(ClassBody) body: ClassBody, @ZodQuery(WriteQuery) query: WriteQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    if (query.dry_run) void reply.status(200);
    return asking(this.bus, caller)(createDeviceClass, { ...writing(query), class: body });
  }

  @Get(':name')
  @Policy('skylite:device-classes:get')
  @Describe({ summary: 'One device class', answers: { 200: ClassAnswer } })
  async get(@CallerParam() { requestId }: Caller, @Param('name') name: string) {
    const { classes: [found] } = await this.bus.ask(listDeviceClasses, { name: nameOf(name) }, { requestId });
    if (found === undefined) throw noClass(name);
    return { class: found };
  }

  @Patch(':name')
  @Policy('skylite:device-classes:update')
  @Describe({ summary: 'Change a device class; 409 names the servers that it would hit', body: ClassChange, query: WriteQuery, answers: { 200: ClassWritten } })
  update(@CallerParam() caller: Caller, @Param('name') name: string, @ZodBody(ClassChange) change: ClassChange, @ZodQuery(WriteQuery) query: WriteQuery) {
    return asking(this.bus, caller)(updateDeviceClass, { ...writing(query), name: nameOf(name), change });
  }

  @Delete(':name')
  @Policy('skylite:device-classes:delete')
  @Describe({ summary: 'Delete a device class that no pool has and of which nothing is held', query: WriteQuery, answers: { 200: Planned } })
  delete(@CallerParam() caller: Caller, @Param('name') name: string, @ZodQuery(WriteQuery) query: WriteQuery) {
    return asking(this.bus, caller)(deleteDeviceClass, { ...writing(query), name: nameOf(name) });
  }
}

const noClass = (name: string) => notFound(`There is no device class ${name.slice(0, 64)}.`);

/** What cannot be a name is nobody's. */
function nameOf(text: string): string {
  const { data } = DeviceClassName.safeParse(text);
  if (data === undefined) throw noClass(text);
  return data;
}
