import { Inject, Injectable } from '@nestjs/common';
import type { Caller } from '#libs/contracts';
import { overQuota } from '#libs/errors';
import { HttpError } from '#libs/http';
import { IMAGE_CONFIG, timingsOf, type ImageConfig } from '../config.js';
import type { Image } from '../images/image.js';
import { LIMITS } from '../limits.js';
import { reservation, whyNotUpload } from '../quota/decide/image-quota.js';
import { ImageLimitsCopy } from '../quota/image-limits-copy.js';
import { UploadsRepository, type Received } from './uploads.repository.js';

type Uploading = Pick<Image, 'id' | 'owner'>;

/**
 * The life of an upload against its project's limits: what it takes is reserved before it is written, so that many uploads at
 * once never exceed what one after another could have.
 */
@Injectable()
export class CountedUploads {
  constructor(private readonly uploads: UploadsRepository, private readonly limits: ImageLimitsCopy, @Inject(IMAGE_CONFIG) private readonly config: ImageConfig) {}

  /**
   * @param expectedBytes the announced length, all of which is reserved; undefined: not known, `admit` reserves.
   * @returns false when the image takes no upload now. @throws SkyError over-quota
   */
  async begin({ id, owner }: Uploading, uploadId: string, expectedBytes = 0): Promise<boolean> {
    const limits = await this.limits.of(owner);
    const limited = limits.uploading >= 0 || limits.sizeMib >= 0;
    return this.uploads.begin({ imageId: id, owner, uploadId, leaseMs: timingsOf(this.config).leaseMs, reservedBytes: expectedBytes }, !limited ? undefined : (others) => {
      const refused = whyNotUpload(limits, others, expectedBytes);
      if (refused !== undefined) throw overQuota(refused);
    });
  }

  /** @returns up to how many bytes it may grow now. @throws SkyError over-quota, HttpError when the image is gone. */
  async admit({ id, owner }: Uploading, uploadId: string, neededBytes: number): Promise<number> {
    const limits = await this.limits.of(owner);
    const granted = await this.uploads.reserve({ imageId: id, owner, uploadId }, limits.sizeMib >= 0, (others) => {
      const { bytes, refused } = reservation(limits, others, neededBytes, LIMITS.reserveAheadBytes);
      if (refused !== undefined) throw overQuota(refused);
      return bytes;
    });
    if (granted === undefined) throw new HttpError(410, `Image ${id} could not be found during the upload: it was deleted meanwhile, or another upload took its place.`);
    return granted;
  }

  finish(imageId: string, uploadId: string, received: Received, by: Caller): Promise<boolean> { return this.uploads.finish(imageId, uploadId, received, by); }

  giveBack(imageId: string, uploadId: string): Promise<void> { return this.uploads.giveBack(imageId, uploadId); }
}
