import { Injectable } from '@nestjs/common';
import type { Caller, createServerGroup, deleteServerGroup, getServerGroup, listServerGroups, OutputOf, ReceivedBy, ServerGroup } from '#libs/contracts';
import { badRequest, conflict, forbidden, notFound, overQuota } from '#libs/errors';
import { projectOf } from '../instances/caller-project.js';
import { ProjectLimitsCopy } from '../quota/project-limits.js';
import { ServerGroupsRepository } from './server-groups.repository.js';

/** Server groups: which servers are to be together or apart. Membership is written where servers are made. */
@Injectable()
export class ServerGroups {
  constructor(private readonly groups: ServerGroupsRepository, private readonly limits: ProjectLimitsCopy) {}

  async create({ caller, groupId, name, policy, maxServerPerHost }: ReceivedBy<typeof createServerGroup>): Promise<ServerGroup> {
    if (maxServerPerHost !== null && policy !== 'anti-affinity') throw badRequest('Only anti-affinity policy supports rules.');
    const projectId = projectOf(caller);
    const { serverGroups: max } = await this.limits.of(projectId);
    const outcome = await this.groups.create({ id: groupId, projectId, userId: caller.userId, name, policy, maxServerPerHost }, max, caller);
    if (outcome === 'full') throw overQuota('Quota exceeded, too many server groups.');
    const group = await this.groups.find(groupId);
    if (!group || group.projectId !== projectId) throw conflict(`A server group with the id ${groupId} exists already.`);
    return group;
  }

  async list({ caller, projectId, offset, limit }: ReceivedBy<typeof listServerGroups>): Promise<OutputOf<typeof listServerGroups>> {
    if (!caller.isAdmin && projectId !== caller.projectId) throw forbidden("Only an administrator may list other projects' server groups.");
    return { groups: await this.groups.list(projectId, offset, limit) };
  }

  async get({ caller, groupId }: ReceivedBy<typeof getServerGroup>): Promise<ServerGroup> {
    return seenBy(caller, await this.groups.find(groupId), groupId);
  }

  async delete({ caller, groupId }: ReceivedBy<typeof deleteServerGroup>): Promise<Record<string, never>> {
    seenBy(caller, await this.groups.find(groupId), groupId);
    if (!(await this.groups.delete(groupId, caller))) throw missing(groupId);
    return {};
  }
}

const missing = (groupId: string) => notFound(`Instance group ${groupId} could not be found.`);

function seenBy({ isAdmin, projectId }: Caller, group: ServerGroup | undefined, groupId: string): ServerGroup {
  if (!group || (!isAdmin && group.projectId !== projectId)) throw missing(groupId);
  return group;
}
