import { Injectable } from '@nestjs/common';
import type { createFlavor, deleteFlavor, Flavor, getFlavor, listFlavors, OutputOf, ReceivedBy } from '#libs/contracts';
import { badRequest, forbidden, notFound } from '#libs/errors';
import { FlavorsRepository } from './flavors.repository.js';

/** Flavors: what a server may be like. Those that are not public are shown to administrators only. */
@Injectable()
export class Flavors {
  constructor(private readonly flavors: FlavorsRepository) {}

  async list({ caller, isPublic, ...filter }: ReceivedBy<typeof listFlavors>): Promise<OutputOf<typeof listFlavors>> {
    if (filter.marker !== undefined && !(await this.flavors.find(filter.marker))) throw badRequest(`marker [${filter.marker}] not found`);
    const found = await this.flavors.list({ ...filter, isPublic: caller.isAdmin ? isPublic : true });
    return { flavors: found.slice(0, filter.limit), more: found.length > filter.limit };
  }

  async get({ caller, flavorId }: ReceivedBy<typeof getFlavor>): Promise<Flavor> {
    const flavor = await this.flavors.find(flavorId);
    if (!flavor || (!flavor.isPublic && !caller.isAdmin)) throw notFound(`Flavor ${flavorId} could not be found.`);
    return flavor;
  }

  async create({ caller, flavor }: ReceivedBy<typeof createFlavor>): Promise<Flavor> {
    if (!caller.isAdmin) throw forbidden('Only an administrator may create flavors.');
    if (flavor.vcpus < 1) throw badRequest(`vcpus must be at least 1, it is ${flavor.vcpus}.`);
    if (flavor.ramMib < 1) throw badRequest(`ram must be at least 1 MiB, it is ${flavor.ramMib}.`);
    if (flavor.diskGib < 0 || flavor.ephemeralGib < 0 || flavor.swapMib < 0) throw badRequest('Disk, ephemeral and swap sizes must not be negative.');
    return this.flavors.create(flavor);
  }

  async delete({ caller, flavorId }: ReceivedBy<typeof deleteFlavor>): Promise<Record<string, never>> {
    if (!caller.isAdmin) throw forbidden('Only an administrator may delete flavors.');
    if (!(await this.flavors.delete(flavorId))) throw notFound(`Flavor ${flavorId} could not be found.`);
    return {};
  }
}
