import { describe, expect, it } from '@jest/globals';
import { layout, layoutCell } from '../testing/builders.js';
import { claimedDevice, vf } from '../testing/device-builders.js';
import { floatingCpus, layoutKey, layoutProblem, placedCpus, type HostCpus } from './layout.js';

const HOST: HostCpus = { shared: [0, 4], dedicated: [2, 3, 6, 7], cells: [{ id: 0, cpus: [0, 1, 2, 3] }, { id: 1, cpus: [4, 5, 6, 7] }] };
const problem = (change: Parameters<typeof layout>[0], shape = { vcpus: 2, memoryMib: 128 }): string | null => layoutProblem({ ...shape, layout: layout(change) }, HOST);

describe('a layout', () => {
  it('says which host CPUs each guest CPU may run on', () => {
    const cells = [layoutCell({ pins: [[1, 2]], floating: [0] }), layoutCell({ hostCell: 1, pins: [[3, 7], [2, 6]] })];
    expect(placedCpus(layout({ cells }), HOST)).toEqual([{ guest: 0, host: [0] }, { guest: 1, host: [2] }, { guest: 2, host: [6] }, { guest: 3, host: [7] }]);
    expect(placedCpus(null, HOST)).toEqual([]);
  });
  it('lets guests float over the shared CPUs of a cell, or over all that are not dedicated', () => {
    expect(floatingCpus(HOST, 1)).toEqual([4]);
    expect(floatingCpus({ ...HOST, shared: null }, 1)).toEqual([4, 5]);
    expect(floatingCpus(HOST, 2)).toEqual([]);
  });
  it.each<[string, Parameters<typeof layout>[0], RegExp | null]>([
    ['fits', { cells: [layoutCell({ pins: [[0, 2], [1, 3]] })] }, null],
    ['floats and only shows a topology', { cells: [], guestTopology: { sockets: 1, cores: 2, threads: 1 } }, null],
    ['takes a CPU that is shared', { cells: [layoutCell({ pins: [[0, 2], [1, 0]] })] }, /CPU 0 was claimed .*SKYLITE_CPU_DEDICATED/],
    ['takes one for the emulator that is not there', { cells: [layoutCell({ pins: [[0, 2], [1, 3]] })], emulatorCpu: 9, emulatorThreads: 'isolate' }, /CPU 9/],
    ['takes one twice', { cells: [layoutCell({ pins: [[0, 2], [1, 2]] })] }, /one CPU of the host to two/],
    ['names a cell that is gone', { cells: [layoutCell({ hostCell: 5, floating: [0, 1] })] }, /Cell 5 .* not there/],
    ['forgets a guest CPU', { cells: [layoutCell({ pins: [[0, 2]] })] }, /places the guest's CPUs 0; it has 2/],
    ['places other memory', { cells: [layoutCell({ floating: [0, 1], memoryMib: 64 })] }, /64 MiB of memory; the guest has 128/],
    ['runs in real time what is pinned', { cells: [layoutCell({ pins: [[0, 2], [1, 3]] })], realtime: [1] }, null],
    ['runs in real time what floats', { cells: [layoutCell({ pins: [[1, 2]], floating: [0] })], realtime: [0] }, /in real time that have no CPU of the host of their own/],
    ['shows another number of CPUs', { cells: [], guestTopology: { sockets: 1, cores: 3, threads: 1 } }, /1 x 3 x 1/],
  ])('that %s', (_, change, words) => {
    if (words === null) expect(problem(change)).toBeNull();
    else expect(problem(change)).toMatch(words);
  });
  it('needs a shared CPU in the cell where it floats', () => {
    expect(layoutProblem({ vcpus: 2, memoryMib: 128, layout: layout({ cells: [layoutCell({ floating: [0, 1] })] }) }, { ...HOST, shared: [4] })).toMatch(/Cell 0 of this host has no shared CPU .*SKYLITE_CPU_SHARED/);
  });
  it('of real time with the emulator on shared CPUs is refused in Nova\'s words where none are set aside', () => {
    const wanted = { vcpus: 1, memoryMib: 128, layout: layout({ cells: [layoutCell({ pins: [[0, 2]] })], realtime: [0], emulatorThreads: 'share' }) };
    expect(layoutProblem(wanted, HOST)).toBeNull();
    for (const shared of [null, []]) expect(layoutProblem(wanted, { ...HOST, shared })).toMatch(/^Use of realtime CPUs requires either one or more non-realtime CPU\(s\) or offloaded emulator threads: .*SKYLITE_CPU_SHARED/);
  });
  it('has a key that is the same for the same definition only', () => {
    const cells = [layoutCell({ pins: [[0, 2], [1, 3]] })];
    const key = layoutKey(layout({ cells }));
    expect(layoutKey(layout({ cells: [layoutCell({ pins: [[1, 3], [0, 2]] })] }))).toBe(key);
    expect(layoutKey(layout({ cells, numa: true }))).not.toBe(key);
    expect(layoutKey(layout({ cells: [layoutCell({ pins: [[0, 3], [1, 2]] })] }))).not.toBe(key);
    expect(layoutKey(layout({ cells, realtime: [] }))).toBe(key);
    expect(layoutKey(layout({ cells, realtime: [1] }))).not.toBe(key);
    for (const none of [null, undefined, layout({ cells: [] })]) expect(layoutKey(none)).toBeNull();
    const devices = [claimedDevice(vf(0), 1), claimedDevice(vf(1), 1)];
    expect(layoutKey(layout({ devices: [{ ...devices[1]!, place: 1 }, { ...devices[0]!, place: 0 }] }))).toBe(layoutKey(layout({ devices })));
    expect(layoutKey(layout({ devices: [devices[0]!, { ...devices[1]!, place: 5 }] }))).not.toBe(layoutKey(layout({ devices })));
  });
});
