import { Controller, Delete, Get, Inject, Param, Patch, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { CallerParam, Policy } from '#libs/auth';
import { createDevicePool, deleteDevicePool, listDevicePools, updateDevicePool, type Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { Planned, PoolAnswer, PoolBody, PoolChange, PoolList, PoolsQuery, PoolWritten, WriteQuery } from './devices.schema.js';
import { findPool } from './find-pool.js';
import { writing } from './writing.js';

/** Device pools: which functions of which hosts are given to servers, and made ready how. Agents follow at once. */
@Controller('v1/device-pools')
export class DevicePoolsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('skylite:device-pools:list')
  @Describe({ summary: 'Device pools, with how many devices each has and where it could not be applied', query: PoolsQuery, answers: { 200: PoolList } })
  list(@CallerParam() { requestId }: Caller, @ZodQuery(PoolsQuery) { class: className }: z.output<typeof PoolsQuery>) {
    return this.bus.ask(listDevicePools, { ...(className !== undefined && { className }) }, { requestId });
  }

  @Post()
  @Policy('skylite:device-pools:create')
  @Describe({ summary: 'Make a device pool; 409 tells what stands against it and which servers it would hit. dry_run: only what it would do', body: PoolBody, query: WriteQuery, answers: { 200: PoolWritten, 201: PoolWritten } })
  async create(@CallerParam() caller: Caller, @ZodBody(PoolBody) body: PoolBody, @ZodQuery(WriteQuery) query: WriteQuery, @IdsParam() ids: Ids, @Res({ passthrough: true }) reply: FastifyReply) {
    if (query.dry_run) void reply.status(200);
    return asking(this.bus, caller)(createDevicePool, { ...writing(query), pool: { ...body, id: ids.uuid('device-pool') } });
  }

  @Get(':id')
  @Policy('skylite:device-pools:get')
  @Describe({ summary: 'One device pool, by id or name', answers: { 200: PoolAnswer } })
  async get(@CallerParam() { requestId }: Caller, @Param('id') id: string) {
    return { pool: await findPool(this.bus, id, requestId) };
  }

  @Patch(':id')
  @Policy('skylite:device-pools:update')
  @Describe({ summary: 'Change a device pool; 409 names the servers whose devices would vanish', body: PoolChange, query: WriteQuery, answers: { 200: PoolWritten } })
  async update(@CallerParam() caller: Caller, @Param('id') id: string, @ZodBody(PoolChange) change: PoolChange, @ZodQuery(WriteQuery) query: WriteQuery) {
    const { id: poolId } = await findPool(this.bus, id, caller.requestId);
    return asking(this.bus, caller)(updateDevicePool, { ...writing(query), id: poolId, change });
  }

  @Delete(':id')
  @Policy('skylite:device-pools:delete')
  @Describe({ summary: 'Delete a device pool of which no server holds a device', query: WriteQuery, answers: { 200: Planned } })
  async delete(@CallerParam() caller: Caller, @Param('id') id: string, @ZodQuery(WriteQuery) query: WriteQuery) {
    const { id: poolId } = await findPool(this.bus, id, caller.requestId);
    return asking(this.bus, caller)(deleteDevicePool, { ...writing(query), id: poolId });
  }
}
