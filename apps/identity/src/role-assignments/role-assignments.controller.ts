import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { ZodQuery } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { GrantsRepository } from './grants.repository.js';
import { RoleAssignmentsRepository } from './role-assignments.repository.js';
import { inherited, RoleAssignmentsQuery } from './role-assignments.schema.js';
import { roleAssignmentView } from './role-assignments.view.js';

@Controller('identity/v3/role_assignments')
@UseInterceptors(VaryInterceptor)
export class RoleAssignmentsController {
  constructor(private readonly assignments: RoleAssignmentsRepository, private readonly grants: GrantsRepository, private readonly base: BaseUrl) {}

  /** Somebody with a token for a domain sees what is given on that domain and its projects. */
  @Get()
  @Policy('identity:role-assignments:list')
  async list(@CallerParam() caller: Caller, @ZodQuery(RoleAssignmentsQuery) query: RoleAssignmentsQuery, @Req() request: FastifyRequest) {
    const projectId = query['scope.project.id'];
    if (query.include_subtree === true && projectId !== undefined) {
      const { targetDomain } = await this.grants.parties({ userId: null, groupId: null, projectId, domainId: null, system: false, inherited: false }, null);
      enforce('identity:role-assignments:list-tree', caller, { projectId, domainId: targetDomain });
    }
    const { rows, next } = await this.assignments.list({
      userId: query['user.id'], groupId: query['group.id'], roleId: query['role.id'], projectId, domainId: query['scope.domain.id'], system: query['scope.system'] !== undefined,
      inherited: inherited(query), subtree: query.include_subtree, effective: query.effective, withinDomain: caller.scopeDomainId ?? undefined, limit: query.limit, marker: query.marker,
    });
    return {
      role_assignments: rows.map((row) => roleAssignmentView(this.base.v3(request), row, query.include_names === true)),
      links: this.base.links(request, '/role_assignments', next),
    };
  }
}
