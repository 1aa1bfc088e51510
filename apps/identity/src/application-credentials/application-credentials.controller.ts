import { Controller, Delete, Get, HttpCode, Post, Req, UseGuards, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy, TokenParam, type VerifiedToken } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, ZodQuery, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { PathId } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { FreshTokenGuard } from '../tokens/fresh-token.guard.js';
import { AccessRulesRepository } from './access-rules.repository.js';
import { ApplicationCredentialsRepository, type CredentialRow } from './application-credentials.repository.js';
import { AccessRulesQuery, CreateCredentialBody, CredentialsQuery } from './application-credentials.schema.js';
import { accessRuleView, credentialView } from './application-credentials.view.js';
import { CreateApplicationCredential } from './create-application-credential.js';
import { DeleteApplicationCredential } from './delete-application-credential.js';

/** Application credentials of a user, and the access rules that they share. */
@Controller('identity/v3/users/:userId')
@UseInterceptors(VaryInterceptor)
export class ApplicationCredentialsController {
  constructor(
    private readonly credentials: ApplicationCredentialsRepository, private readonly accessRules: AccessRulesRepository,
    private readonly createCredential: CreateApplicationCredential, private readonly deleteCredential: DeleteApplicationCredential, private readonly base: BaseUrl,
  ) {}

  @Get('application_credentials')
  @Policy('identity:application-credentials:list')
  async list(@CallerParam() caller: Caller, @PathId('userId') userId: string, @ZodQuery(CredentialsQuery) query: CredentialsQuery, @Req() request: FastifyRequest) {
    enforce('identity:application-credentials:list', caller, { userId });
    const { rows, next } = await this.credentials.list(userId, query);
    return { application_credentials: rows.map((row) => credentialView(this.base.v3(request), row)), links: this.base.links(request, `/users/${userId}/application_credentials`, next) };
  }

  @Post('application_credentials')
  @Policy('identity:application-credentials:create')
  @UseGuards(FreshTokenGuard)
  async create(
    @CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @PathId('userId') userId: string,
    @ZodBody(CreateCredentialBody) body: CreateCredentialBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest,
  ) {
    enforce('identity:application-credentials:create', caller, { userId });
    const { row, secret } = await this.createCredential.run(caller, token, body.application_credential, ids);
    return { application_credential: credentialView(this.base.v3(request), row, secret) };
  }

  @Get('application_credentials/:id')
  @Policy('identity:application-credentials:get')
  async get(@CallerParam() caller: Caller, @PathId('userId') userId: string, @PathId('id') id: string, @Req() request: FastifyRequest) {
    enforce('identity:application-credentials:get', caller, { userId });
    return { application_credential: credentialView(this.base.v3(request), await this.credentialOf(userId, id)) };
  }

  @Delete('application_credentials/:id')
  @Policy('identity:application-credentials:delete')
  @HttpCode(204)
  async remove(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @PathId('userId') userId: string, @PathId('id') id: string): Promise<void> {
    enforce('identity:application-credentials:delete', caller, { userId });
    await this.deleteCredential.credential(caller, token, await this.credentialOf(userId, id));
  }

  @Get('access_rules')
  @Policy('identity:access-rules:list')
  async listRules(@CallerParam() caller: Caller, @PathId('userId') userId: string, @ZodQuery(AccessRulesQuery) query: AccessRulesQuery, @Req() request: FastifyRequest) {
    enforce('identity:access-rules:list', caller, { userId });
    const { rows, next } = await this.accessRules.list(userId, query);
    return { access_rules: rows.map((row) => accessRuleView(this.base.v3(request), userId, row)), links: this.base.links(request, `/users/${userId}/access_rules`, next) };
  }

  @Get('access_rules/:id')
  @Policy('identity:access-rules:get')
  async getRule(@CallerParam() caller: Caller, @PathId('userId') userId: string, @PathId('id') id: string, @Req() request: FastifyRequest) {
    enforce('identity:access-rules:get', caller, { userId });
    return { access_rule: accessRuleView(this.base.v3(request), userId, found('Access Rule', id, await this.accessRules.get(userId, id))) };
  }

  @Delete('access_rules/:id')
  @Policy('identity:access-rules:delete')
  @HttpCode(204)
  removeRule(@CallerParam() caller: Caller, @PathId('userId') userId: string, @PathId('id') id: string): Promise<void> {
    enforce('identity:access-rules:delete', caller, { userId });
    return this.deleteCredential.accessRule(caller, userId, id);
  }

  /** Somebody else's is not there. */
  private async credentialOf(userId: string, id: string): Promise<CredentialRow> {
    const row = await this.credentials.get(id);
    return found('Application Credential', id, row?.userId === userId ? row : null);
  }
}
