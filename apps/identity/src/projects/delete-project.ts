import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { forbidden } from '#libs/errors';
import { deleteApplicationCredentialsOf, goneCredentials } from '../application-credentials/dead-credentials.repository.js';
import { DomainsRepository } from '../domains/domains.repository.js';
import { found } from '../http/found.js';
import { refuseImmutableDelete } from '../http/immutable.js';
import { revoke } from '../revocations/revocations.repository.js';
import { keepingAnAdmin, projectIsAboveManagers } from '../users/admins.repository.js';
import { ProjectsRepository, type OwnProjectRow } from './projects.repository.js';

/** Deletes a project that has none below it. What other services keep of it stays theirs, as in every OpenStack. */
@Injectable()
export class DeleteProject {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly projects: ProjectsRepository, private readonly domains: DomainsRepository) {}

  run(caller: Caller, { id, domainId }: OwnProjectRow): Promise<void> {
    return this.db.transaction((client) => keepingAnAdmin(client, true, `deleting project ${id}`, async () => {
      await this.domains.lock(client, domainId);
      const old = found('project', id, await this.projects.lock(client, id));
      refuseImmutableDelete('project', id, old.options);
      if (!caller.isAdmin && (await projectIsAboveManagers(client, id))) throw forbidden('Only an admin may delete a project on which somebody holds the admin or service role.');
      if ((await this.projects.below(client, id)).length > 0) {
        throw forbidden(`Cannot delete the project ${id} since it is not a leaf in the hierarchy. Delete the projects below it first.`);
      }
      await revoke(client, { projectId: id, reason: 'the project was deleted' });
      const gone = await deleteApplicationCredentialsOf(client, 'project', id);
      await this.projects.remove(client, id);
      await audit(client, caller, { service: 'identity', action: 'projects:delete', target: { kind: 'project', id }, detail: { name: old.name, domainId, ...goneCredentials(gone) } });
    }));
  }
}
