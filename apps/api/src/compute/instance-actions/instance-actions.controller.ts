import { Get, Inject, Param } from '@nestjs/common';
import type { z } from 'zod';
import { allows, Policy } from '#libs/auth';
import { readTimeline } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { has, instanceActionDetail, instanceActionList, type InstanceActionContext } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { pagingOf } from '../../http/paging.js';
import { last, readQuery } from '../../http/read-input.js';
import { forTenant } from '../../v1/timeline/tenant-timeline.js';
import { serverIdOf } from '../servers/server-id.js';
import { ActionAnswer, ActionList, ListActionsQuery, listActionsQueryAt, momentOf } from './instance-actions.schema.js';

/** What was asked of a server, and how each request went on: Nova's view of the timeline. */
@ComputeController('servers/:id/os-instance-actions')
export class InstanceActionsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:instance-actions:list')
  @Describe({ summary: 'What was asked of a server, newest first', query: ListActionsQuery, answers: { 200: ActionList } })
  async list(@CallParam() call: Call, @Param('id') id: string) {
    const instanceId = serverIdOf(id);
    const asked = readQuery(listActionsQueryAt(call.version), call.query) as z.output<typeof ListActionsQuery>;
    const since = last(asked['changes-since']);
    const before = last(asked['changes-before']);
    if (since !== undefined && before !== undefined && momentOf(since) > momentOf(before)) throw badRequest('The value of changes-since must be less than or equal to changes-before.');
    const paging = pagingOf(call.query, asked);
    // No id of ours is longer.
    if (paging.marker !== undefined && paging.marker.length > 64) throw badRequest(`marker [${paging.marker.slice(0, 64)}] not found`);
    const { entries } = await asking(this.bus, call.caller)(readTimeline, {
      instanceId, deletedToo: has(call.version, 'instance-action.deleted'), requestsOnly: true, withLines: false, limit: paging.limit,
      ...(paging.marker !== undefined && { marker: paging.marker }),
      ...(since !== undefined && { changesSince: momentOf(since).toISOString() }), ...(before !== undefined && { changesBefore: momentOf(before).toISOString() }),
    });
    return instanceActionList(entries, paging, contextOf(call, instanceId));
  }

  @Get(':requestId')
  @Policy('compute:instance-actions:get')
  @Describe({ summary: 'One request and its steps', answers: { 200: ActionAnswer } })
  async get(@CallParam() call: Call, @Param('id') id: string, @Param('requestId') requestId: string) {
    const instanceId = serverIdOf(id);
    const context = contextOf(call, instanceId);
    // No id of ours is longer; what is no id is nobody's.
    const { entries: [entry] } = requestId.length > 64 ? { entries: [] } : await asking(this.bus, call.caller)(readTimeline, {
      instanceId, deletedToo: has(call.version, 'instance-action.deleted'), requestsOnly: true, requestId, withLines: true, limit: 1,
    });
    if (entry === undefined) throw notFound(`Action for request_id ${requestId.slice(0, 64)} on instance ${instanceId} not found`);
    return instanceActionDetail(context.isAdmin ? entry : forTenant(entry), context);
  }
}

const contextOf = (call: Call, instanceId: string): InstanceActionContext =>
  ({ version: call.version, links: call.links, instanceId, isAdmin: allows('compute:servers:host-details', call.caller) });
