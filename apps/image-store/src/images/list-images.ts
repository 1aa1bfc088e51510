import { Injectable } from '@nestjs/common';
import type { Caller } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { canSee } from './decide/access.js';
import { ImagesRepository } from './images.repository.js';
import { imagesView } from './images.view.js';
import { readListQuery } from './list-query.js';

@Injectable()
export class ListImages {
  constructor(private readonly images: ImagesRepository) {}

  async run(caller: Caller, raw: Record<string, string | string[]>): Promise<Record<string, unknown>> {
    const query = readListQuery(raw);
    if (query.marker !== undefined) {
      const marker = await this.images.find(query.marker);
      if (marker === undefined || !canSee(marker, caller)) throw badRequest(`The marker ${query.marker.slice(0, 64)} is no image that could be found.`);
    }
    const { images, more } = query.limit === 0 ? { images: [], more: false } : await this.images.list(query, caller);
    const params = new URLSearchParams(Object.entries(raw).flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((item): [string, string] => [name, item])));
    return imagesView(images, more, params);
  }
}
