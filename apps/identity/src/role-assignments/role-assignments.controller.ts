import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Policy } from '#libs/auth';
import { ZodQuery } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import type { Paged } from '../http/links.js';
import { RoleAssignmentsQuery } from '../http/queries.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { RoleAssignmentsRepository, type RoleAssignmentRow } from './role-assignments.repository.js';
import { roleAssignmentView } from './role-assignments.view.js';

@Controller('identity/v3/role_assignments')
@UseInterceptors(VaryInterceptor)
export class RoleAssignmentsController {
  constructor(private readonly assignments: RoleAssignmentsRepository, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:role-assignments:list')
  async list(@ZodQuery(RoleAssignmentsQuery) query: RoleAssignmentsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = onUsersAndProjects(query) ? await this.assignments.list(query) : NONE;
    return {
      role_assignments: rows.map((row) => roleAssignmentView(this.base.v3(request), row, query.include_names === true)),
      links: this.base.links(request, '/role_assignments', next),
    };
  }
}

const NONE: Paged<RoleAssignmentRow> = { rows: [], next: undefined };

/** Roles are held by users on projects, uninherited: asked for anything else the answer is an empty list. */
const onUsersAndProjects = (query: RoleAssignmentsQuery): boolean =>
  [query['group.id'], query['scope.domain.id'], query['scope.system'], query['scope.OS-INHERIT:inherited_to']].every((other) => other === undefined);
