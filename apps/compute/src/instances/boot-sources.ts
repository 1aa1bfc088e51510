import { Inject, Injectable } from '@nestjs/common';
import { getImage, type Caller, type Flavor, type ImageId, type ImageSummary } from '#libs/contracts';
import { asSkyError, badRequest } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { placingProperties, readNeeds } from '#libs/openstack';
import { KeypairsRepository } from '../keypairs/keypairs.repository.js';
import { LIMITS } from '../limits.js';
import { claimedDiskGib, powerOffTimeoutOf, whyNotBootable } from './decide/fits.js';
import type { InstanceSpec } from './instance-row.js';

/** What a disk and its config drive are made from: image, key and user data as they are now, refused in Nova's words. Reads only. */
@Injectable()
export class BootSources {
  constructor(@Inject(BUS) private readonly bus: Bus, private readonly keypairs: KeypairsRepository) {}

  async image(caller: Caller, imageId: ImageId): Promise<ImageSummary> {
    try {
      return await this.bus.ask(getImage, { caller, imageId });
    } catch (error) {
      if (asSkyError(error).kind === 'not-found') throw badRequest(`Can not find requested image ${imageId}`);
      throw error;
    }
  }

  /** OpenSSH text; null without a name. */
  async publicKey(userId: string, keyName: string | null): Promise<string | null> {
    if (keyName === null) return null;
    const keypair = await this.keypairs.find(userId, keyName);
    if (!keypair) throw badRequest(`Invalid key_name provided: ${keyName}.`);
    return keypair.publicKey;
  }
}

/** What of a spec comes from its image; throws why a server of this flavor cannot be made of it. */
export function imageSpec(image: ImageSummary, flavor: Flavor): Pick<InstanceSpec, 'diskGib' | 'claimDiskGib' | 'image' | 'powerOffTimeoutS' | 'imageProperties'> {
  const problem = whyNotBootable(image, flavor);
  if (problem !== undefined) throw badRequest(problem);
  const read = readNeeds(flavor, image.properties);
  if ('problem' in read) throw badRequest(read.problem);
  const powerOffTimeoutS = powerOffTimeoutOf(image);
  return {
    diskGib: flavor.diskGib, claimDiskGib: claimedDiskGib(image, flavor),
    image: {
      id: image.id, sha512: image.sha512 ?? '', sizeBytes: image.sizeBytes ?? 0, virtualSizeBytes: image.virtualSizeBytes,
      format: image.diskFormat === 'raw' ? 'raw' : 'qcow2',
    },
    ...(powerOffTimeoutS !== undefined && { powerOffTimeoutS }), imageProperties: placingProperties(image.properties),
  };
}

export function checkUserData(userData: string | null): void {
  if (userData === null) return;
  if (userData.length > LIMITS.userDataChars) throw badRequest(`User data too large. User data must be no larger than ${LIMITS.userDataChars} bytes once base64 encoded.`);
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(userData.replace(/\s+/g, ''))) throw badRequest('User data needs to be valid base 64.');
}
