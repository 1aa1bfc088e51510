import { Injectable } from '@nestjs/common';
import type { InstanceView, ReceivedBy, updateServer } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { visible } from './caller-project.js';
import { viewOf } from './instance-row.js';
import { InstancesRepository } from './instances.repository.js';

/** Changes what people call a server. Its guest keeps the hostname it was built with, so no host is told. */
@Injectable()
export class UpdateInstance {
  constructor(private readonly instances: InstancesRepository) {}

  async update({ caller, instanceId, name, description, hostname }: ReceivedBy<typeof updateServer>): Promise<InstanceView> {
    if (name !== undefined && name.trim() === '') throw badRequest("Invalid input for field/attribute name. Value: it is empty or only whitespace.");
    const row = await this.instances.decideAndChange(instanceId, (found) => {
      visible(found, caller, instanceId);
      const set = { ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...(hostname !== undefined && { hostname }) };
      return Object.keys(set).length === 0 ? undefined : { set, events: [{ kind: 'update', message: Object.keys(set).join(', '), requestId: caller.requestId, userId: caller.userId, by: caller }] };
    });
    return viewOf(visible(row, caller, instanceId));
  }
}
