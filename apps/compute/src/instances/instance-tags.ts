import { Injectable } from '@nestjs/common';
import type { deleteServerTag, OutputOf, ReceivedBy, setServerTags } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { visible } from './caller-project.js';
import { demandAllowed } from './demand-allowed.js';
import { InstancesRepository } from './instances.repository.js';

/** Words that people put on a server to find it by. */
@Injectable()
export class InstanceTags {
  constructor(private readonly instances: InstancesRepository) {}

  async set({ caller, instanceId, tags, replace }: ReceivedBy<typeof setServerTags>): Promise<OutputOf<typeof setServerTags>> {
    let added = false;
    const row = await this.instances.decideAndChange(instanceId, (found) => {
      const current = visible(found, caller, instanceId);
      demandAllowed('update-tags', current, caller);
      const next = [...new Set(replace ? tags : [...current.tags, ...tags])];
      if (next.length > LIMITS.tagsPerServer) throw badRequest(`The number of tags exceeded the per-server limit ${LIMITS.tagsPerServer}`);
      added = next.some((tag) => !current.tags.includes(tag));
      if (!added && next.length === current.tags.length) return undefined;
      return { set: { tags: next }, events: [{ kind: 'update-tags', message: next.join(', '), requestId: caller.requestId, userId: caller.userId, by: caller }] };
    });
    return { tags: visible(row, caller, instanceId).tags, added };
  }

  async delete({ caller, instanceId, tag }: ReceivedBy<typeof deleteServerTag>): Promise<Record<string, never>> {
    await this.instances.decideAndChange(instanceId, (found) => {
      const current = visible(found, caller, instanceId);
      demandAllowed('delete-tags', current, caller);
      if (tag !== null && !current.tags.includes(tag)) throw notFound(`Instance ${instanceId} has no tag '${tag}'`);
      if (current.tags.length === 0) return undefined;
      return {
        set: { tags: tag === null ? [] : current.tags.filter((each) => each !== tag) },
        events: [{ kind: 'delete-tags', message: tag ?? '', requestId: caller.requestId, userId: caller.userId, by: caller }],
      };
    });
    return {};
  }
}
