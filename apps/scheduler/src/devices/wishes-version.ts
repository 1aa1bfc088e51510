import { createHash } from 'node:crypto';
import type { Wishes } from './decide/wishes.js';

/** asked: when an operator had the host's rows made anew: the host says everything again then. Names what is wanted of a host's devices: the same is called the same, by whoever works it out. */
export const versionOf = ({ pools, holds }: Wishes, asked: Date | null): string => createHash('sha256').update(JSON.stringify([pools, holds, asked])).digest('base64url').slice(0, 32);
