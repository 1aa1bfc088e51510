import { Injectable } from '@nestjs/common';
import { enforce } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { conflict, forbidden, overQuota } from '#libs/errors';
import { randomIds, type Ids } from '#libs/http';
import { whyNotOneMore } from '../quota/decide/image-quota.js';
import { ImageLimitsCopy } from '../quota/image-limits-copy.js';
import type { Image, ImageSpec } from './image.js';
import { ImagesRepository } from './images.repository.js';
import { newDocument, readDocument, type CreateImageBody } from './images.schema.js';

/** A row without bytes. The id may be the client's, so that a repeat after a lost answer is told apart (409). */
@Injectable()
export class CreateImage {
  constructor(private readonly images: ImagesRepository, private readonly limits: ImageLimitsCopy) {}

  async run(caller: Caller, body: CreateImageBody, ids: Ids = randomIds): Promise<Image> {
    const spec = readDocument(newDocument(body, caller));
    if (spec.owner !== caller.projectId && !caller.isAdmin) throw forbidden(`You are not permitted to create images owned by '${spec.owner}'.`);
    enforceVisibility(spec, caller);
    const id = body.id ?? ids.uuid('image');
    const limits = await this.limits.of(spec.owner);
    const image = await this.images.create(id, spec, caller, limits.count < 0 ? undefined : (used) => {
      const refused = whyNotOneMore(limits, used);
      if (refused !== undefined) throw overQuota(refused);
    });
    if (image !== undefined) return image;
    const made = ids.repeat ? await this.images.find(id) : undefined;
    if (made === undefined || made.owner !== spec.owner || made.name !== spec.name) throw conflict(`Image ID ${id} already exists!`);
    return made;
  }
}

/** Publishing reaches everybody's list; a policy of its own. */
export function enforceVisibility(spec: Pick<ImageSpec, 'visibility'>, caller: Caller): void {
  if (spec.visibility === 'public') enforce('image:images:publicize', caller);
  if (spec.visibility === 'community') enforce('image:images:communitize', caller, { projectId: caller.projectId });
}
