/** The weighers; their multipliers are the policy's. Pure. */
import type { Weigher } from '../request.js';
import { cpuWeigher } from './cpu.weigher.js';
import { diskWeigher } from './disk.weigher.js';
import { ramWeigher } from './ram.weigher.js';

export const WEIGHERS: readonly Weigher[] = [ramWeigher, cpuWeigher, diskWeigher];
