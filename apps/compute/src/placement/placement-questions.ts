/**
 * Questions of people about placement: flavors and images are read here, as for a server that is made, and the scheduler is
 * asked. Changes nothing; a crash loses the question.
 */
import { Inject, Injectable } from '@nestjs/common';
import {
  fitPlacement, listAllocations, placementCapacity,
  type Allocation, type askCapacity, type askFit, type FitAnswer, type Flavor, type GroupWish, type InstanceId, type OutputOf, type readScheduling, type ReceivedBy,
} from '#libs/contracts';
import { badRequest, forbidden } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { readNeeds } from '#libs/openstack';
import { FlavorsRepository } from '../flavors/flavors.repository.js';
import { BootSources, imageSpec } from '../instances/boot-sources.js';
import { projectOf, visible } from '../instances/caller-project.js';
import { claimedDiskGib } from '../instances/decide/fits.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { needsOf } from '../instances/needs-of.js';
import { LIMITS } from '../limits.js';
import { ServerGroupsRepository } from '../server-groups/server-groups.repository.js';

type Fit = ReceivedBy<typeof askFit>;

/** Of an image nobody named: as if it were smaller than the flavor's disk. */
const NO_IMAGE = { virtualSizeBytes: null, sizeBytes: 0 };

@Injectable()
export class PlacementQuestions {
  constructor(
    private readonly flavors: FlavorsRepository, private readonly sources: BootSources, private readonly groups: ServerGroupsRepository,
    private readonly instances: InstancesRepository, @Inject(BUS) private readonly bus: Bus,
  ) {}

  async fit(asked: Fit): Promise<FitAnswer> {
    const { caller, count, availabilityZone, requestedHost, hints } = asked;
    const projectId = projectOf(caller);
    if (requestedHost !== null && !caller.isAdmin) throw forbidden('Only an administrator may ask for a certain host.');
    const [wish, group] = await Promise.all([this.#wish(asked), this.#group(asked)]);
    return this.bus.ask(fitPlacement, { ...wish, projectId, count, availabilityZone, requestedHost, hints, group, hintsWithin: caller.isAdmin ? null : projectId }, { requestId: caller.requestId });
  }

  async capacity({ caller }: ReceivedBy<typeof askCapacity>): Promise<OutputOf<typeof askCapacity>> {
    const projectId = projectOf(caller);
    const flavors = await this.flavors.list({ isPublic: caller.isAdmin ? null : true, hideDisabled: true, sortKey: 'flavorid', sortDirection: 'asc', limit: LIMITS.capacityFlavors }, projectId);
    const read = flavors.slice(0, LIMITS.capacityFlavors).map((flavor) => ({ flavor, needs: readNeeds(flavor, {}) }));
    const wishes = read.flatMap(({ flavor, needs }) => ('problem' in needs ? [] : [{ ...amounts(flavor), needs: needs.needs }]));
    const { at, capacity } = await this.bus.ask(placementCapacity, { projectId, wishes }, { requestId: caller.requestId });
    const answers = capacity.values();
    return {
      at,
      flavors: read.map(({ flavor, needs }) => ({
        id: flavor.id, name: flavor.name, ...('problem' in needs ? { problem: needs.problem, zones: [] } : { problem: null, zones: answers.next().value?.zones ?? [] }),
      })),
    };
  }

  /** Of a server on its host: since when comes from the claim, which is the scheduler's. */
  async scheduling({ caller, instanceId }: ReceivedBy<typeof readScheduling>): Promise<OutputOf<typeof readScheduling>> {
    const row = visible(await this.instances.find(instanceId), caller, instanceId);
    const claim = row.host_id === null ? undefined : await this.#claim(instanceId, row.host_id, caller.requestId);
    return {
      instanceId, step: row.step, explanation: row.placement,
      placed: row.host_id === null ? null : { host: row.host_name ?? row.host_id, availabilityZone: row.availability_zone, layout: row.layout, at: claim?.at ?? null, resources: claim?.resources ?? {} },
    };
  }

  /** undefined: the scheduler is away, or knows of none. What is known here is answered all the same. */
  async #claim(instanceId: InstanceId, hostId: string, requestId: string): Promise<Allocation | undefined> {
    const { allocations } = await this.bus.ask(listAllocations, { instanceId }, { requestId }).catch(() => ({ allocations: [] }));
    const here = allocations.filter((allocation) => allocation.hostId === hostId);
    return here.find(({ purpose }) => purpose === 'run') ?? here[0];
  }

  async #wish({ caller, flavorId, imageId }: Fit): Promise<ReturnType<typeof amounts> & { needs: ReturnType<typeof needsOf> }> {
    const flavor = await this.flavors.findFor(caller, flavorId);
    if (!flavor) throw badRequest(`Flavor ${flavorId} could not be found.`);
    if (imageId === null) {
      const read = readNeeds(flavor, {});
      if ('problem' in read) throw badRequest(read.problem);
      return { ...amounts(flavor), needs: read.needs };
    }
    const spec = imageSpec(await this.sources.image(caller, imageId), flavor);
    return { ...amounts(flavor), diskGib: spec.claimDiskGib, needs: needsOf({ flavor, ...(spec.imageProperties !== undefined && { imageProperties: spec.imageProperties }) }) };
  }

  async #group({ caller, groupId }: Fit): Promise<GroupWish | null> {
    if (groupId === null) return null;
    const group = await this.groups.find(groupId);
    if (!group || (!caller.isAdmin && group.projectId !== caller.projectId)) throw badRequest(`Instance group ${groupId} could not be found.`);
    return this.groups.wish(groupId);
  }
}

const amounts = (flavor: Flavor): { vcpus: number; memoryMib: number; diskGib: number } => ({ vcpus: flavor.vcpus, memoryMib: flavor.ramMib, diskGib: claimedDiskGib(NO_IMAGE, flavor) });
