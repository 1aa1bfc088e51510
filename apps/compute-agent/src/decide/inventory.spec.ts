import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cpuProblem, cpuSetsOf } from './cpu-sets.js';
import { takeShare } from './inventory.js';
import { hostTraits } from './traits.js';

const cell = (id: number, cpus: number[], memoryMib: number, pages: { kib: number; total: number }[] = []) => ({ id, cpus, memoryMib, socket: id, cores: cpus.map((cpu) => [cpu]), pages, distances: [] });
const machine = { vcpus: 8, memoryMib: 16_000, diskGib: 100, cells: [cell(0, [0, 1, 2, 3], 8_000), cell(1, [4, 5, 6, 7], 7_900)] };
const paged = { ...machine, cells: [cell(0, [0, 1, 2, 3], 8_000, [{ kib: 2048, total: 1_000 }]), cell(1, [4, 5, 6, 7], 7_900, [{ kib: 2048, total: 500 }, { kib: 1_048_576, total: 2 }])] };
const NOTHING = { sharedCpus: null, dedicatedCpus: [] };

describe('takeShare', () => {
  it('is the whole machine by default', () => {
    expect(takeShare(machine, {})).toEqual({ ...machine, ...NOTHING });
    expect(takeShare(paged, {})).toEqual({ ...paged, ...NOTHING });
  });
  it('shrinks the cells with the share', () => {
    expect(takeShare(machine, { vcpus: 5, memoryMib: 1_590 })).toEqual({ vcpus: 5, memoryMib: 1_590, diskGib: 100, cells: [cell(0, [0, 1, 2, 3], 800), cell(1, [4], 790)], ...NOTHING });
  });
  it('never offers more than there is, nor a CPU or MiB twice', () => {
    fc.assert(fc.property(fc.record({ vcpus: fc.integer({ min: 1, max: 20 }), memoryMib: fc.integer({ min: 1, max: 30_000 }), diskGib: fc.integer({ min: 1, max: 200 }) }), (share) => {
      const taken = takeShare(machine, share);
      expect(taken.vcpus).toBe(Math.min(8, share.vcpus));
      expect(taken.cells.flatMap(({ cpus }) => cpus)).toHaveLength(taken.vcpus);
      expect(taken.cells.flatMap(({ cores }) => cores.flat())).toHaveLength(taken.vcpus);
      expect(taken.cells.reduce((sum, each) => sum + each.memoryMib, 0)).toBeLessThanOrEqual(Math.max(taken.memoryMib, 0));
      expect(taken.diskGib).toBeLessThanOrEqual(100);
    }));
  });
  it('offers the CPUs that are stated, and no others', () => {
    const sets = cpuSetsOf({ shared: [0, 4], dedicated: [2, 3, 6, 7] }, [0, 1, 2, 3, 4, 5, 6, 7]);
    const taken = takeShare(machine, {}, sets);
    expect(taken).toMatchObject({ vcpus: 6, sharedCpus: [0, 4], dedicatedCpus: [2, 3, 6, 7], memoryMib: 16_000, cells: [{ cpus: [0, 2, 3], cores: [[0], [2], [3]] }, { cpus: [4, 6, 7] }] });
  });
  it('takes reserved pages off the pages and off the memory', () => {
    const taken = takeShare(paged, {}, undefined, [{ cell: 0, kib: 2048, count: 100 }, { cell: 1, kib: 1_048_576, count: 5 }]);
    expect(taken.memoryMib).toBe(16_000 - 200 - 2_048);
    expect(taken.cells).toMatchObject([{ memoryMib: 7_800, pages: [{ kib: 2048, total: 900 }] }, { memoryMib: 7_900 - 2_048, pages: [{ kib: 2048, total: 500 }, { kib: 1_048_576, total: 0 }] }]);
  });
  it('offers no huge pages of a shared machine but those that are said to be its own, within its memory', () => {
    expect(takeShare(paged, { memoryMib: 1_590 }).cells.map(({ pages }) => pages.map(({ total }) => total))).toEqual([[0], [0, 0]]);
    expect(takeShare(paged, { memoryMib: 1_590, hugePages: [{ cell: 0, kib: 2048, count: 64 }, { cell: 1, kib: 2048, count: 9_999 }, { cell: 1, kib: 1_048_576, count: 1 }] }).cells.map(({ pages }) => pages.map(({ total }) => total))).toEqual([[64], [395, 0]]);
  });
});

describe('CPU sets', () => {
  const all = [0, 1, 2, 3];
  it('are what is stated; the rest is shared when only dedicated ones are', () => {
    expect(cpuSetsOf({ shared: null, dedicated: null }, all)).toEqual({ shared: null, dedicated: [] });
    expect(cpuSetsOf({ shared: null, dedicated: [1, 3] }, all)).toEqual({ shared: [0, 2], dedicated: [1, 3] });
    expect(cpuSetsOf({ shared: [0], dedicated: null }, all)).toEqual({ shared: [0], dedicated: [] });
    expect(cpuSetsOf({ shared: [0, 9], dedicated: [3, 8] }, all)).toEqual({ shared: [0], dedicated: [3] });
  });
  it('of CPUs that are not there are refused in words', () => {
    const format = (cpus: readonly number[]): string => cpus.join(',');
    expect(cpuProblem({ shared: [0], dedicated: [3, 4, 5] }, all, format)).toBe('SKYLITE_CPU_DEDICATED names CPU 4,5, which this machine does not have or has switched off: it has 0,1,2,3.');
    expect(cpuProblem({ shared: [7], dedicated: null }, all, format)).toMatch(/^SKYLITE_CPU_SHARED names CPU 7/);
    expect(cpuProblem({ shared: [0], dedicated: [1] }, all, format)).toBeNull();
  });
});

describe('traits', () => {
  const host = { cpuArch: 'x86_64', cpuFlags: ['sse4.2', 'pni', 'vmx', 'unheard-of'], cells: [cell(0, [0, 1], 1)] };
  it('are true of the host, in the words of os-traits', () => {
    expect(hostTraits(host, ['CUSTOM_GOLD'])).toEqual([
      'COMPUTE_ARCH_X86_64', 'COMPUTE_GRAPHICS_MODEL_VGA', 'COMPUTE_IMAGE_TYPE_QCOW2', 'COMPUTE_IMAGE_TYPE_RAW', 'COMPUTE_NODE', 'COMPUTE_STORAGE_BUS_VIRTIO', 'CUSTOM_GOLD',
      'HW_ARCH_X86_64', 'HW_CPU_X86_INTEL_VMX', 'HW_CPU_X86_SSE3', 'HW_CPU_X86_SSE42', 'HW_CPU_X86_VMX',
    ]);
  });
  it('tell of threads where cores have several', () => {
    expect(hostTraits({ ...host, cells: [{ ...host.cells[0]!, cores: [[0, 1]] }] }, [])).toContain('HW_CPU_HYPERTHREADING');
  });
});
