import { Body, Delete, Get, HttpCode, Inject, Param, Post, Put } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { deleteServerMetadata, getServer, setServerMetadata } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { readBody } from '../../http/read-input.js';
import { MetadataAnswer, MetadataItem } from '../answers.js';
import { serverIdOf } from './server-id.js';
import { MetadataBody, MetadataItemBody } from './servers.schema.js';

@ComputeController('servers/:id/metadata')
export class ServerMetadataController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:server-metadata:list')
  @Describe({ summary: 'A server’s metadata', answers: { 200: MetadataAnswer } })
  async list(@CallParam() call: Call, @Param('id') id: string) {
    return { metadata: await this.all(call, id) };
  }

  @Post()
  @HttpCode(200)
  @Policy('compute:server-metadata:update')
  @Describe({ summary: 'Add to a server’s metadata', body: MetadataBody, answers: { 200: MetadataAnswer } })
  add(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    return this.set(call, id, readBody(MetadataBody, body).metadata, false);
  }

  @Put()
  @Policy('compute:server-metadata:update')
  @Describe({ summary: 'Replace a server’s metadata', body: MetadataBody, answers: { 200: MetadataAnswer } })
  replace(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    return this.set(call, id, readBody(MetadataBody, body).metadata, true);
  }

  @Get(':key')
  @Policy('compute:server-metadata:get')
  @Describe({ summary: 'One item of a server’s metadata', answers: { 200: MetadataItem } })
  async get(@CallParam() call: Call, @Param('id') id: string, @Param('key') key: string) {
    const metadata = await this.all(call, id);
    if (!Object.hasOwn(metadata, key)) throw notFound('Metadata item was not found');
    return { meta: { [key]: metadata[key] } };
  }

  @Put(':key')
  @Policy('compute:server-metadata:update')
  @Describe({ summary: 'Set one item of a server’s metadata', body: MetadataItemBody, answers: { 200: MetadataItem } })
  async setOne(@CallParam() call: Call, @Param('id') id: string, @Param('key') key: string, @Body() body: unknown) {
    const { meta } = readBody(MetadataItemBody, body);
    if (!Object.hasOwn(meta, key)) throw badRequest('Request body and URI mismatch');
    await this.set(call, id, meta, false);
    return { meta };
  }

  @Delete(':key')
  @HttpCode(204)
  @Policy('compute:server-metadata:delete')
  @Describe({ summary: 'Take away one item of a server’s metadata', answers: { 204: null } })
  async delete(@CallParam() { caller }: Call, @Param('id') id: string, @Param('key') key: string): Promise<void> {
    await asking(this.bus, caller)(deleteServerMetadata, { instanceId: serverIdOf(id), key: key.slice(0, 255) });
  }

  private async all({ caller }: Call, id: string): Promise<Record<string, string>> {
    return (await asking(this.bus, caller)(getServer, { instanceId: serverIdOf(id) })).metadata;
  }

  private set({ caller }: Call, id: string, metadata: Record<string, string>, replace: boolean): Promise<{ metadata: Record<string, string> }> {
    return asking(this.bus, caller)(setServerMetadata, { instanceId: serverIdOf(id), metadata, replace });
  }
}
