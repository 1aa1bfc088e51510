import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { ZodQuery } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { UsersQuery } from '../http/queries.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { UsersRepository } from './users.repository.js';
import { userView } from './users.view.js';

@Controller('identity/v3/users')
@UseInterceptors(VaryInterceptor)
export class UsersController {
  constructor(private readonly users: UsersRepository, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:users:list')
  async list(@ZodQuery(UsersQuery) query: UsersQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.users.list(query);
    return { users: rows.map((row) => userView(this.base.v3(request), row)), links: this.base.links(request, '/users', next) };
  }

  @Get(':id')
  @Policy('identity:users:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    if (caller.userId !== id) enforce('identity:users:get-any', caller);
    return { user: userView(this.base.v3(request), found('user', id, await this.users.get(id))) };
  }
}
