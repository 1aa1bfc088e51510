import { Inject, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { publicUrl } from '#libs/http';
import { listLinks, type ListLinks } from './links.js';
import { IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';

/** Absolute URLs as the client can reach them. */
@Injectable()
export class BaseUrl {
  constructor(@Inject(IDENTITY_CONFIG) private readonly config: IdentityConfig) {}

  /** The public port's base, without a trailing slash. */
  of(request: FastifyRequest): string {
    return (this.config.publicUrl ?? publicUrl(request)).replace(/\/+$/, '');
  }

  /**
   * Links of a list.
   * @param path below /identity/v3. @param next marker of the next page, when there is one.
   */
  links(request: FastifyRequest, path: string, next?: string): ListLinks {
    return listLinks(`${this.v3(request)}${path}`, request.query as Record<string, unknown>, next);
  }

  /** …/identity/v3 */
  v3(request: FastifyRequest): string {
    return `${this.of(request)}/identity/v3`;
  }
}
