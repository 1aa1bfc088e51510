/** Prefers hosts by the share of virtual CPUs that would stay free. Pure. */
import { freeShareWeigher } from './free-share.js';

export const cpuWeigher = freeShareWeigher('cpu', (request) => request.vcpus, (fleet) => fleet.limitVcpus, (fleet) => fleet.usedVcpus);
