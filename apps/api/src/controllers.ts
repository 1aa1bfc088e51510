import { AggregatesController } from './compute/aggregates/aggregates.controller.js';
import { ConsolePagesController } from './compute/consoles/console-pages.controller.js';
import { RemoteConsolesController } from './compute/consoles/remote-consoles.controller.js';
import { DiagnosticsController } from './compute/diagnostics/diagnostics.controller.js';
import { ExtensionsController } from './compute/extensions/extensions.controller.js';
import { ExtraSpecsController } from './compute/flavors/extra-specs.controller.js';
import { FlavorAccessController } from './compute/flavors/flavor-access.controller.js';
import { FlavorsController } from './compute/flavors/flavors.controller.js';
import { ComputeHostsController } from './compute/hosts/hosts.controller.js';
import { HypervisorsController } from './compute/hypervisors/hypervisors.controller.js';
import { InstanceActionsController } from './compute/instance-actions/instance-actions.controller.js';
import { KeypairsController } from './compute/keypairs/keypairs.controller.js';
import { LimitsController } from './compute/limits/limits.controller.js';
import { MigrationsController, ServerMigrationsController } from './compute/migrations/migrations.controller.js';
import { QuotaClassSetsController } from './compute/quota-class-sets/quota-class-sets.controller.js';
import { QuotaSetsController } from './compute/quota-sets/quota-sets.controller.js';
import { ServerGroupsController } from './compute/server-groups/server-groups.controller.js';
import { ServerFacetsController } from './compute/servers/server-facets.controller.js';
import { ServerMetadataController } from './compute/servers/server-metadata.controller.js';
import { ServerTagsController } from './compute/servers/server-tags.controller.js';
import { ServersController } from './compute/servers/servers.controller.js';
import { ServicesController } from './compute/services/services.controller.js';
import { UsageController } from './compute/usage/usage.controller.js';
import { VersionsController } from './compute/versions/versions.controller.js';
import { ZonesController } from './compute/zones/zones.controller.js';
import { PlacementController, PlacementVersionsController, PlacementWritesController } from './placement/placement.controller.js';
import { ResourceProvidersController } from './placement/providers.controller.js';
import { AdoptionController } from './v1/adoption/adoption.controller.js';
import { TokenKeysController } from './v1/token-keys/token-keys.controller.js';
import { AuditController } from './v1/audit/audit.controller.js';
import { FencingController } from './v1/hosts/fencing.controller.js';
import { EventsController } from './v1/events/events.controller.js';
import { DeviceClassesController } from './v1/devices/device-classes.controller.js';
import { DevicePoolsController } from './v1/devices/device-pools.controller.js';
import { DeviceSidesController, DevicesController } from './v1/devices/devices.controller.js';
import { DiskTransfersController } from './v1/disk-transfers/disk-transfers.controller.js';
import { DriftController } from './v1/drift/drift.controller.js';
import { HostsController } from './v1/hosts/hosts.controller.js';
import { InspectController } from './v1/servers/inspect.controller.js';
import { ServerDevicesController } from './v1/servers/server-devices.controller.js';
import { ServerController } from './v1/servers/server.controller.js';
import { PolicyController } from './v1/policy/policy.controller.js';
import { PlacementQuestionsController } from './v1/placement/placement.controller.js';
import { TimelineController } from './v1/timeline/timeline.controller.js';
import { V1VersionController } from './v1/version/version.controller.js';

/** Every route of this app, for the module and for the OpenAPI documents. */
export const COMPUTE_CONTROLLERS = [
  VersionsController, ServersController, ServerFacetsController, ServerMetadataController, ServerTagsController, InstanceActionsController, RemoteConsolesController, DiagnosticsController, FlavorsController, KeypairsController, HypervisorsController, ServicesController, ZonesController,
  ExtraSpecsController, FlavorAccessController, ServerGroupsController, ComputeHostsController, MigrationsController, ServerMigrationsController, UsageController,
  LimitsController, QuotaSetsController, QuotaClassSetsController, ExtensionsController, AggregatesController,
] as const;
export const V1_CONTROLLERS = [V1VersionController, HostsController, DiskTransfersController, DriftController, FencingController, AdoptionController, InspectController, TimelineController, EventsController, PlacementQuestionsController, AuditController, PolicyController, TokenKeysController, DeviceClassesController, DevicePoolsController, DevicesController, DeviceSidesController, ServerController, ServerDevicesController] as const;
export const PLACEMENT_READERS = [PlacementVersionsController, ResourceProvidersController, PlacementController] as const;
/** Writes are refused, all of them: they are in no document. */
export const PLACEMENT_CONTROLLERS = [...PLACEMENT_READERS, PlacementWritesController] as const;
/** Pages for browsers: no API, so in no OpenAPI document. */
export const PAGE_CONTROLLERS = [ConsolePagesController] as const;
export const CONTROLLERS = [...COMPUTE_CONTROLLERS, ...V1_CONTROLLERS, ...PLACEMENT_CONTROLLERS, ...PAGE_CONTROLLERS] as const;
