import { Controller, Get, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Policy } from '#libs/auth';
import { publicUrl } from '#libs/http';
import { versionListView, versionView } from '#libs/openstack';
import { Describe } from '../../http/describe.js';
import { VersionDocument, VersionList } from '../answers.js';

/** Discovery: clients read these before they have a token. */
@Controller('compute')
@Policy('public')
export class VersionsController {
  @Get()
  @Describe({ summary: 'The versions of the compute API', answers: { 200: VersionList } })
  list(@Req() request: FastifyRequest) {
    return versionListView(publicUrl(request));
  }

  @Get('v2.1')
  @Describe({ summary: 'The version, and the range of its microversions', answers: { 200: VersionDocument } })
  get(@Req() request: FastifyRequest) {
    return versionView(publicUrl(request));
  }
}
