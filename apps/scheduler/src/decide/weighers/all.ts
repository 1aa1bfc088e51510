/** The weighers, those of load and those of merit; their multipliers are the policy's. Pure. */
import { DEFAULT_WEIGHTS, type PlacementPolicy, type Weights } from '../request.js';
import type { Weigher } from '../sieve.js';
import { buildFailuresWeigher } from './build-failures.weigher.js';
import { cpuWeigher } from './cpu.weigher.js';
import { devicesWeigher } from './devices.weigher.js';
import { diskWeigher } from './disk.weigher.js';
import { imageCachedWeigher } from './image-cached.weigher.js';
import { numaWeigher } from './numa.weigher.js';
import { ramWeigher } from './ram.weigher.js';
import { softAffinityWeigher } from './soft-affinity.weigher.js';

export const WEIGHERS: readonly Weigher[] = [ramWeigher, cpuWeigher, diskWeigher, numaWeigher, devicesWeigher, softAffinityWeigher, buildFailuresWeigher, imageCachedWeigher];

/** The multipliers in force, those that the policy leaves out included. */
export const weightsOf = ({ weights }: PlacementPolicy): Weights => ({ ...DEFAULT_WEIGHTS, ...weights });
