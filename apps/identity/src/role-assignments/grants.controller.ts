import { Controller, Delete, Get, HttpCode, Put, Req, UseGuards, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { BaseUrl } from '../http/base-url.js';
import { PathId } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { FreshTokenGuard } from '../tokens/fresh-token.guard.js';
import { roleView } from '../roles/roles.view.js';
import { GiveRole, absent, allowed, requireParties, ruleOf } from './give-role.js';
import { PlaceParam } from './grant-place.js';
import { GrantsRepository, type GrantPlace } from './grants.repository.js';

const PLACES = ['projects/:project/users/:user', 'projects/:project/groups/:group', 'domains/:domain/users/:user', 'domains/:domain/groups/:group'];
const INHERITED = PLACES.map((place) => `OS-INHERIT/${place}`);
const LISTS = [...PLACES.map((place) => `${place}/roles`), ...INHERITED.map((place) => `${place}/roles/inherited_to_projects`)];
const ROLES = [...PLACES.map((place) => `${place}/roles/:role`), ...INHERITED.map((place) => `${place}/roles/:role/inherited_to_projects`)];

/** Roles of users and groups on projects and domains, each with a URL of its own. */
@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class GrantsController {
  constructor(private readonly grants: GrantsRepository, private readonly giveRole: GiveRole, private readonly base: BaseUrl) {}

  @Get(LISTS)
  @Policy('identity:grants:list')
  list(@CallerParam() caller: Caller, @PlaceParam() place: GrantPlace, @Req() request: FastifyRequest) {
    return listGrants(this.grants, this.base, caller, place, request);
  }

  /** HEAD answers alike. */
  @Get(ROLES)
  @Policy('identity:grants:check')
  @HttpCode(204)
  check(@CallerParam() caller: Caller, @PlaceParam() place: GrantPlace, @PathId('role') roleId: string): Promise<void> {
    return checkGrant(this.grants, caller, place, roleId);
  }

  @Put(ROLES)
  @Policy('identity:grants:create')
  @UseGuards(FreshTokenGuard)
  @HttpCode(204)
  give(@CallerParam() caller: Caller, @PlaceParam() place: GrantPlace, @PathId('role') roleId: string): Promise<void> {
    return this.giveRole.give(caller, place, roleId);
  }

  @Delete(ROLES)
  @Policy('identity:grants:revoke')
  @HttpCode(204)
  take(@CallerParam() caller: Caller, @PlaceParam() place: GrantPlace, @PathId('role') roleId: string): Promise<void> {
    return this.giveRole.take(caller, place, roleId);
  }
}

export async function listGrants(grants: GrantsRepository, base: BaseUrl, caller: Caller, place: GrantPlace, request: FastifyRequest) {
  const parties = await grants.parties(place, null);
  enforce(ruleOf('list', place), caller, { domainId: [parties.actorDomain, parties.targetDomain] });
  requireParties(place, parties);
  const path = request.url.split('?', 1)[0]?.replace(/^\/identity\/v3/, '') ?? '';
  return { roles: (await grants.roles(place)).map((row) => roleView(base.v3(request), row)), links: base.links(request, path) };
}

export async function checkGrant(grants: GrantsRepository, caller: Caller, place: GrantPlace, roleId: string): Promise<void> {
  allowed('check', caller, place, roleId, await grants.parties(place, roleId));
  if (!(await grants.has(place, roleId))) throw absent(place, roleId);
}
