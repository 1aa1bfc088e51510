/**
 * Keeps hosts with enough disk left under the disk ratio. A request for 0 GiB (as large as the image) always passes. Pure.
 */
import { roomFilter } from './room.js';

export const diskFilter = roomFilter({
  name: 'disk',
  need: (request) => request.diskGib,
  limit: (fleet) => fleet.limitDiskGib,
  used: (fleet) => fleet.usedDiskGib,
  largest: () => null,
  words: (amount) => `${amount} GiB of disk`,
});
