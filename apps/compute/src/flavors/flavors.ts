import { Injectable } from '@nestjs/common';
import type {
  addFlavorAccess, Caller, createFlavor, deleteFlavor, deleteFlavorExtraSpec, Flavor, flavorsOfDeviceClass, getFlavor, listFlavorAccess, listFlavors, OutputOf, ReceivedBy, removeFlavorAccess,
  setFlavorExtraSpecs, updateFlavor,
} from '#libs/contracts';
import { badRequest, conflict, forbidden, notFound, type SkyError } from '#libs/errors';
import { whyNotFlavor } from '#libs/openstack';
import { LIMITS } from '../limits.js';
import { DeviceClasses } from './device-classes.js';
import { FlavorsRepository } from './flavors.repository.js';

/** Flavors: what a server may be like. Those that are not public are shown to admins and to projects that were given access. */
@Injectable()
export class Flavors {
  constructor(private readonly flavors: FlavorsRepository, private readonly deviceClasses: DeviceClasses) {}

  async list({ caller, isPublic, ...filter }: ReceivedBy<typeof listFlavors>): Promise<OutputOf<typeof listFlavors>> {
    if (filter.marker !== undefined && !(await this.flavors.findFor(caller, filter.marker))) throw badRequest(`marker [${filter.marker}] not found`);
    const found = await this.flavors.list({ ...filter, isPublic: caller.isAdmin ? isPublic : true, hideDisabled: !caller.isAdmin }, caller.projectId);
    return { flavors: found.slice(0, filter.limit), more: found.length > filter.limit };
  }

  async get({ caller, flavorId }: ReceivedBy<typeof getFlavor>): Promise<Flavor> {
    return (await this.flavors.findFor(caller, flavorId)) ?? missing(flavorId);
  }

  async create({ caller, flavor }: ReceivedBy<typeof createFlavor>): Promise<Flavor> {
    adminOnly(caller, 'create flavors');
    if (flavor.vcpus < 1) throw badRequest(`vcpus must be at least 1, it is ${flavor.vcpus}.`);
    if (flavor.ramMib < 1) throw badRequest(`ram must be at least 1 MiB, it is ${flavor.ramMib}.`);
    if (flavor.diskGib < 0 || flavor.ephemeralGib < 0 || flavor.swapMib < 0) throw badRequest('Disk, ephemeral and swap sizes must not be negative.');
    const specs = Object.entries(flavor.extraSpecs);
    if (specs.length > LIMITS.extraSpecs) throw tooMany(flavor.id);
    if (specs.some(([key, value]) => key.length === 0 || Math.max(key.length, value.length) > LIMITS.extraSpecChars)) throw badRequest(`Keys of extra specs have 1 to ${LIMITS.extraSpecChars} characters, and values at most as many.`);
    demandPossible(flavor);
    await this.deviceClasses.demandKnown(flavor);
    return this.flavors.create(flavor, caller);
  }

  async update({ caller, flavorId, description }: ReceivedBy<typeof updateFlavor>): Promise<Flavor> {
    adminOnly(caller, 'change flavors');
    return (await this.flavors.describe(flavorId, description, caller)) ?? missing(flavorId);
  }

  async delete({ caller, flavorId }: ReceivedBy<typeof deleteFlavor>): Promise<Record<string, never>> {
    adminOnly(caller, 'delete flavors');
    if (!(await this.flavors.delete(flavorId, caller))) missing(flavorId);
    return {};
  }

  async setExtraSpecs({ caller, flavorId, extraSpecs }: ReceivedBy<typeof setFlavorExtraSpecs>): Promise<Flavor> {
    adminOnly(caller, 'change flavors');
    const before = (await this.flavors.find(flavorId)) ?? missing(flavorId);
    demandPossible({ ...before, extraSpecs: { ...before.extraSpecs, ...extraSpecs } });
    // Only what is written now: a class that was deleted since must not keep its flavor from being mended.
    await this.deviceClasses.demandKnown({ ...before, extraSpecs });
    const changed = await this.flavors.setExtraSpecs(flavorId, extraSpecs, LIMITS.extraSpecs, caller);
    if (changed) return changed;
    if (!(await this.flavors.find(flavorId))) missing(flavorId);
    throw tooMany(flavorId);
  }

  async deleteExtraSpec({ caller, flavorId, key }: ReceivedBy<typeof deleteFlavorExtraSpec>): Promise<Record<string, never>> {
    adminOnly(caller, 'change flavors');
    if (await this.flavors.deleteExtraSpec(flavorId, key, caller)) return {};
    if (!(await this.flavors.find(flavorId))) missing(flavorId);
    throw notFound(`Flavor ${flavorId} has no extra specs with key ${key}.`);
  }

  async access({ caller, flavorId }: ReceivedBy<typeof listFlavorAccess>): Promise<OutputOf<typeof listFlavorAccess>> {
    adminOnly(caller, 'see who has access to a flavor');
    const flavor = (await this.flavors.find(flavorId)) ?? missing(flavorId);
    if (flavor.isPublic) throw notFound('Access list not available for public flavors.');
    return { projectIds: await this.flavors.access(flavorId) };
  }

  async addAccess({ caller, flavorId, projectId, privateOnly }: ReceivedBy<typeof addFlavorAccess>): Promise<OutputOf<typeof addFlavorAccess>> {
    adminOnly(caller, 'give access to a flavor');
    const flavor = (await this.flavors.find(flavorId)) ?? missing(flavorId);
    if (flavor.isPublic && privateOnly) throw conflict('Can not add access to a public flavor.');
    if (!(await this.flavors.addAccess(flavorId, projectId, caller))) throw conflict(`Flavor access already exists for flavor ${flavorId} and project ${projectId} combination.`);
    return { projectIds: await this.flavors.access(flavorId) };
  }

  async removeAccess({ caller, flavorId, projectId }: ReceivedBy<typeof removeFlavorAccess>): Promise<OutputOf<typeof removeFlavorAccess>> {
    adminOnly(caller, 'take access to a flavor away');
    if (!(await this.flavors.find(flavorId))) missing(flavorId);
    if (!(await this.flavors.removeAccess(flavorId, projectId, caller))) throw notFound(`Flavor access not found for ${flavorId} / ${projectId} combination.`);
    return { projectIds: await this.flavors.access(flavorId) };
  }

  ofDeviceClass(className: string): Promise<OutputOf<typeof flavorsOfDeviceClass>> { return this.flavors.ofDeviceClass(className, FLAVORS_SHOWN); }
}

const FLAVORS_SHOWN = 20;

/** What is written one by one may be unfinished, but not impossible. Two writers at once may still make it so: then making a server says it. */
function demandPossible(flavor: Flavor): void {
  const problem = whyNotFlavor(flavor);
  if (problem !== undefined) throw badRequest(problem);
}

const tooMany = (flavorId: string): SkyError => badRequest(`A flavor has at most ${LIMITS.extraSpecs} extra specs; flavor ${flavorId} would have more.`);

function missing(flavorId: string): never {
  throw notFound(`Flavor ${flavorId} could not be found.`);
}

function adminOnly({ isAdmin }: Caller, what: string): void {
  if (!isAdmin) throw forbidden(`Only an administrator may ${what}.`);
}
