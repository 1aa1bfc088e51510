/** Prefers hosts by the share of ordinary memory that would stay free. Pure. */
import { freeShareWeigher } from './free-share.js';

export const ramWeigher = freeShareWeigher('ram', ({ shape }) => shape.ordinaryMib, (fleet) => fleet.limitMemoryMib, (fleet) => fleet.usedMemoryMib);
