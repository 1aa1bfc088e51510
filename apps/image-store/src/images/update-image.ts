import { Injectable } from '@nestjs/common';
import type { Caller } from '#libs/contracts';
import { forbidden, notFound } from '#libs/errors';
import { enforceVisibility } from './create-image.js';
import { applyPatch, type PatchOperation } from './decide/patch.js';
import { mustChange, noSuchImage } from './find-image.js';
import type { Image, ImageSpec } from './image.js';
import { ImagesRepository } from './images.repository.js';
import { readDocument, refuseFrozen, toDocument } from './images.schema.js';

/** Changes what an owner says of an image: by JSON patch, or one tag. */
@Injectable()
export class UpdateImage {
  constructor(private readonly images: ImagesRepository) {}

  patch(caller: Caller, id: string, operations: readonly PatchOperation[]): Promise<Image> {
    return this.change(caller, id, (image) => {
      const spec = readDocument(applyPatch(toDocument(image), operations));
      if (spec.owner !== image.owner && !caller.isAdmin) throw forbidden("Attribute 'owner' may be changed by an administrator only.");
      if (spec.visibility !== image.visibility) enforceVisibility(spec, caller);
      refuseFrozen(image, spec);
      return spec;
    });
  }

  async addTag(caller: Caller, id: string, tag: string): Promise<void> {
    await this.change(caller, id, (image) => readDocument(toDocument({ ...image, tags: [...image.tags, tag] })));
  }

  async removeTag(caller: Caller, id: string, tag: string): Promise<void> {
    await this.change(caller, id, (image) => {
      if (!image.tags.includes(tag)) throw notFound(`Image ${id} has no tag '${tag}'.`);
      return { ...image, tags: image.tags.filter((known) => known !== tag) };
    });
  }

  private async change(caller: Caller, id: string, make: (image: Image) => ImageSpec): Promise<Image> {
    const image = await this.images.update(id, (before) => {
      mustChange(before, caller);
      return make(before);
    }, caller);
    if (image === undefined) throw noSuchImage(id);
    return image;
  }
}
