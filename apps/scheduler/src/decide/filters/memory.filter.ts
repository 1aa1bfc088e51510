/**
 * Keeps hosts with enough memory left under the RAM ratio; no guest gets more memory than its host has. Pure.
 */
import { roomFilter } from './room.js';

export const memoryFilter = roomFilter({
  name: 'memory',
  need: ({ shape }) => shape.ordinaryMib,
  limit: (fleet) => fleet.limitMemoryMib,
  used: (fleet) => fleet.usedMemoryMib,
  largest: (fleet) => fleet.largestMemoryMib,
  words: (amount) => `${amount} MiB of memory`,
});
