import { Inject, Injectable } from '@nestjs/common';
import type { Caller } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { LOGGER, type Logger } from '#libs/observability';
import { FileStore } from '../store/file-store.js';
import { mustChange, noSuchImage } from './find-image.js';
import { ImagesRepository } from './images.repository.js';

/** The image vanishes at once; its bytes go with the last reader that has them open. A crash in between is the sweep's affair. */
@Injectable()
export class DeleteImage {
  constructor(private readonly images: ImagesRepository, private readonly store: FileStore, @Inject(LOGGER) private readonly logger: Logger) {}

  async run(caller: Caller, id: string): Promise<void> {
    const image = await this.images.remove(id, (before) => {
      mustChange(before, caller, 'delete');
      if (before.protected) throw forbidden(`Image ${before.id} is protected and cannot be deleted.`);
    }, caller);
    if (image === undefined) throw noSuchImage(id);
    if (image.location === null) return;
    try {
      await this.store.remove(image.location);
    } catch (error) {
      this.logger.warn({ imageId: id, location: image.location, error: String(error) }, 'bytes of a deleted image stay until the next sweep');
    }
  }
}
