import { Body, Delete, Get, Inject, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { enforce, Policy } from '#libs/auth';
import { createKeypair, deleteKeypair, getKeypair, listKeypairs } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { has, keypairCreated, keypairDetail, keypairList } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { pagingOf, withMarker } from '../../http/paging.js';
import { readBody, readQuery } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';
import { KeypairAnswer, KeypairCreated, KeypairList } from '../answers.js';
import { CreateKeypairBody, KeypairQuery, ListKeypairsQuery } from './keypairs.schema.js';

@ComputeController('os-keypairs')
export class KeypairsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:keypairs:list')
  @Describe({ summary: 'List one’s keypairs', query: ListKeypairsQuery, answers: { 200: KeypairList } })
  async list(@CallParam() call: Call) {
    const paged = has(call.version, 'keypair.paging');
    const paging = pagingOf(call.query, paged ? readQuery(ListKeypairsQuery, call.query) : {});
    const { keypairs } = paging.limit === 0 ? { keypairs: [] } : await withMarker(paging.marker, asking(this.bus, call.caller)(listKeypairs, {
      userId: userOf(call, ListKeypairsQuery), limit: paged ? paging.limit : LIMITS.page, ...(paging.marker !== undefined && { marker: paging.marker }),
    }));
    return keypairList(keypairs, paging, call);
  }

  @Post()
  @Policy('compute:keypairs:create')
  @Describe({ summary: 'Create a keypair, or import a public key', body: CreateKeypairBody, answers: { 201: KeypairCreated } })
  async create(@CallParam() call: Call, @Body() body: unknown, @Res({ passthrough: true }) reply: FastifyReply) {
    const { keypair } = readBody(CreateKeypairBody(call.version), body);
    const { type, user_id: userId } = keypair as { type?: 'ssh' | 'x509'; user_id?: string };
    if (userId !== undefined && userId !== call.caller.userId) {
      enforce('compute:keypairs:any-user', call.caller);
    }
    const made = await asking(this.bus, call.caller)(createKeypair, { ...(userId !== undefined && { userId }), name: keypair.name, type: type ?? 'ssh', publicKey: keypair.public_key ?? null });
    void reply.code(has(call.version, 'keypair.type') ? 201 : 200);
    return keypairCreated(made.keypair, made.privateKey, call.version);
  }

  @Get(':name')
  @Policy('compute:keypairs:get')
  @Describe({ summary: 'One keypair', query: KeypairQuery, answers: { 200: KeypairAnswer } })
  async get(@CallParam() call: Call, @Param('name') name: string) {
    return keypairDetail(await asking(this.bus, call.caller)(getKeypair, { userId: userOf(call), name }), call.version);
  }

  @Delete(':name')
  @Policy('compute:keypairs:delete')
  @Describe({ summary: 'Delete a keypair; servers keep the key they were made with', query: KeypairQuery, answers: { 204: null } })
  async delete(@CallParam() call: Call, @Param('name') name: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    await asking(this.bus, call.caller)(deleteKeypair, { userId: userOf(call), name });
    void reply.code(has(call.version, 'keypair.type') ? 204 : 202);
  }
}

/** Oneself, or from 2.10 on another user, for admins. The first of several counts. */
function userOf(call: Call, query: z.ZodType<{ user_id?: string[] | undefined }> = KeypairQuery): string {
  const strict = has(call.version, 'query.strict');
  const asked = has(call.version, 'keypair.user-id') ? readQuery(query, call.query, strict).user_id?.[0] : undefined;
  if (asked === undefined || asked === call.caller.userId) return call.caller.userId;
  enforce('compute:keypairs:any-user', call.caller);
  return asked;
}
