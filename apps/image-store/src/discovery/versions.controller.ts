import { Controller, Get, HttpCode, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Policy } from '#libs/auth';
import { IMAGE_CONFIG, linkBase, type ImageConfig } from '../config.js';

/** v2.9 is the newest whose every required part is here (later ones are about several stores and caching). */
const NEWEST_MINOR = 9;

const versionsView = (base: string): Record<string, unknown> => ({
  versions: Array.from({ length: NEWEST_MINOR + 1 }, (_, i) => ({
    id: `v2.${NEWEST_MINOR - i}`, status: i === 0 ? 'CURRENT' : 'SUPPORTED', links: [{ rel: 'self', href: `${base}/image/v2/` }],
  })),
});

@Controller('image')
export class VersionsController {
  constructor(@Inject(IMAGE_CONFIG) private readonly config: ImageConfig) {}

  @Get()
  @Policy('public')
  @HttpCode(300)
  choices(@Req() request: FastifyRequest): Record<string, unknown> {
    return versionsView(linkBase(this.config, request));
  }

  @Get('versions')
  @Policy('public')
  versions(@Req() request: FastifyRequest): Record<string, unknown> {
    return versionsView(linkBase(this.config, request));
  }
}
