import { Controller, Delete, Get, HttpCode, Patch, Post, Put, Req, UseInterceptors } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Policy } from '#libs/auth';
import { notFound, unsupported } from '#libs/errors';
import { BaseUrl } from '../http/base-url.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';

/** Lists of Keystone that are asked for by clients which look what there is; each is called as its path ends. */
const LISTS = [
  'OS-TRUST/trusts', 'OS-OAUTH1/consumers', 'OS-EP-FILTER/endpoint_groups', 'OS-EP-FILTER/projects/:id/endpoints', 'OS-EP-FILTER/projects/:id/endpoint_groups', 'policies',
  'OS-FEDERATION/identity_providers', 'OS-FEDERATION/mappings', 'OS-FEDERATION/service_providers',
];

/** Whole parts of Keystone, and what to use instead. */
const PARTS: readonly (readonly [prefix: string, word: string])[] = [
  ['/OS-TRUST/', 'Trusts are not offered here: an application credential gives a part of one\'s roles to somebody else.'],
  ['/OS-OAUTH1/', 'OAuth consumers are not offered here: use application credentials.'],
  ['/OS-OAUTH2/', 'OAuth tokens are not offered here: use application credentials.'],
  ['/OS-EP-FILTER/', 'Every project has the whole catalog here: endpoints are not filtered.'],
  ['/OS-FEDERATION/', 'Logins by other identity providers are not offered here.'],
  ['/policies', 'Policies are not stored here: `skylite policy rules` shows the one table there is.'],
];
const PREFIXES = ['OS-TRUST', 'OS-OAUTH1', 'OS-OAUTH2', 'OS-EP-FILTER', 'OS-FEDERATION', 'policies'];
const BELOW = PREFIXES.map((prefix) => `${prefix}/*`);

/** Parts of Keystone that are not here. Who looks sees that there are none of them; who wants to make one hears what to use instead. */
@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class NotOfferedController {
  constructor(private readonly base: BaseUrl) {}

  @Get(LISTS)
  @Policy('identity:not-offered:get')
  list(@Req() request: FastifyRequest) {
    const path = pathOf(request);
    return { [path.slice(path.lastIndexOf('/') + 1)]: [], links: this.base.links(request, path) };
  }

  @Get(BELOW)
  @Policy('identity:not-offered:get')
  get(): never {
    throw notFound('The resource could not be found.');
  }

  @Post(['policies', ...BELOW])
  @Policy('identity:not-offered:get')
  post(@Req() request: FastifyRequest): never { return refuse(request); }

  @Put(BELOW)
  @Policy('identity:not-offered:get')
  put(@Req() request: FastifyRequest): never { return refuse(request); }

  @Patch(BELOW)
  @Policy('identity:not-offered:get')
  patch(@Req() request: FastifyRequest): never { return refuse(request); }

  @Delete(BELOW)
  @Policy('identity:not-offered:get')
  @HttpCode(204)
  remove(): never { return this.get(); }
}

/** As the router reads it: slashes do not count twice, nor at the end. */
const pathOf = ({ url }: FastifyRequest): string => (url.split('?', 1)[0] ?? '').replace(/\/{2,}/g, '/').replace(/^\/identity\/v3/, '').replace(/\/$/, '');

function refuse(request: FastifyRequest): never {
  const path = `${pathOf(request)}/`;
  throw unsupported(PARTS.find(([prefix]) => path.startsWith(prefix))?.[1] ?? 'This is not offered here.');
}
