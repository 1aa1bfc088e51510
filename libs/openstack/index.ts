/**
 * OpenStack's compute API as data: microversions and what each changes, the shapes of its answers, its links, dates,
 * words and refusals. Pure: no framework, no clock, no input or output.
 */
export { hostIdOf } from './host-id.js';
export { microsNoZone, microsNoZoneOrNull, secondsZ } from './dates.js';
export { forTenants } from './tenant-text.js';
export { bookmark, computeLinks, nextLinks, resourceLinks, type Link, type LinkBase, type PageAsked } from './links.js';
export { MAX_VERSION, MIN_VERSION, Microversion, negotiate, versionHeaders, type Negotiated, type VersionText } from './microversion.js';
export { FEATURES, has, WITHOUT_EFFECT, type Feature } from './version-table.js';
export { versionListView, versionView } from './version-document.view.js';
export { instanceName, serverCreated, serverDetail, serverRebuilt, serverUpdated, type ServerContext } from './server.view.js';
export { serverListPieces, serverListText } from './server-entry.writer.js';
export { flavorAccessView, flavorBrief, flavorDetail, flavorList, type FlavorContext } from './flavor.view.js';
export { keypairCreated, keypairDetail, keypairList, type KeypairContext } from './keypair.view.js';
export {
  hypervisorBrief, hypervisorDetail, hypervisorId, hypervisorList, hypervisorStatistics, type HypervisorContext, type HypervisorServer,
} from './hypervisor.view.js';
export { COMPUTE_BINARY, serviceStatusView, serviceView } from './service.view.js';
export { serverTopology, type TopologyNode } from './server-topology.view.js';
export { aggregateView, newAggregateView } from './aggregate.view.js';
export { serverGroupView } from './server-group.view.js';
export { hostListView, hostView, type HostShare } from './host.view.js';
export { noUsage, projectUsages, type UsagePeriod } from './usage.view.js';
export { whyNotExtraSpec } from './extra-specs.js';
export { cpuTopology, devicesOfAttachment, devicesOfFlavor, freePlaces, needsLayout, needsOfMade, placeOf, placingProperties, readNeeds, whyNotFlavor, whyNotRebuilt, withDeviceNeeds, withDevices, withoutAttachment, type CpuTopology, type ImageProperties, type NeedsRead } from './needs/index.js';
export { migrationList, type MigrationContext } from './migration.view.js';
export { zoneDetail, zoneList } from './zone.view.js';
export { instanceActionDetail, instanceActionList, instanceActionName, type InstanceActionContext } from './instance-action.view.js';
export { limitsView, QUOTA_RESOURCES, quotaClassView, quotaSetChanged, quotaSetDetail, quotaSetView, QUOTAS_NOT_KEPT, quotaUsage, type ProjectUsage, type QuotaName } from './limits.view.js';
export * from './status/index.js';
export { KNOWN_STATUSES } from './known-statuses.js';
export { explainInvalid, type InputKind } from './explain-invalid.js';
export { pythonRepr } from './python-repr.js';
export { negotiatePlacement, PLACEMENT_MAX, PLACEMENT_MIN, placementHeaders, placementVersions, type PlacementNegotiated } from './placement-version.js';
export {
  aggregatesView, candidatesView, capacityOfInventory, consumerAllocationsView, inventoriesView, inventoryView, projectUsagesView, providerAllocationsView, providerView, resourceClassView, traitsView, usagesView, type CandidateAsk,
} from './placement.view.js';
export { STANDARD_RESOURCES, STANDARD_TRAITS } from './standard-names.js';
