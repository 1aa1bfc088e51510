import { Controller, Get, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { BaseUrl } from '../http/base-url.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { StandingRepository } from '../role-assignments/standing.repository.js';

/** Could the caller have a token for the system? */
@Controller('identity/v3/auth/system')
@UseInterceptors(VaryInterceptor)
export class AuthSystemController {
  constructor(private readonly standing: StandingRepository, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:auth:system')
  async get(@CallerParam() caller: Caller, @Req() request: FastifyRequest) {
    const roles = await this.standing.onSystem(caller.userId);
    return { system: roles.length === 0 ? [] : [{ all: true }], links: this.base.links(request, '/auth/system') };
  }
}
