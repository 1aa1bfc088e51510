/** Prefers hosts by the share of disk that would stay free. Pure. */
import { freeShareWeigher } from './free-share.js';

export const diskWeigher = freeShareWeigher('disk', (request) => request.diskGib, (fleet) => fleet.limitDiskGib, (fleet) => fleet.usedDiskGib);
