import type { Flavor } from '#libs/contracts';
import { nextLinks, resourceLinks, type LinkBase, type PageAsked } from './links.js';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

export interface FlavorContext { readonly version: Microversion; readonly links: LinkBase }

export const flavorBrief = (flavor: Flavor, { version, links }: FlavorContext) => ({
  id: flavor.id,
  name: flavor.name,
  links: resourceLinks(links, 'flavors', flavor.id),
  ...(has(version, 'flavor.description') && { description: flavor.description }),
});

/** `swap` is an empty string when there is none, before 2.75: clients written for it compare with "". */
export const flavorDetail = (flavor: Flavor, { version, links }: FlavorContext) => ({
  id: flavor.id,
  name: flavor.name,
  ram: flavor.ramMib,
  disk: flavor.diskGib,
  swap: flavor.swapMib === 0 && !has(version, 'query.strict') ? '' : flavor.swapMib,
  'OS-FLV-EXT-DATA:ephemeral': flavor.ephemeralGib,
  'OS-FLV-DISABLED:disabled': flavor.disabled,
  vcpus: flavor.vcpus,
  'os-flavor-access:is_public': flavor.isPublic,
  rxtx_factor: flavor.rxtxFactor,
  links: resourceLinks(links, 'flavors', flavor.id),
  ...(has(version, 'flavor.description') && { description: flavor.description }),
  ...(has(version, 'flavor.extra-specs') && { extra_specs: flavor.extraSpecs }),
});

export function flavorList(flavors: readonly Flavor[], detail: boolean, page: PageAsked, context: FlavorContext) {
  const next = nextLinks(context.links, detail ? 'flavors/detail' : 'flavors', page, flavors.map(({ id }) => id));
  return {
    flavors: flavors.map((flavor) => (detail ? flavorDetail(flavor, context) : flavorBrief(flavor, context))),
    ...(next && { flavors_links: next }),
  };
}

/** Which projects see a flavor that is not public. */
export const flavorAccessView = (flavorId: string, projectIds: readonly string[]) => ({
  flavor_access: projectIds.map((tenantId) => ({ flavor_id: flavorId, tenant_id: tenantId })),
});

/** The flavor inside a server, from 2.47: as it was when the server was asked for, and without its id. */
export const embeddedFlavor = (flavor: Flavor) => ({
  vcpus: flavor.vcpus,
  ram: flavor.ramMib,
  disk: flavor.diskGib,
  ephemeral: flavor.ephemeralGib,
  swap: flavor.swapMib,
  original_name: flavor.name,
  extra_specs: flavor.extraSpecs,
});
