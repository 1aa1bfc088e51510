import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, conflict, SkyError } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { DomainsRepository } from '../domains/domains.repository.js';
import { extraOf, mergedExtra, mergedOptions } from '../http/body.js';
import { homeDomain } from '../http/home-domain.js';
import { newId } from '../http/new-id.js';
import { unlessTaken } from '../http/unless-taken.js';
import { LIMITS } from '../limits.js';
import { whyNotThere } from './decide/project-tree.js';
import { ProjectsRepository, type OwnProjectRow, type ProjectRow } from './projects.repository.js';
import { PROJECT_KEYS, type CreateProjectBody } from './projects.schema.js';

@Injectable()
export class CreateProject {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly projects: ProjectsRepository, private readonly domains: DomainsRepository) {}

  /** A project without a domain goes to its parent's; without either, to the domain of the token. */
  async run(caller: Caller, { project: body }: CreateProjectBody, ids: Ids): Promise<ProjectRow> {
    const domainId = body.domain_id ?? (await this.parentDomain(body.parent_id)) ?? homeDomain(caller);
    enforce('identity:projects:create', caller, { domainId });
    const row: OwnProjectRow = {
      id: newId(ids, 'project'), name: body.name, domainId, description: body.description ?? '', enabled: body.enabled ?? true, parentId: body.parent_id ?? domainId,
      isDomain: false, tags: body.tags ?? [], options: mergedOptions({}, body.options), extra: mergedExtra({}, extraOf(body, PROJECT_KEYS)),
    };
    const made = this.db.transaction(async (client) => {
      // Whoever changes this domain's tree waits here: so a parent that is enabled now still is at the commit.
      const domain = await this.domains.lock(client, domainId);
      if (domain === null) throw badRequest(`Could not find domain: ${domainId}.`);
      const above = row.parentId === domainId ? [] : await this.projects.andAbove(client, row.parentId);
      if (row.parentId !== domainId && above.length === 0) throw badRequest(`Could not find project: ${row.parentId}.`);
      const refusal = whyNotThere({ domain, parentId: row.parentId, above, maxDepth: LIMITS.projectDepth });
      if (refusal !== undefined) throw new SkyError(refusal.kind, refusal.message);
      if (await this.projects.isDomain(client, row.id)) throw conflict(duplicateProject(row));
      await unlessTaken(this.projects.insert(client, row), () => duplicateProject(row));
      await audit(client, caller, { service: 'identity', action: 'projects:create', target: { kind: 'project', id: row.id }, detail: { name: row.name, domainId, parentId: row.parentId } });
      return row as ProjectRow;
    });
    return unlessRepeated(ids, made, async () => (await this.projects.get(row.id)) ?? undefined, (found) => found.name === row.name);
  }

  private async parentDomain(parentId: string | null | undefined): Promise<string | undefined> {
    return typeof parentId === 'string' ? this.projects.domainOf(parentId) : undefined;
  }
}

/** Keystone's words. */
export const duplicateProject = ({ id, name }: { id: string; name: string }): string =>
  `Conflict occurred attempting to store project - it is not permitted to have two projects with either the same name or same id in the same domain: name is ${name}, project id ${id}.`;
