import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { getImage, listZones, type createServers, type Flavor, type ImageSummary, type InputOf, type InstanceView, type ReceivedBy } from '#libs/contracts';
import { asSkyError, badRequest, conflict, forbidden, overQuota } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { FlavorsRepository } from '../flavors/flavors.repository.js';
import { KeypairsRepository } from '../keypairs/keypairs.repository.js';
import { LIMITS } from '../limits.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { ProjectLimitsCopy } from '../quota/project-limits.js';
import { projectOf } from './caller-project.js';
import { claimedDiskGib, whyNotBootable } from './decide/fits.js';
import { hostnameFor, nameOf } from './decide/hostname.js';
import { withinQuota, type Usage } from './decide/quota.js';
import { viewOf, type InstanceRow, type InstanceSpec } from './instance-row.js';
import { InstancesRepository } from './instances.repository.js';

type Request = ReceivedBy<typeof createServers>;

/**
 * Creates servers: everything is looked up first, then ONE transaction counts the quota and writes rows and events;
 * the loop does the rest. A crash before the commit leaves nothing; after it, the loop finds the rows. The same ids
 * again give the same servers.
 */
@Injectable()
export class CreateInstance {
  constructor(
    private readonly instances: InstancesRepository, private readonly flavors: FlavorsRepository, private readonly keypairs: KeypairsRepository,
    private readonly limits: ProjectLimitsCopy, private readonly bell: LoopBell, @Inject(BUS) private readonly bus: Bus,
  ) {}

  async create(request: Request): Promise<{ instances: InstanceView[] }> {
    const projectId = projectOf(request.caller);
    const existing = await this.instances.findMany(request.instanceIds);
    if (existing.length > 0) return answer(existing, projectId);

    const [spec, limits] = await Promise.all([this.#spec(request), this.limits.of(projectId), this.#checkZone(request)]);
    const metadataItems = Object.keys(request.metadata).length;
    if (limits.metadataItems >= 0 && metadataItems > limits.metadataItems) throw overQuota(`Maximum number of metadata items exceeds ${limits.metadataItems}`);
    const { vcpus, ramMib } = spec.flavor;
    const wanted = { minCount: Math.min(request.minCount, request.instanceIds.length), maxCount: request.instanceIds.length, vcpus, ramMib };
    const unlimited = limits.instances < 0 && limits.cores < 0 && limits.ramMib < 0;
    const allow = (used: Usage): number => {
      const quota = withinQuota(limits, used, wanted);
      if ('refused' in quota) throw overQuota(quota.refused, { details: quota.details });
      return quota.allowed;
    };
    const made = await this.instances.create({
      projectId, userId: request.caller.userId, requestId: request.caller.requestId, reservationId: request.reservationId,
      description: request.description, metadata: request.metadata, tags: request.tags, spec,
      keyName: request.keyName, userData: request.userData, requestedZone: request.availabilityZone, requestedHost: request.requestedHost,
      ids: request.instanceIds,
      named: (id, index, count) => {
        const name = nameOf(request.name, index, count);
        return { name, hostname: request.hostname === null ? hostnameFor(name, `server-${id}`) : nameOf(request.hostname, index, count) };
      },
    }, this.bell.owner, unlimited ? undefined : allow);
    for (const { id } of made) this.bell.ring(id, { leased: true });
    // Fewer than meant: a repeat overtook us, or the quota allowed fewer. What is there is the answer.
    return answer(made.length === wanted.maxCount ? made : await this.instances.findMany(request.instanceIds), projectId);
  }

  async #spec(request: Request): Promise<InstanceSpec> {
    checkUserData(request.userData);
    const [flavor, image, publicKey] = await Promise.all([this.#flavor(request), this.#image(request), this.#publicKey(request)]);
    const problem = whyNotBootable(image, flavor);
    if (problem !== undefined) throw badRequest(problem);
    return {
      flavor, diskGib: flavor.diskGib, claimDiskGib: claimedDiskGib(image, flavor), publicKey, randomSeed: randomBytes(64).toString('base64'),
      image: {
        id: image.id, sha512: image.sha512 ?? '', sizeBytes: image.sizeBytes ?? 0, virtualSizeBytes: image.virtualSizeBytes,
        format: image.diskFormat === 'raw' ? 'raw' : 'qcow2',
      },
    };
  }

  async #flavor({ caller, flavorId }: Request): Promise<Flavor> {
    const flavor = await this.flavors.find(flavorId);
    if (!flavor || (!flavor.isPublic && !caller.isAdmin)) throw badRequest(`Flavor ${flavorId} could not be found.`);
    if (flavor.disabled) throw badRequest(`Flavor ${flavorId} is disabled: no new servers are made of it.`);
    return flavor;
  }

  async #image({ caller, imageId }: Request): Promise<ImageSummary> {
    try {
      return await this.bus.ask(getImage, { caller, imageId } satisfies InputOf<typeof getImage>);
    } catch (error) {
      if (asSkyError(error).kind === 'not-found') throw badRequest(`Can not find requested image ${imageId}`);
      throw error;
    }
  }

  async #publicKey({ caller, keyName }: Request): Promise<string | null> {
    if (keyName === null) return null;
    const keypair = await this.keypairs.find(caller.userId, keyName);
    if (!keypair) throw badRequest(`Invalid key_name provided: ${keyName}.`);
    return keypair.publicKey;
  }

  /** A zone that does not exist is said now; that no host of it has room is the claim's to say. */
  async #checkZone({ caller, availabilityZone, requestedHost }: Request): Promise<void> {
    if (requestedHost !== null && !caller.isAdmin) throw forbidden('Only an administrator may ask for a certain host.');
    if (availabilityZone === null) return;
    try {
      const { zones } = await this.bus.ask(listZones, {});
      if (zones.some(({ name }) => name === availabilityZone)) return;
    } catch (error) {
      // The scheduler is away: the claim will wait for it and tell.
      if (['unavailable', 'timeout'].includes(asSkyError(error).kind)) return;
      throw error;
    }
    throw badRequest(`The requested availability zone is not available: ${availabilityZone}`);
  }
}

function answer(rows: InstanceRow[], projectId: string): { instances: InstanceView[] } {
  if (rows.some((row) => row.project_id !== projectId)) throw conflict('A server with one of these ids exists already.');
  return { instances: rows.map(viewOf) };
}

function checkUserData(userData: string | null): void {
  if (userData === null) return;
  if (userData.length > LIMITS.userDataChars) throw badRequest(`User data too large. User data must be no larger than ${LIMITS.userDataChars} bytes once base64 encoded.`);
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(userData.replace(/\s+/g, ''))) throw badRequest('User data needs to be valid base 64.');
}
