import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { getImage, signImageUrl, type ImageSummary, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { SignImageUrl } from '../bytes/sign-image-url.js';
import { FindImage } from './find-image.js';
import { imageSummary } from './image.summary.js';

@Controller()
export class ImagesBusController {
  constructor(private readonly findImage: FindImage, private readonly signUrl: SignImageUrl) {}

  @Handles(getImage)
  async get(@Payload() { caller, imageId }: ReceivedBy<typeof getImage>): Promise<ImageSummary> {
    return imageSummary(await this.findImage.run(caller, imageId));
  }

  @Handles(signImageUrl)
  sign(@Payload() { imageId, audience }: ReceivedBy<typeof signImageUrl>): Promise<OutputOf<typeof signImageUrl>> {
    return this.signUrl.run(imageId, audience);
  }
}
