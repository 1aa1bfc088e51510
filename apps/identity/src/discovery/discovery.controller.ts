import { Controller, Get, HttpCode, Req, Res, UseInterceptors } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Policy } from '#libs/auth';
import { BaseUrl } from '../http/base-url.js';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { versionView } from './version.view.js';

/** Which versions there are. Needs no token. */
@Controller('identity')
@Policy('public')
@UseInterceptors(VaryInterceptor)
export class DiscoveryController {
  constructor(private readonly base: BaseUrl) {}

  @Get()
  @HttpCode(300)
  versions(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const url = `${this.base.v3(request)}/`;
    reply.header('location', url);
    return { versions: { values: [versionView(url)] } };
  }

  @Get('v3')
  version(@Req() request: FastifyRequest) {
    return { version: versionView(`${this.base.v3(request)}/`) };
  }
}
