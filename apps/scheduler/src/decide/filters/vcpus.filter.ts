/**
 * Keeps hosts with enough virtual CPUs left under the CPU ratio, for what of the guest floats; no guest gets more of them than its
 * host has CPUs. Pure.
 */
import { roomFilter } from './room.js';

export const vcpusFilter = roomFilter({
  name: 'vcpus',
  need: ({ shape }) => shape.vcpus,
  limit: (fleet) => fleet.limitVcpus,
  used: (fleet) => fleet.usedVcpus,
  largest: (fleet) => fleet.largestVcpus,
  words: (amount) => `${amount} vCPU${amount === 1 ? '' : 's'}`,
});
