import { Injectable } from '@nestjs/common';
import type { Caller } from '#libs/contracts';
import { forbidden, notFound, type SkyError } from '#libs/errors';
import { canChange, canSee } from './decide/access.js';
import type { Image } from './image.js';
import { ImagesRepository } from './images.repository.js';

/** What one may not see does not exist; the id is quoted as far as an id goes. */
export const noSuchImage = (id: string): SkyError => notFound(`No image found with ID ${id.slice(0, 64)}`);

/** @throws SkyError not-found when the caller may not see it, forbidden when it is another project's. */
export function mustChange(image: Image, caller: Caller, verb = 'modify'): void {
  if (!canSee(image, caller)) throw noSuchImage(image.id);
  if (!canChange(image, caller)) throw forbidden(`You are not permitted to ${verb} this image.`);
}

@Injectable()
export class FindImage {
  constructor(private readonly images: ImagesRepository) {}

  async run(caller: Caller, id: string): Promise<Image> {
    const image = await this.images.find(id);
    if (image === undefined || !canSee(image, caller)) throw noSuchImage(id);
    return image;
  }
}
