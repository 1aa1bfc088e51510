import { Controller, Delete, Get, Headers, HttpCode, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { unsupported } from '#libs/errors';
import { ZodBody, ZodQuery } from '#libs/http';
import { Catalogs } from '../catalog/catalogs.js';
import { BaseUrl } from '../http/base-url.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { IssueToken } from './issue-token.js';
import { AuthRequest, TokenQuery } from './tokens.schema.js';
import { tokenView } from './tokens.view.js';
import { ValidateToken } from './validate-token.js';

@Controller('identity/v3/auth/tokens')
@UseInterceptors(VaryInterceptor)
export class TokensController {
  constructor(
    private readonly issueToken: IssueToken,
    private readonly validateToken: ValidateToken,
    private readonly catalogs: Catalogs,
    private readonly base: BaseUrl,
  ) {}

  @Post()
  @Policy('public')
  @HttpCode(201)
  async issue(@ZodBody(AuthRequest) body: AuthRequest, @ZodQuery(TokenQuery) query: TokenQuery, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { token, claims } = await this.issueToken.run(body, { body, address: request.ip, headers: request.headers });
    reply.header('x-subject-token', token);
    return tokenView(claims, this.catalogFor(query, request));
  }

  /** HEAD answers alike, without the body. */
  @Get()
  @Policy('identity:tokens:validate')
  async validate(
    @CallerParam() caller: Caller, @Headers('x-subject-token') subject: string | undefined, @ZodQuery(TokenQuery) query: TokenQuery,
    @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { claims } = await this.validateToken.run(caller, subject);
    reply.header('x-subject-token', subject);
    return tokenView(claims, this.catalogFor(query, request));
  }

  @Delete()
  @Policy('identity:tokens:revoke')
  revoke(): never {
    throw unsupported('Tokens cannot be revoked here: they end by themselves when they expire.');
  }

  private catalogFor({ nocatalog }: TokenQuery, request: FastifyRequest) {
    return nocatalog === undefined ? this.catalogs.at(this.base.of(request)) : undefined;
  }
}
