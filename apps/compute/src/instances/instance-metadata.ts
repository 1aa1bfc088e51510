import { Injectable } from '@nestjs/common';
import type { deleteServerMetadata, OutputOf, ReceivedBy, setServerMetadata } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { ProjectLimitsCopy } from '../quota/project-limits.js';
import { visible } from './caller-project.js';
import { demandAllowed } from './demand-allowed.js';
import { demandMetadata } from './demand-metadata.js';
import { InstancesRepository } from './instances.repository.js';

/** What people note on a server as keys and values. Its guest sees them when its config drive is made anew, so no host is told. */
@Injectable()
export class InstanceMetadata {
  constructor(private readonly instances: InstancesRepository, private readonly limits: ProjectLimitsCopy) {}

  async set({ caller, instanceId, metadata, replace }: ReceivedBy<typeof setServerMetadata>): Promise<OutputOf<typeof setServerMetadata>> {
    const { project_id: projectId } = visible(await this.instances.find(instanceId), caller, instanceId);
    const limits = await this.limits.of(projectId);
    const row = await this.instances.decideAndChange(instanceId, (found) => {
      const current = visible(found, caller, instanceId);
      demandAllowed('update-metadata', current, caller);
      const next = replace ? metadata : { ...current.metadata, ...metadata };
      demandMetadata(next, limits);
      return { set: { metadata: next }, events: [{ kind: 'update-metadata', message: Object.keys(metadata).join(', '), requestId: caller.requestId, userId: caller.userId, by: caller }] };
    });
    return { metadata: visible(row, caller, instanceId).metadata };
  }

  async delete({ caller, instanceId, key }: ReceivedBy<typeof deleteServerMetadata>): Promise<Record<string, never>> {
    await this.instances.decideAndChange(instanceId, (found) => {
      const current = visible(found, caller, instanceId);
      if (!Object.hasOwn(current.metadata, key)) throw notFound('Metadata item was not found');
      demandAllowed('delete-metadata', current, caller);
      const { [key]: _gone, ...rest } = current.metadata;
      return { set: { metadata: rest }, events: [{ kind: 'delete-metadata', message: key, requestId: caller.requestId, userId: caller.userId, by: caller }] };
    });
    return {};
  }
}
