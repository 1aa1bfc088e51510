import { describe, expect, it } from '@jest/globals';
import type { Layout, Needs } from '#libs/contracts';
import { layoutShown } from './layout-shown.js';

const wish = (change: Partial<NonNullable<Needs['topology']>>) => ({ topology: { sockets: null, cores: null, threads: null, maxSockets: null, maxCores: null, maxThreads: null, ...change } }) as Needs;
const floating = (guestTopology: Layout['guestTopology']): Layout => ({ cells: [], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology, numa: false });
const pinned: Layout = { ...floating({ sockets: 2, cores: 1, threads: 1 }), cells: [{ hostCell: 0, memoryMib: 64, pageKib: null, pins: [{ guest: 0, host: 2 }, { guest: 1, host: 3 }], floating: [] }] };

describe('layoutShown', () => {
  it.each<[string, Layout | null, Needs | null, Layout | null]>([
    ['nothing said, nothing shown', null, null, null],
    ['one that floats is shown what is asked for', null, wish({ cores: 2 }), floating({ sockets: 1, cores: 2, threads: 1 })],
    ['another wish than before', floating({ sockets: 1, cores: 2, threads: 1 }), wish({ threads: 2 }), floating({ sockets: 1, cores: 1, threads: 2 })],
    ['no wish any more', floating({ sockets: 1, cores: 2, threads: 1 }), null, null],
    ['who floats and has devices keeps them', { ...floating({ sockets: 1, cores: 2, threads: 1 }), devices: [] }, null, { ...floating(null), devices: [] }],
    ['what is pinned stays so', pinned, wish({ maxSockets: 1 }), { ...pinned, guestTopology: { sockets: 1, cores: 2, threads: 1 } }],
    ['what is pinned stays so without a wish', pinned, null, { ...pinned, guestTopology: null }],
  ])('%s', (_name, layout, needs, shown) => expect(layoutShown(layout, needs, 2)).toEqual(shown));
  it('is the same one when it says so already', () => expect(layoutShown(pinned, wish({ sockets: 2 }), 2)).toBe(pinned));
});
