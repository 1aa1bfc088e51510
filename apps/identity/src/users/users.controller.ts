import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseGuards, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { FreshTokenGuard } from '../tokens/fresh-token.guard.js';
import { ChangePassword } from './change-password.js';
import { CreateUser } from './create-user.js';
import { DeleteUser } from './delete-user.js';
import { UpdateUser } from './update-user.js';
import { UsersRepository } from './users.repository.js';
import { CreateUserBody, PasswordBody, UpdateUserBody, UsersQuery } from './users.schema.js';
import { userView } from './users.view.js';

@Controller('identity/v3/users')
@UseInterceptors(VaryInterceptor)
export class UsersController {
  constructor(
    private readonly users: UsersRepository, private readonly createUser: CreateUser, private readonly updateUser: UpdateUser, private readonly deleteUser: DeleteUser,
    private readonly changePassword: ChangePassword, private readonly base: BaseUrl,
  ) {}

  @Get()
  @Policy('identity:users:list')
  async list(@CallerParam() caller: Caller, @ZodQuery(UsersQuery) query: UsersQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.users.list(query, caller.scopeDomainId ?? undefined);
    return { users: rows.map((row) => userView(this.base.v3(request), row)), links: this.base.links(request, '/users', next) };
  }

  @Post()
  @Policy('identity:users:create')
  @UseGuards(FreshTokenGuard)
  async create(@CallerParam() caller: Caller, @ZodBody(CreateUserBody) body: CreateUserBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { user: userView(this.base.v3(request), await this.createUser.run(caller, body, ids)) };
  }

  @Get(':id')
  @Policy('identity:users:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    const row = await this.users.get(id);
    enforce('identity:users:get', caller, { userId: id, domainId: row?.domainId });
    return { user: userView(this.base.v3(request), found('user', id, row)) };
  }

  @Patch(':id')
  @Policy('identity:users:update')
  @UseGuards(FreshTokenGuard)
  async update(@CallerParam() caller: Caller, @IdParam() id: string, @ZodBody(UpdateUserBody) body: UpdateUserBody, @Req() request: FastifyRequest) {
    return { user: userView(this.base.v3(request), await this.updateUser.run(caller, id, body)) };
  }

  @Delete(':id')
  @Policy('identity:users:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @IdParam() id: string): Promise<void> {
    return this.deleteUser.run(caller, id);
  }

  /** Public: whose password has expired gets no token to change it with. */
  @Post(':id/password')
  @Policy('public')
  @HttpCode(204)
  setOwnPassword(@IdParam() id: string, @ZodBody(PasswordBody) body: PasswordBody, @Req() request: FastifyRequest): Promise<void> {
    return this.changePassword.run(id, body, { address: request.ip, requestId: request.id });
  }
}
