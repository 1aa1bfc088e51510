/**
 * The filters in the order they run: first which hosts are in question at all, then their state, then what they are, then
 * their room, the costly look at cells last. The order is part of the explanation: a host is counted at the first filter
 * that refuses it. Pure.
 */
import type { Filter } from '../sieve.js';
import { affinityFilter } from './affinity.filter.js';
import { agentFilter } from './agent.filter.js';
import { aggregateSpecsFilter } from './aggregate-specs.filter.js';
import { aliveFilter } from './alive.filter.js';
import { antiAffinityFilter } from './anti-affinity.filter.js';
import { architectureFilter } from './architecture.filter.js';
import { availabilityZoneFilter } from './availability-zone.filter.js';
import { dedicatedCpusFilter } from './dedicated-cpus.filter.js';
import { deviceNumaFilter } from './device-numa.filter.js';
import { deviceSlotsFilter } from './device-slots.filter.js';
import { devicesFilter } from './devices.filter.js';
import { differentHostFilter } from './different-host.filter.js';
import { diskFilter } from './disk.filter.js';
import { enabledFilter } from './enabled.filter.js';
import { hugePagesFilter } from './huge-pages.filter.js';
import { imagePropertiesFilter } from './image-properties.filter.js';
import { memoryFilter } from './memory.filter.js';
import { notHostsFilter } from './not-hosts.filter.js';
import { numaFilter } from './numa.filter.js';
import { quarantineFilter } from './quarantine.filter.js';
import { requestedHostFilter } from './requested-host.filter.js';
import { resourcesFilter } from './resources.filter.js';
import { sameHostFilter } from './same-host.filter.js';
import { tenantFilter } from './tenant.filter.js';
import { threadPolicyFilter } from './thread-policy.filter.js';
import { traitsFilter } from './traits.filter.js';
import { vcpusFilter } from './vcpus.filter.js';

export const FILTERS: readonly Filter[] = [
  requestedHostFilter, notHostsFilter, sameHostFilter, differentHostFilter, affinityFilter, antiAffinityFilter, availabilityZoneFilter,
  enabledFilter, aliveFilter, quarantineFilter,
  tenantFilter, aggregateSpecsFilter, imagePropertiesFilter, architectureFilter, traitsFilter, agentFilter,
  vcpusFilter, memoryFilter, diskFilter, resourcesFilter, devicesFilter, dedicatedCpusFilter, threadPolicyFilter, hugePagesFilter, numaFilter, deviceNumaFilter, deviceSlotsFilter,
];
