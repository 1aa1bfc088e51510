import { randomUUID } from 'node:crypto';
import { Needs, type claimHost, type GroupWish, type InputOf } from '#libs/contracts';
import type { Kind } from './room-judge.js';
import { claim } from './scheduler.js';

export interface Wish { kind: Kind; ask: InputOf<typeof claimHost>; group: GroupWish | null }

export const GROUPS: readonly GroupWish[] = [
  ...Array.from({ length: 6 }, (): GroupWish => ({ id: randomUUID(), policy: 'anti-affinity', maxServerPerHost: 1 })),
  ...Array.from({ length: 3 }, (): GroupWish => ({ id: randomUUID(), policy: 'anti-affinity', maxServerPerHost: 2 })),
  ...Array.from({ length: 6 }, (): GroupWish => ({ id: randomUUID(), policy: 'affinity', maxServerPerHost: 1 })),
  { id: randomUUID(), policy: 'soft-anti-affinity', maxServerPerHost: 1 },
];

const pinned = (count: number, change: Partial<Needs> = {}): Needs => Needs.parse({ cpuPolicy: 'dedicated', pinned: Array.from({ length: count }, (_, at) => at), ...change });

/** One of the kinds of servers there are, by lot; every third is of a group. */
export function wish(lot: number): Wish {
  const group = lot % 3 === 0 ? GROUPS[lot % GROUPS.length]! : null;
  const made = (kind: Kind, change: Partial<InputOf<typeof claimHost>>): Wish => ({ kind, group, ask: claim({ diskGib: 0, ...change, group }) });
  switch (lot % 8) {
    case 0: return made('pinned', { vcpus: 2, memoryMib: 256, needs: pinned(2) });
    case 1: return made('pinned-emulator-paged', { vcpus: 3, memoryMib: 64, needs: pinned(3, { emulatorThreads: 'isolate', pageSize: 'large' }) });
    case 2: return made('paged', { vcpus: 2, memoryMib: 128, needs: Needs.parse({ pageSize: 2048 }) });
    case 3: return made('two-cells', { vcpus: 2, memoryMib: 512, needs: Needs.parse({ cells: [{ cpus: [0], memoryMib: 256 }, { cpus: [1], memoryMib: 256 }] }) });
    case 4: return made('isolated', { vcpus: 1, memoryMib: 64, needs: pinned(1, { threadPolicy: 'isolate' }) });
    case 5: return made('key', { vcpus: 1, memoryMib: 64, needs: Needs.parse({ resources: { CUSTOM_KEY: 1 } }) });
    default: return made(`plain-${(1 + (lot % 3)) as 1 | 2 | 3}`, { vcpus: 1 + (lot % 3), memoryMib: 128 });
  }
}

export const onePinned = (): Wish => ({ kind: 'one-pinned', group: null, ask: claim({ vcpus: 1, memoryMib: 1, diskGib: 0, needs: pinned(1) }) });
