import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { listZones, type createServers, type Flavor, type InstanceView, type ProjectLimits, type ReceivedBy } from '#libs/contracts';
import { asSkyError, badRequest, conflict, forbidden, overQuota } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { devicesOfFlavor } from '#libs/openstack';
import { demandOffered } from '../flavors/device-classes.js';
import { FlavorsRepository } from '../flavors/flavors.repository.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { LIMITS } from '../limits.js';
import { ProjectLimitsCopy } from '../quota/project-limits.js';
import { ServerGroupsRepository } from '../server-groups/server-groups.repository.js';
import { BootSources, checkUserData, imageSpec } from './boot-sources.js';
import { projectOf } from './caller-project.js';
import { CreateTurns } from './create-turns.js';
import { hostnameFor, nameOf } from './decide/hostname.js';
import { withinQuota, type Usage } from './decide/quota.js';
import { demandMetadata } from './demand-metadata.js';
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
  readonly #turns = new CreateTurns(
    { atOnce: LIMITS.createsAtOnce, behind: LIMITS.createsBehind, patienceMs: LIMITS.createPatienceMs, lookMs: LIMITS.createLookMs }, () => this.bell.waiting);

  constructor(
    private readonly instances: InstancesRepository, private readonly flavors: FlavorsRepository, private readonly sources: BootSources,
    private readonly limits: ProjectLimitsCopy, private readonly bell: LoopBell, @Inject(BUS) private readonly bus: Bus, private readonly groups: ServerGroupsRepository,
  ) {}

  /** @param signal the asker has given up: what has not begun by then is not begun */
  async create(request: Request, signal?: AbortSignal): Promise<{ instances: InstanceView[] }> {
    const projectId = projectOf(request.caller);
    try {
      return answer(await this.#make(request, projectId, signal), projectId);
    } catch (error) {
      // The repeat of a create that was done: whatever has gone or is out of reach since, its servers are the answer.
      const existing = await this.instances.findMany(request.instanceIds).catch(() => []);
      if (existing.length > 0) return answer(existing, projectId);
      throw error;
    }
  }

  async #make(request: Request, projectId: string, signal: AbortSignal | undefined): Promise<InstanceRow[]> {
    // Questions to others come first: nobody waits for his turn because somebody's image store is slow.
    const [spec, limits] = await Promise.all([this.#spec(request), this.limits.of(projectId), this.#checkZone(request), this.#checkGroup(request)]);
    demandMetadata(request.metadata, limits);
    const { vcpus, ramMib } = spec.flavor;
    const devices = devicesOfFlavor(spec.flavor);
    const wanted = { minCount: Math.min(request.minCount, request.instanceIds.length), maxCount: request.instanceIds.length, vcpus, ramMib, devices };
    // The limits are looked at again when it is this create's turn: it may have waited for longer than a copy counts.
    const allow = ({ instances, cores, ramMib, devices: ofDevices }: ProjectLimits) => (instances < 0 && cores < 0 && ramMib < 0 && Object.keys(devices).every((name) => (ofDevices?.[name] ?? -1) < 0) ? undefined : (used: Usage): number => {
      const quota = withinQuota({ instances, cores, ramMib, devices: ofDevices }, used, wanted);
      if ('refused' in quota) throw overQuota(quota.refused, { details: quota.details });
      return quota.allowed;
    });
    const made = await this.#turns.pass(async () => this.instances.create({
      projectId, userId: request.caller.userId, requestId: request.caller.requestId, by: request.caller, reservationId: request.reservationId,
      description: request.description, metadata: request.metadata, tags: request.tags, spec,
      keyName: request.keyName, userData: request.userData, requestedZone: request.availabilityZone, requestedHost: request.requestedHost, hints: request.hints,
      group: request.groupId === null ? null : { id: request.groupId, maxMembers: limits.serverGroupMembers },
      ids: request.instanceIds,
      named: (id, index, count) => {
        const name = nameOf(request.name, index, count);
        return { name, hostname: request.hostname === null ? hostnameFor(name, `server-${id}`) : nameOf(request.hostname, index, count) };
      },
    }, this.bell.owner, allow(await this.limits.of(projectId))), signal);
    for (const row of made) this.bell.ring(row.id, { leased: true, row });
    // Fewer than meant: a repeat overtook us, or the quota allowed fewer. What is there is the answer.
    return made.length === wanted.maxCount ? made : this.instances.findMany(request.instanceIds);
  }

  async #spec(request: Request): Promise<InstanceSpec> {
    checkUserData(request.userData);
    const { caller, imageId, keyName } = request;
    const [flavor, image, publicKey] = await Promise.all([this.#flavor(request), this.sources.image(caller, imageId), this.sources.publicKey(caller.userId, keyName)]);
    await demandOffered(this.bus, flavor);
    return { ...imageSpec(image, flavor), flavor, publicKey, randomSeed: randomBytes(64).toString('base64') };
  }

  async #flavor({ caller, flavorId }: Request): Promise<Flavor> {
    const flavor = await this.flavors.findFor(caller, flavorId);
    if (!flavor) throw badRequest(`Flavor ${flavorId} could not be found.`);
    if (flavor.disabled) throw badRequest(`Flavor ${flavorId} is disabled: no new servers are made of it.`);
    return flavor;
  }

  /** A group that goes between here and the write leaves its servers without one, as deleting it a moment later would. */
  async #checkGroup({ caller, groupId }: Request): Promise<void> {
    if (groupId === null) return;
    const group = await this.groups.find(groupId);
    if (!group || (!caller.isAdmin && group.projectId !== caller.projectId)) throw badRequest(`Instance group ${groupId} could not be found.`);
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
