import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { enforceOn } from '../http/enforce-on.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { CreateRole } from './create-role.js';
import { DeleteRole } from './delete-role.js';
import { RolesRepository, type RoleRow } from './roles.repository.js';
import { CreateRoleBody, RolesQuery, UpdateRoleBody } from './roles.schema.js';
import { roleView } from './roles.view.js';
import { UpdateRole } from './update-role.js';

@Controller('identity/v3/roles')
@UseInterceptors(VaryInterceptor)
export class RolesController {
  constructor(
    private readonly roles: RolesRepository, private readonly createRole: CreateRole, private readonly updateRole: UpdateRole,
    private readonly deleteRole: DeleteRole, private readonly base: BaseUrl,
  ) {}

  @Get()
  @Policy('identity:roles:list')
  async list(@CallerParam() caller: Caller, @ZodQuery(RolesQuery) query: RolesQuery, @Req() request: FastifyRequest) {
    if (query.domain_id !== undefined) enforceOn('identity:domain-roles:list', caller, { domainId: query.domain_id });
    const { rows, next } = await this.roles.list(query);
    return { roles: rows.map((row) => roleView(this.base.v3(request), row)), links: this.base.links(request, '/roles', next) };
  }

  @Post()
  @Policy('identity:roles:create')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateRoleBody) body: CreateRoleBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return this.view(request, await this.createRole.run(caller, body, ids));
  }

  @Get(':id')
  @Policy('identity:roles:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    const role = found('role', id, await this.roles.get(id));
    if (role.domainId !== null) enforceOn('identity:domain-roles:get', caller, { domainId: role.domainId });
    return this.view(request, role);
  }

  @Patch(':id')
  @Policy('identity:roles:update')
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateRoleBody) body: UpdateRoleBody, @Req() request: FastifyRequest) {
    return this.view(request, await this.updateRole.run(caller, id, body));
  }

  @Delete(':id')
  @Policy('identity:roles:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.deleteRole.run(caller, id);
  }

  private view(request: FastifyRequest, row: RoleRow) {
    return { role: roleView(this.base.v3(request), row) };
  }
}
