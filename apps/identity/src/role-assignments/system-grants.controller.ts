import { Controller, Delete, Get, HttpCode, Put, Req, UseGuards, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { BaseUrl } from '../http/base-url.js';
import { PathId } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { FreshTokenGuard } from '../tokens/fresh-token.guard.js';
import { GiveRole } from './give-role.js';
import { PlaceParam } from './grant-place.js';
import { checkGrant, listGrants } from './grants.controller.js';
import { GrantsRepository, type GrantPlace } from './grants.repository.js';

const PLACES = ['users/:user/roles', 'groups/:group/roles'];
const ROLES = PLACES.map((place) => `${place}/:role`);

/** Roles on the system, which is all there is. */
@Controller('identity/v3/system')
@UseInterceptors(VaryInterceptor)
export class SystemGrantsController {
  constructor(private readonly grants: GrantsRepository, private readonly giveRole: GiveRole, private readonly base: BaseUrl) {}

  @Get(PLACES)
  @Policy('identity:system-grants:list')
  list(@CallerParam() caller: Caller, @PlaceParam() place: GrantPlace, @Req() request: FastifyRequest) {
    return listGrants(this.grants, this.base, caller, place, request);
  }

  /** HEAD answers alike. */
  @Get(ROLES)
  @Policy('identity:system-grants:check')
  @HttpCode(204)
  check(@CallerParam() caller: Caller, @PlaceParam() place: GrantPlace, @PathId('role') roleId: string): Promise<void> {
    return checkGrant(this.grants, caller, place, roleId);
  }

  @Put(ROLES)
  @Policy('identity:system-grants:create')
  @UseGuards(FreshTokenGuard)
  @HttpCode(204)
  give(@CallerParam() caller: Caller, @PlaceParam() place: GrantPlace, @PathId('role') roleId: string): Promise<void> {
    return this.giveRole.give(caller, place, roleId);
  }

  @Delete(ROLES)
  @Policy('identity:system-grants:revoke')
  @HttpCode(204)
  take(@CallerParam() caller: Caller, @PlaceParam() place: GrantPlace, @PathId('role') roleId: string): Promise<void> {
    return this.giveRole.take(caller, place, roleId);
  }
}
