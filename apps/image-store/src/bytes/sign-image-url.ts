import { Inject, Injectable } from '@nestjs/common';
import { conflict } from '#libs/errors';
import { LOGGER, type Logger } from '#libs/observability';
import { IMAGE_CONFIG, type ImageConfig } from '../config.js';
import { noSuchImage } from '../images/find-image.js';
import { ImagesRepository } from '../images/images.repository.js';
import { LIMITS } from '../limits.js';
import { UrlSigner } from './url-signer.js';

@Injectable()
export class SignImageUrl {
  constructor(private readonly images: ImagesRepository, private readonly signer: UrlSigner, @Inject(IMAGE_CONFIG) private readonly config: ImageConfig, @Inject(LOGGER) private readonly logger: Logger) {}

  async run(imageId: string, audience: string): Promise<{ url: string; expiresAtMs: number; sha512: string; sizeBytes: number }> {
    const image = await this.images.find(imageId);
    if (image === undefined) throw noSuchImage(imageId);
    if (image.status !== 'active' || image.sha512 === null || image.sizeBytes === null) throw conflict(`Image ${imageId} has no data yet: it is ${image.status}.`);
    const expiresAtMs = Date.now() + LIMITS.urlMs;
    this.logger.debug({ imageId, host: audience }, 'image URL signed');
    return { url: `${this.config.internalUrl.replace(/\/+$/, '')}${this.signer.sign({ imageId, host: audience, expiresAtMs })}`, expiresAtMs, sha512: image.sha512, sizeBytes: image.sizeBytes };
  }
}
