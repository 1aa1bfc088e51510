import { Controller, Get, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Policy } from '#libs/auth';
import { publicUrl } from '#libs/http';
import { API_CONFIG, type ApiConfig } from '../../api.config.js';
import { Describe } from '../../http/describe.js';
import { VersionAnswer } from '../v1.schema.js';

/** Where everything is, for tools that know only this address. */
@Controller('v1')
@Policy('public')
export class V1VersionController {
  constructor(@Inject(API_CONFIG) private readonly config: ApiConfig) {}

  @Get()
  @Describe({ summary: 'What this is, and where its APIs are', answers: { 200: VersionAnswer } })
  get(@Req() request: FastifyRequest) {
    const base = publicUrl(request);
    return {
      name: 'skylite', version: 'v1', region: this.config.region,
      links: { self: `${base}/v1`, identity: `${base}/identity/v3`, compute: `${base}/compute/v2.1`, image: `${base}/image`, placement: `${base}/placement` },
    };
  }
}
