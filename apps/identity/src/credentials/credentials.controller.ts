import { Controller, Delete, Get, HttpCode, Patch, Post, Req, UseGuards, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { allows, CallerParam, Policy, TokenParam, type VerifiedToken } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { IdParam } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { FreshTokenGuard } from '../tokens/fresh-token.guard.js';
import { allowedOn, by, ChangeCredentials } from './change-credentials.js';
import { CredentialsRepository, type ListedCredential } from './credentials.repository.js';
import { CreateCredentialBody, CredentialsQuery, UpdateCredentialBody } from './credentials.schema.js';

/** Users' secrets for other protocols: stored for them, and shown to them and to administrators. */
@Controller('identity/v3/credentials')
@UseInterceptors(VaryInterceptor)
export class CredentialsController {
  constructor(private readonly credentials: CredentialsRepository, private readonly change: ChangeCredentials, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:credentials:list')
  async list(@CallerParam() caller: Caller, @ZodQuery(CredentialsQuery) query: CredentialsQuery, @Req() request: FastifyRequest) {
    const { rows, next } = await this.credentials.list(query, {
      userId: allows('identity:credentials:list', caller) ? undefined : caller.userId,
      projectId: typeof caller.applicationCredentialId === 'string' ? (caller.projectId ?? undefined) : undefined,
    });
    return { credentials: rows.map((row) => this.view(request, row)), links: this.base.links(request, '/credentials', next) };
  }

  @Post()
  @Policy('identity:credentials:create')
  @UseGuards(FreshTokenGuard)
  async create(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @ZodBody(CreateCredentialBody) body: CreateCredentialBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    return { credential: this.view(request, await this.change.create(by(caller, token), body, ids)) };
  }

  @Get(':id')
  @Policy('identity:credentials:get')
  async get(@CallerParam() caller: Caller, @IdParam() id: string, @Req() request: FastifyRequest) {
    return { credential: this.view(request, allowedOn('get', caller, id, await this.credentials.get(id))) };
  }

  @Patch(':id')
  @Policy('identity:credentials:update')
  @UseGuards(FreshTokenGuard)
  async update(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @IdParam() id: string, @ZodBody(UpdateCredentialBody) body: UpdateCredentialBody, @Req() request: FastifyRequest) {
    return { credential: this.view(request, await this.change.update(by(caller, token), id, body)) };
  }

  @Delete(':id')
  @Policy('identity:credentials:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @IdParam() id: string): Promise<void> {
    return this.change.remove(by(caller, token), id);
  }

  private view(request: FastifyRequest, { extra, id, userId, projectId, type, blob }: ListedCredential) {
    const note = blob === undefined && { unreadable: 'This cloud does not have the key with which it was stored.' };
    return { ...extra, ...note, id, user_id: userId, project_id: projectId, type, blob, links: { self: `${this.base.v3(request)}/credentials/${id}` } };
  }
}
