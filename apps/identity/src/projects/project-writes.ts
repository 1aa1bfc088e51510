import { Injectable } from '@nestjs/common';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import type { Ids } from '#libs/http';
import { CreateDomain } from '../domains/create-domain.js';
import { DeleteDomain } from '../domains/delete-domain.js';
import type { DomainRow } from '../domains/domains.repository.js';
import { UpdateDomain } from '../domains/update-domain.js';
import { found } from '../http/found.js';
import { CreateProject } from './create-project.js';
import { DeleteProject } from './delete-project.js';
import { ProjectsRepository, type OwnProjectRow, type ProjectRow } from './projects.repository.js';
import type { CreateProjectBody, UpdateProjectBody } from './projects.schema.js';
import { UpdateProject } from './update-project.js';

/**
 * Keystone's clients may treat a domain as a project that acts as one (`is_domain`): tells both apart, asks whether the caller
 * may, and hands each to its own operation.
 */
@Injectable()
export class ProjectWrites {
  constructor(
    private readonly projects: ProjectsRepository, private readonly createProject: CreateProject, private readonly updateProject: UpdateProject, private readonly deleteProject: DeleteProject,
    private readonly createDomain: CreateDomain, private readonly updateDomain: UpdateDomain, private readonly deleteDomain: DeleteDomain,
  ) {}

  async create(caller: Caller, body: CreateProjectBody, ids: Ids): Promise<ProjectRow> {
    const { project } = body;
    if (project.is_domain !== true) return this.createProject.run(caller, body, ids);
    enforce('identity:domains:create', caller);
    if (typeof (project.parent_id ?? project.domain_id) === 'string') throw badRequest('only root projects are allowed to act as domains.');
    const { name, description, enabled, options, tags } = project;
    return asProject(await this.createDomain.run(caller, { domain: { name, description, enabled, options, tags } }, ids));
  }

  async update(caller: Caller, id: string, body: UpdateProjectBody): Promise<ProjectRow> {
    const row = await this.writable('identity:projects:update', caller, id);
    if (!isOwn(row)) {
      enforce('identity:domains:update', caller);
      const { name, description, enabled, options, tags } = body.project;
      return asProject(await this.updateDomain.run(caller, id, { domain: { name, description, enabled, options, tags } }));
    }
    return this.updateProject.run(caller, row, body);
  }

  async remove(caller: Caller, id: string): Promise<void> {
    const row = await this.writable('identity:projects:delete', caller, id);
    if (isOwn(row)) return this.deleteProject.run(caller, row);
    enforce('identity:domains:delete', caller);
    return this.deleteDomain.run(caller, id);
  }

  private async writable(rule: 'identity:projects:update' | 'identity:projects:delete', caller: Caller, id: string): Promise<ProjectRow> {
    const row = await this.projects.get(id);
    enforce(rule, caller, { domainId: row?.domainId ?? undefined });
    return found('project', id, row);
  }
}

const isOwn = (row: ProjectRow): row is OwnProjectRow => !row.isDomain;
const asProject = (domain: DomainRow): ProjectRow => ({ ...domain, domainId: null, parentId: null, isDomain: true, extra: {} });
