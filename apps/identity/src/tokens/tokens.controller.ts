import { Controller, Delete, Get, Headers, HttpCode, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerParam, Policy, type TokenClaims } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { ZodBody, ZodQuery } from '#libs/http';
import { Catalogs } from '../catalog/catalogs.js';
import { BaseUrl } from '../http/base-url.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { IssueToken } from './issue-token.js';
import { RevokeToken } from './revoke-token.js';
import { AuthRequest, TokenQuery } from './tokens.schema.js';
import { isScoped, tokenView } from './tokens.view.js';
import { ValidateToken } from './validate-token.js';

@Controller('identity/v3/auth/tokens')
@UseInterceptors(VaryInterceptor)
export class TokensController {
  constructor(
    private readonly issueToken: IssueToken,
    private readonly validateToken: ValidateToken,
    private readonly revokeToken: RevokeToken,
    private readonly catalogs: Catalogs,
    private readonly base: BaseUrl,
  ) {}

  @Post()
  @Policy('public')
  @HttpCode(201)
  async issue(@ZodBody(AuthRequest) body: AuthRequest, @ZodQuery(TokenQuery) query: TokenQuery, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { token, claims } = await this.issueToken.run(body, { body, address: request.ip, requestId: request.id, headers: request.headers });
    reply.header('x-subject-token', token);
    return tokenView(claims, await this.catalogFor(query, request, claims));
  }

  /** HEAD answers alike, without the body. */
  @Get()
  @Policy('identity:tokens:validate')
  async validate(
    @CallerParam() caller: Caller, @Headers('x-subject-token') subject: string | undefined, @Headers('openstack-identity-access-rules') knownRules: string | undefined,
    @ZodQuery(TokenQuery) query: TokenQuery, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { token: { claims }, rules } = await this.validateToken.run(caller, subject, { knowsRules: knownRules !== undefined, allowExpired: query.allow_expired });
    reply.header('x-subject-token', subject);
    return tokenView(claims, await this.catalogFor(query, request, claims), rules);
  }

  @Delete()
  @Policy('identity:tokens:revoke')
  @HttpCode(204)
  revoke(@CallerParam() caller: Caller, @Headers('x-subject-token') subject: string | undefined): Promise<void> {
    return this.revokeToken.run(caller, subject);
  }

  private async catalogFor({ nocatalog }: Pick<TokenQuery, 'nocatalog'>, request: FastifyRequest, claims: Omit<TokenClaims, 'issuer'>) {
    return nocatalog === undefined && isScoped(claims) ? this.catalogs.at(this.base.of(request), { projectId: claims.project?.id ?? null, userId: claims.user.id }) : undefined;
  }
}
