import { createHash } from 'node:crypto';
import { Controller, Delete, Get, HttpCode, Post, Req, UseGuards, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CallerParam, enforce, Policy, TokenParam, type VerifiedToken } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, type Ids } from '#libs/http';
import { BaseUrl } from '../http/base-url.js';
import { found } from '../http/found.js';
import { PathId } from '../http/text.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { FreshTokenGuard } from '../tokens/fresh-token.guard.js';
import { allowedOn, by, ChangeCredentials } from './change-credentials.js';
import { CredentialsRepository, type Credential } from './credentials.repository.js';
import { CreateEc2Body } from './credentials.schema.js';

/** Keystone's older way to the same credentials of type ec2: their keys are made here and known by the access key. */
@Controller('identity/v3/users/:user/credentials/OS-EC2')
@UseInterceptors(VaryInterceptor)
export class Ec2CredentialsController {
  constructor(private readonly credentials: CredentialsRepository, private readonly change: ChangeCredentials, private readonly base: BaseUrl) {}

  @Get()
  @Policy('identity:credentials:list')
  async list(@CallerParam() caller: Caller, @PathId('user') userId: string, @Req() request: FastifyRequest) {
    enforce('identity:credentials:list', caller, { userId });
    const projectId = typeof caller.applicationCredentialId === 'string' ? (caller.projectId ?? undefined) : undefined;
    const { rows } = await this.credentials.list({ user_id: userId, type: 'ec2' }, { projectId });
    // One that nobody can open has no access key to be known by; /credentials lists it.
    const readable = rows.filter((row): row is Credential => row.blob !== undefined);
    return { credentials: readable.map((row) => this.view(request, row)), links: this.base.links(request, `/users/${userId}/credentials/OS-EC2`) };
  }

  @Post()
  @Policy('identity:credentials:create')
  @UseGuards(FreshTokenGuard)
  async create(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @PathId('user') userId: string, @ZodBody(CreateEc2Body) { tenant_id: projectId }: CreateEc2Body, @IdsParam() ids: Ids, @Req() request: FastifyRequest) {
    enforce('identity:credentials:create', caller, { userId });
    found('project', projectId, await this.credentials.hasProject(projectId) || null);
    const blob = JSON.stringify({ access: ids.bytes('ec2-access', 16).toString('hex'), secret: ids.bytes('ec2-secret', 16).toString('hex'), trust_id: null });
    return { credential: this.view(request, await this.change.create(by(caller, token), { credential: { type: 'ec2', user_id: userId, project_id: projectId, blob } }, ids)) };
  }

  @Get(':access')
  @Policy('identity:credentials:get')
  async get(@CallerParam() caller: Caller, @PathId('user') userId: string, @PathId('access') access: string, @Req() request: FastifyRequest) {
    const credential = await this.credentials.get(idOf(access));
    return { credential: this.view(request, allowedOn('get', caller, access, credential?.userId === userId ? credential : null)) };
  }

  @Delete(':access')
  @Policy('identity:credentials:delete')
  @HttpCode(204)
  async remove(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @PathId('user') userId: string, @PathId('access') access: string): Promise<void> {
    enforce('identity:credentials:delete', caller, { userId });
    await this.change.remove(by(caller, token), idOf(access));
  }

  private view(request: FastifyRequest, { userId, projectId, blob }: Credential) {
    const { access, secret } = JSON.parse(blob) as { access: string; secret?: string };
    return { user_id: userId, tenant_id: projectId, access, secret: secret ?? null, trust_id: null, links: { self: `${this.base.v3(request)}/users/${userId}/credentials/OS-EC2/${encodeURIComponent(access)}` } };
  }
}

const idOf = (access: string): string => createHash('sha256').update(access).digest('hex');
