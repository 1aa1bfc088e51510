import { Body, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { allows, Policy } from '#libs/auth';
import { createServerGroup, deleteServerGroup, getServerGroup, listServerGroups, type ServerGroupPolicy } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { has, serverGroupView } from '#libs/openstack';
import { asking, CallParam, projectOf, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { dashed } from '../../http/input-types.js';
import { last, readBody, readQuery } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';
import { ServerGroupAnswer, ServerGroupList } from '../answers.js';
import { CreateServerGroupBody, ListServerGroupsQuery } from './server-groups.schema.js';

@ComputeController('os-server-groups')
export class ServerGroupsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  /** `all_projects` says it by being there, whatever its value, and only to admins. */
  @Get()
  @Policy('compute:server-groups:list')
  @Describe({ summary: 'List server groups', query: ListServerGroupsQuery, answers: { 200: ServerGroupList } })
  async list(@CallParam() { caller, version, query }: Call) {
    const values = readQuery(ListServerGroupsQuery, query, has(version, 'query.strict'));
    const everyones = values.all_projects !== undefined && allows('compute:server-groups:list-all', caller);
    const { groups } = await asking(this.bus, caller)(listServerGroups, {
      projectId: everyones ? null : projectOf(caller), offset: Math.min(Number(last(values.offset) ?? 0), LIMITS.offset), limit: limitOf(last(values.limit)),
    });
    return { server_groups: groups.map((group) => serverGroupView(group, version)) };
  }

  @Post()
  @HttpCode(200)
  @Policy('compute:server-groups:create')
  @Describe({ summary: 'Create a server group', body: CreateServerGroupBody, answers: { 200: ServerGroupAnswer } })
  async create(@CallParam() { caller, version, ids }: Call, @Body() body: unknown) {
    const { server_group: asked } = readBody(CreateServerGroupBody(version), body);
    const policy = ('policies' in asked ? asked.policies[0] : asked.policy) as ServerGroupPolicy;
    const maxServerPerHost = ('rules' in asked ? asked.rules?.max_server_per_host : undefined) ?? null;
    if (maxServerPerHost !== null && policy !== 'anti-affinity') throw badRequest('Only anti-affinity policy supports rules.');
    return { server_group: serverGroupView(await asking(this.bus, caller)(createServerGroup, { groupId: ids.uuid('group'), name: asked.name, policy, maxServerPerHost }), version) };
  }

  @Get(':id')
  @Policy('compute:server-groups:get')
  @Describe({ summary: 'One server group', answers: { 200: ServerGroupAnswer } })
  async get(@CallParam() { caller, version }: Call, @Param('id') id: string) {
    return { server_group: serverGroupView(await asking(this.bus, caller)(getServerGroup, { groupId: groupIdOf(id) }), version) };
  }

  @Delete(':id')
  @HttpCode(204)
  @Policy('compute:server-groups:delete')
  @Describe({ summary: 'Delete a server group; its servers stay', answers: { 204: null } })
  async delete(@CallParam() { caller }: Call, @Param('id') id: string): Promise<void> {
    await asking(this.bus, caller)(deleteServerGroup, { groupId: groupIdOf(id) });
  }
}

/** 0 asks for as many as there may be, unlike elsewhere. */
function limitOf(text: string | undefined): number {
  const asked = Number(text ?? 0);
  return asked === 0 ? LIMITS.page : Math.min(asked, LIMITS.page);
}

function groupIdOf(text: string): string {
  // A uuid by its digits alone is not enough: one without a version is nobody's, and out of contract.
  const id = z.uuid().safeParse(dashed(text));
  if (!id.success) throw notFound(`Instance group ${text.slice(0, 255)} could not be found.`);
  return id.data;
}
