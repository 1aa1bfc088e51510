import { Injectable } from '@nestjs/common';
import type { Caller } from '#libs/contracts';
import { conflict, forbidden, notFound, overQuota } from '#libs/errors';
import { whyNotTake } from '../quota/decide/image-quota.js';
import { ImageLimitsCopy } from '../quota/image-limits-copy.js';
import { enforceVisibility } from './create-image.js';
import { applyPatch, type PatchOperation } from './decide/patch.js';
import { mustChange, noSuchImage } from './find-image.js';
import type { Image, ImageSpec } from './image.js';
import { ImagesRepository, type NewOwner } from './images.repository.js';
import { readDocument, refuseFrozen, toDocument } from './images.schema.js';

/** Changes what an owner says of an image: by JSON patch, or one tag. */
@Injectable()
export class UpdateImage {
  constructor(private readonly images: ImagesRepository, private readonly limits: ImageLimitsCopy) {}

  async patch(caller: Caller, id: string, operations: readonly PatchOperation[]): Promise<Image> {
    const changed = (image: Image): ImageSpec => {
      const spec = readDocument(applyPatch(toDocument(image), operations));
      if (spec.owner !== image.owner && !caller.isAdmin) throw forbidden("Attribute 'owner' may be changed by an administrator only.");
      if (spec.visibility !== image.visibility) enforceVisibility(spec, caller);
      refuseFrozen(image, spec);
      return spec;
    };
    const newOwner = caller.isAdmin ? await this.newOwner(caller, id, changed) : undefined;
    return this.change(caller, id, (image) => {
      const spec = changed(image);
      if (spec.owner !== (newOwner?.owner ?? image.owner)) throw conflict(`Image ${id} was changed meanwhile; try again.`);
      return spec;
    }, newOwner);
  }

  /** Whose it will be, if that changes: they must have room for it. */
  private async newOwner(caller: Caller, id: string, changed: (image: Image) => ImageSpec): Promise<NewOwner | undefined> {
    const image = await this.images.find(id);
    if (image === undefined) return undefined;
    mustChange(image, caller);
    const { owner } = changed(image);
    if (owner === image.owner) return undefined;
    const limits = await this.limits.of(owner);
    return {
      owner,
      allow: (others, { status, sizeBytes }) => {
        if (status === 'saving') throw conflict(`Image ${id} has an upload under way, which counts for its present owner; change the owner when that has ended.`);
        const refused = whyNotTake(limits, others, sizeBytes ?? 0);
        if (refused !== undefined) throw overQuota(refused);
      },
    };
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

  private async change(caller: Caller, id: string, make: (image: Image) => ImageSpec, newOwner?: NewOwner): Promise<Image> {
    const image = await this.images.update(id, (before) => {
      mustChange(before, caller);
      return make(before);
    }, caller, newOwner);
    if (image === undefined) throw noSuchImage(id);
    return image;
  }
}
