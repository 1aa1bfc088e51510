import { Controller, Delete, Get, Head, HttpCode, Put, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { PathId } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { ImpliedRolesRepository, type ImplicationRow } from './implied-roles.repository.js';
import { ImplyRole } from './imply-role.js';
import { RolesRepository } from './roles.repository.js';
import { impliedView, priorView } from './roles.view.js';

/** Which roles follow from which. */
@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class ImpliedRolesController {
  constructor(private readonly implied: ImpliedRolesRepository, private readonly roles: RolesRepository, private readonly imply: ImplyRole, private readonly base: BaseUrl) {}

  @Get('role_inferences')
  @Policy('identity:role-inferences:list')
  async inferences(@Req() request: FastifyRequest) {
    const [v3, byPrior] = [this.base.v3(request), new Map<string, ImplicationRow[]>()];
    for (const row of await this.implied.list()) byPrior.set(row.priorId, [...(byPrior.get(row.priorId) ?? []), row]);
    return {
      role_inferences: [...byPrior.values()].flatMap((rows) => rows.slice(0, 1).map((first) => ({ prior_role: priorView(v3, first), implies: rows.map((row) => impliedView(v3, row)) }))),
      links: this.base.links(request, '/role_inferences'),
    };
  }

  @Get('roles/:prior/implies')
  @Policy('identity:implied-roles:list')
  async list(@PathId('prior') priorId: string, @Req() request: FastifyRequest) {
    const [v3, prior] = [this.base.v3(request), found('role', priorId, await this.roles.get(priorId))];
    const implies = (await this.implied.list(priorId)).map((row) => impliedView(v3, row));
    return { role_inference: { prior_role: priorView(v3, { priorId, priorName: prior.name }), implies }, links: { self: `${v3}/roles/${priorId}/implies` } };
  }

  @Head('roles/:prior/implies/:implied')
  @Policy('identity:implied-roles:get')
  @HttpCode(204)
  async check(@PathId('prior') priorId: string, @PathId('implied') impliedId: string): Promise<void> {
    await this.one(priorId, impliedId);
  }

  @Get('roles/:prior/implies/:implied')
  @Policy('identity:implied-roles:get')
  async get(@PathId('prior') priorId: string, @PathId('implied') impliedId: string, @Req() request: FastifyRequest) {
    return this.view(request, await this.one(priorId, impliedId));
  }

  @Put('roles/:prior/implies/:implied')
  @Policy('identity:implied-roles:create')
  @HttpCode(201)
  async create(@CallerParam() caller: Caller, @PathId('prior') priorId: string, @PathId('implied') impliedId: string, @Req() request: FastifyRequest) {
    await this.imply.add(caller, priorId, impliedId);
    return this.view(request, await this.one(priorId, impliedId));
  }

  @Delete('roles/:prior/implies/:implied')
  @Policy('identity:implied-roles:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @PathId('prior') priorId: string, @PathId('implied') impliedId: string): Promise<void> {
    return this.imply.remove(caller, priorId, impliedId);
  }

  private async one(priorId: string, impliedId: string): Promise<ImplicationRow> {
    const [row] = await this.implied.list(priorId, impliedId);
    if (row === undefined) throw notFound(`${priorId} does not imply ${impliedId}.`);
    return row;
  }

  private view(request: FastifyRequest, row: ImplicationRow) {
    const v3 = this.base.v3(request);
    return { role_inference: { prior_role: priorView(v3, row), implies: impliedView(v3, row) }, links: { self: `${v3}/roles/${row.priorId}/implies/${row.impliedId}` } };
  }
}
