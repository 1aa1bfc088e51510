import { Controller, Get, Inject, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Policy } from '#libs/auth';
import { notFound } from '#libs/errors';
import { API_CONFIG, type ApiConfig } from '../../api.config.js';
import { ConsoleAssets } from './console-assets.js';
import { PAGES } from './console-pages.js';

/** What a browser gets for a console's URL. Public: a page is nothing without the ticket in its address, which only the WebSocket looks at. */
@Controller('console')
@Policy('public')
export class ConsolePagesController {
  readonly #security: Readonly<Record<string, string>>;

  constructor(private readonly assets: ConsoleAssets, @Inject(API_CONFIG) config: ApiConfig) {
    const frames = ["'self'", ...(config.consoles?.allowedOrigins ?? []).map((each) => each.replace(/[\s;,]/g, ''))].join(' ');
    this.#security = {
      // xterm writes its own style elements; everything else is in files of ours.
      'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors ${frames}`,
      'x-content-type-options': 'nosniff',
      // The ticket stands in the address.
      'referrer-policy': 'no-referrer',
    };
  }

  @Get('vnc')
  vnc(@Res() reply: FastifyReply): void { this.#page(reply, PAGES.vnc); }

  @Get('serial')
  serial(@Res() reply: FastifyReply): void { this.#page(reply, PAGES.serial); }

  @Get('assets/*')
  async asset(@Param('*') name: string, @Res() reply: FastifyReply): Promise<void> {
    const asset = await this.assets.find(name);
    if (asset === undefined) throw notFound('There is no such file.');
    void reply.headers({ ...this.#security, 'content-type': asset.type, 'cache-control': 'public, max-age=3600' }).send(asset.body);
  }

  #page(reply: FastifyReply, text: string): void {
    void reply.headers({ ...this.#security, 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).send(text);
  }
}
