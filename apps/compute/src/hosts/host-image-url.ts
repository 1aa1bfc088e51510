import { Inject, Injectable } from '@nestjs/common';
import { signImageUrl, type hostImageUrl, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { HostFeedsRepository } from './host-feeds.repository.js';

/** A host reads the bytes of those images only that its own servers are made of. */
@Injectable()
export class HostImageUrl {
  constructor(@Inject(BUS) private readonly bus: Bus, private readonly feeds: HostFeedsRepository) {}

  async url(hostId: string, { imageId }: ReceivedBy<typeof hostImageUrl>): Promise<OutputOf<typeof hostImageUrl>> {
    if (!(await this.feeds.needsImage(hostId, imageId))) throw forbidden(`No server of this host needs image ${imageId}.`);
    return this.bus.ask(signImageUrl, { imageId, audience: hostId });
  }
}
