import { createHash } from 'node:crypto';
import type { Wishes } from './decide/wishes.js';

/** asked: when an operator had the host's rows made anew: the host says everything again then. Names what is wanted of a host's devices: the same is called the same, by whoever works it out, also by a scheduler that knows nothing of vouching. */
export const versionOf = ({ pools, holds }: Wishes, asked: Date | null): string => createHash('sha256').update(JSON.stringify([pools, holds, asked], (key, value: unknown) => (key === 'vouched' && value === 0 ? undefined : value))).digest('base64url').slice(0, 32);
