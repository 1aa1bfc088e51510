import { Inject, Injectable } from '@nestjs/common';
import type { ReceivedBy, resizeServer } from '#libs/contracts';
import { badRequest, conflict, overQuota } from '#libs/errors';
import { readNeeds } from '#libs/openstack';
import { FlavorsRepository } from '../flavors/flavors.repository.js';
import { HostDirectory } from '../hosts/host-directory.js';
import type { Usage } from '../instances/decide/quota.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { ProjectLimitsCopy } from '../quota/project-limits.js';
import { BeginMove, type MovePlan } from './begin-move.js';
import { overQuotaBy, resized, whyNotBeside, whyNotResizable } from './decide/resize.js';
import { MOVE_POLICY, type MovePolicy } from './move-policy.js';

/** Another flavor for a server that is there: on its host if that has room and may, else on another one, with its disk. */
@Injectable()
export class ResizeInstance {
  constructor(
    private readonly moves: BeginMove, private readonly flavors: FlavorsRepository, private readonly limits: ProjectLimitsCopy,
    private readonly hosts: HostDirectory, @Inject(MOVE_POLICY) private readonly policy: MovePolicy,
  ) {}

  resize({ caller, instanceId, flavorId }: ReceivedBy<typeof resizeServer>): Promise<Record<string, never>> {
    return this.moves.begin(caller, instanceId, 'resize', async (row): Promise<MovePlan> => {
      const flavor = await this.flavors.findFor(caller, flavorId);
      if (!flavor) throw badRequest(`Flavor ${flavorId} could not be found.`);
      const problem = whyNotResizable(row.spec, flavor);
      if (problem !== undefined) throw badRequest(problem);
      const read = readNeeds(flavor, row.spec.imageProperties ?? {});
      if ('problem' in read) throw badRequest(read.problem);
      const crowded = whyNotBeside(read.needs?.devices ?? [], row.attachments);
      if (crowded !== undefined) throw conflict(`Cannot 'resize' instance ${row.id}: ${crowded}`);
      const { canStay, canLeave } = await this.#ways(row);
      if (!canStay && !canLeave) throw conflict(`Cannot 'resize' instance ${row.id}: the agent of its host is older and cannot do it; update the agent.`);
      const limits = await this.limits.of(row.project_id);
      return {
        kind: 'resize', spec: resized(row.spec, flavor), mayStay: canStay, requestedHost: canLeave ? null : row.host_name, message: `from ${row.spec.flavor.name} to ${flavor.name}`,
        limit: limits.cores < 0 && limits.ramMib < 0 && limits.devices === undefined ? undefined : (used: Usage): void => {
          const over = overQuotaBy(limits, used, row.spec.flavor, flavor);
          if (over !== undefined) throw overQuota(over.refused, { details: over.details });
        },
      };
    });
  }

  /** What the agent of its host can do; one that is not known now is taken to be able. */
  async #ways(row: InstanceRow): Promise<{ canStay: boolean; canLeave: boolean }> {
    const host = await this.hosts.find(row.host_id as string).catch(() => undefined);
    const can = (word: string): boolean => host === undefined || host.capabilities.includes(word);
    return { canStay: this.policy.resizeInPlace && can('RESIZE_IN_PLACE'), canLeave: can('DISK_TRANSFER') };
  }
}
