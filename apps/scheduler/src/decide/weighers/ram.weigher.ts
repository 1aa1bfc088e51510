/** Prefers hosts by the share of memory that would stay free. Pure. */
import { freeShareWeigher } from './free-share.js';

export const ramWeigher = freeShareWeigher('ram', (request) => request.memoryMib, (fleet) => fleet.limitMemoryMib, (fleet) => fleet.usedMemoryMib);
