import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { badRequest, forbidden } from '#libs/errors';
import { DomainsRepository } from '../domains/domains.repository.js';
import { changedFields, extraOf, mergedExtra, mergedOptions, requireSameId } from '../http/body.js';
import { found } from '../http/found.js';
import { refuseImmutableChange } from '../http/immutable.js';
import { unlessTaken } from '../http/unless-taken.js';
import { revoke } from '../revocations/revocations.repository.js';
import { keepingAnAdmin, projectIsAboveManagers } from '../users/admins.repository.js';
import { duplicateProject } from './create-project.js';
import { ProjectsRepository, type OwnProjectRow } from './projects.repository.js';
import { PROJECT_KEYS, type UpdateProjectBody } from './projects.schema.js';

type Body = UpdateProjectBody['project'];

/** Changes a project. Disabling ends every token for it; nothing below may be enabled then, and nothing above disabled when it is enabled. */
@Injectable()
export class UpdateProject {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly projects: ProjectsRepository, private readonly domains: DomainsRepository) {}

  run(caller: Caller, { id, domainId }: OwnProjectRow, { project: body }: UpdateProjectBody): Promise<OwnProjectRow> {
    requireSameId(id, body);
    return this.db.transaction((client) => keepingAnAdmin(client, body.enabled === false, `disabling project ${id}`, async () => {
      const domain = found('project', id, await this.domains.lock(client, domainId));
      const old = found('project', id, await this.projects.lock(client, id));
      refuseImmutableChange('project', id, old.options, body);
      refuseMove(old, body);
      const row: OwnProjectRow = {
        ...old, name: body.name ?? old.name, description: body.description === undefined ? old.description : (body.description ?? ''), enabled: body.enabled ?? old.enabled,
        tags: body.tags ?? old.tags, options: mergedOptions(old.options, body.options), extra: mergedExtra(old.extra, extraOf(body, PROJECT_KEYS)),
      };
      if (!old.enabled && row.enabled) await this.requireEnabledAbove(client, old, domain.enabled);
      const disabled = old.enabled && !row.enabled;
      if (disabled && !caller.isAdmin && (await projectIsAboveManagers(client, id))) throw forbidden('Only an admin may disable a project on which somebody holds the admin or service role.');
      if (disabled && (await this.projects.below(client, id)).some(({ enabled }) => enabled)) {
        throw forbidden(`Cannot disable project ${id} since its subtree contains enabled projects.`);
      }
      await unlessTaken(this.projects.update(client, row), () => duplicateProject(row));
      if (disabled) await revoke(client, { projectId: id, reason: 'the project was disabled' });
      await audit(client, caller, { service: 'identity', action: 'projects:update', target: { kind: 'project', id }, detail: { name: row.name, domainId, changed: changedFields(body), ...(disabled && { disabled }) } });
      return row;
    }));
  }

  private async requireEnabledAbove(client: PoolClient, { id, parentId }: OwnProjectRow, domainEnabled: boolean): Promise<void> {
    const above = await this.projects.andAbove(client, parentId);
    if (!domainEnabled || above.some(({ enabled }) => !enabled)) throw forbidden(`Cannot enable project ${id} since it has disabled parents`);
  }
}

/** A project stays where it was made. */
function refuseMove(old: OwnProjectRow, body: Body): void {
  if (body.domain_id !== undefined && body.domain_id !== old.domainId) throw badRequest('Cannot change Domain ID');
  if (body.parent_id !== undefined && body.parent_id !== old.parentId) throw forbidden('Update of `parent_id` is not allowed.');
  if (body.is_domain === true) throw badRequest('Update of `is_domain` is not allowed.');
}
