import { AggregatesController } from './compute/aggregates/aggregates.controller.js';
import { ExtensionsController } from './compute/extensions/extensions.controller.js';
import { FlavorsController } from './compute/flavors/flavors.controller.js';
import { HypervisorsController } from './compute/hypervisors/hypervisors.controller.js';
import { KeypairsController } from './compute/keypairs/keypairs.controller.js';
import { LimitsController } from './compute/limits/limits.controller.js';
import { QuotaSetsController } from './compute/quota-sets/quota-sets.controller.js';
import { ServerFacetsController } from './compute/servers/server-facets.controller.js';
import { ServersController } from './compute/servers/servers.controller.js';
import { ServicesController } from './compute/services/services.controller.js';
import { VersionsController } from './compute/versions/versions.controller.js';
import { ZonesController } from './compute/zones/zones.controller.js';
import { HostsController } from './v1/hosts/hosts.controller.js';
import { InspectController } from './v1/servers/inspect.controller.js';
import { V1VersionController } from './v1/version/version.controller.js';

/** Every route of this app, for the module and for the OpenAPI documents. */
export const COMPUTE_CONTROLLERS = [
  VersionsController, ServersController, ServerFacetsController, FlavorsController, KeypairsController, HypervisorsController, ServicesController, ZonesController,
  LimitsController, QuotaSetsController, ExtensionsController, AggregatesController,
] as const;
export const V1_CONTROLLERS = [V1VersionController, HostsController, InspectController] as const;
export const CONTROLLERS = [...COMPUTE_CONTROLLERS, ...V1_CONTROLLERS] as const;
