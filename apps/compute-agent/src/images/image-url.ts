import { hostImageUrl, ImageId, type HostId } from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import { StepError } from '../errors.js';

/** Asks the control plane for a short-lived URL of an image that a server given to this host needs. */
export const imageUrls = (bus: Bus, hostId: HostId) => async (imageId: string): Promise<{ url: string; sha512: string }> => {
  try {
    return await bus.ask(hostImageUrl, { imageId: ImageId.parse(imageId) }, { hostId });
  } catch (error) {
    const { kind, message } = asSkyError(error);
    // Nobody there, or busy: not the image's fault, and not this server's.
    const free = kind === 'unavailable' || kind === 'timeout' || kind === 'too-many-requests';
    throw new StepError(free ? 'image-unreachable' : `image-${kind}`, `No link to the image: ${message}`, free ? 'free' : 'counted', { cause: error });
  }
};
