/**
 * The filters in the order they run: first which hosts are in question at all, then their state, then their room.
 * The order is part of the explanation: a host is counted at the first filter that refuses it. Pure.
 */
import type { Filter } from '../request.js';
import { aliveFilter } from './alive.filter.js';
import { availabilityZoneFilter } from './availability-zone.filter.js';
import { diskFilter } from './disk.filter.js';
import { enabledFilter } from './enabled.filter.js';
import { memoryFilter } from './memory.filter.js';
import { notHostsFilter } from './not-hosts.filter.js';
import { requestedHostFilter } from './requested-host.filter.js';
import { vcpusFilter } from './vcpus.filter.js';

export const FILTERS: readonly Filter[] = [
  requestedHostFilter, notHostsFilter, availabilityZoneFilter, enabledFilter, aliveFilter, vcpusFilter, memoryFilter, diskFilter,
];
