/**
 * Keeps hosts with enough virtual CPUs left under the CPU ratio; no guest gets more vCPUs than its host has CPUs. Pure.
 */
import { roomFilter } from './room.js';

export const vcpusFilter = roomFilter({
  name: 'vcpus',
  need: (request) => request.vcpus,
  limit: (fleet) => fleet.limitVcpus,
  used: (fleet) => fleet.usedVcpus,
  largest: (fleet) => fleet.largestVcpus,
  words: (amount) => `${amount} vCPU${amount === 1 ? '' : 's'}`,
});
