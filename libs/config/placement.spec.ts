import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatCpuList, loadAgentConfig, loadFleetConfig, parseCpuList } from './index.js';
import { fleetTunables } from './agent.js';
import { launcherTunables } from './launcher.js';

const agent = (env: Record<string, string>) => loadAgentConfig({ SKYLITE_STATE_DIR: '/s', ...env });

describe('CPU lists', () => {
  it('are read as the kernel writes them', () => {
    expect(parseCpuList('0-3,8')).toEqual([0, 1, 2, 3, 8]);
    expect(parseCpuList('8, 0-1,1')).toEqual([0, 1, 8]);
    for (const text of ['', '1-', 'a', '3-1', '0,,1', '-1', '99999', '0-4:2']) expect(() => parseCpuList(text)).toThrow();
  });
  it('are written as they are read', () => {
    expect(formatCpuList([0, 1, 2, 5, 7, 8])).toBe('0-2,5,7-8');
    fc.assert(fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 300 }), { minLength: 1 }), (cpus) => {
      const sorted = [...cpus].sort((a, b) => a - b);
      expect(parseCpuList(formatCpuList(sorted))).toEqual(sorted);
    }));
  });
});

describe('what an operator says of a host', () => {
  it('is nothing by default', () => {
    expect(agent({})).toMatchObject({ placement: { cpus: { shared: null, dedicated: null }, reservedPages: [], traits: [], resources: {} }, share: { hugePages: undefined } });
  });
  it('is read', () => {
    const { placement, share } = agent({
      SKYLITE_CPU_SHARED: '0-1', SKYLITE_CPU_DEDICATED: '2-3,6', SKYLITE_RESERVED_HUGE_PAGES: '0:2M:16,1:1048576:2', SKYLITE_SHARE_HUGE_PAGES: '0:2048:64',
      SKYLITE_TRAITS: 'CUSTOM_B, CUSTOM_A,CUSTOM_B', SKYLITE_RESOURCES: 'CUSTOM_LICENCE=4',
    });
    expect(placement).toEqual({
      cpus: { shared: [0, 1], dedicated: [2, 3, 6] }, reservedPages: [{ cell: 0, kib: 2048, count: 16 }, { cell: 1, kib: 1_048_576, count: 2 }],
      traits: ['CUSTOM_A', 'CUSTOM_B'], resources: { CUSTOM_LICENCE: 4 },
    });
    expect(share.hugePages).toEqual([{ cell: 0, kib: 2048, count: 64 }]);
  });
  it.each<[Record<string, string>, RegExp]>([
    [{ SKYLITE_CPU_SHARED: '0-' }, /SKYLITE_CPU_SHARED="0-" is not usable: "0-" is neither a CPU nor a range/],
    [{ SKYLITE_CPU_DEDICATED: '3-1' }, /SKYLITE_CPU_DEDICATED="3-1" is not usable: the range 3-1 ends before it begins/],
    [{ SKYLITE_CPU_SHARED: '0-3', SKYLITE_CPU_DEDICATED: '2-5' }, /SKYLITE_CPU_SHARED and SKYLITE_CPU_DEDICATED both name CPU 2-3: a CPU is either shared or dedicated/],
    [{ SKYLITE_SHARE_VCPUS: '2', SKYLITE_CPU_DEDICATED: '1' }, /SKYLITE_SHARE_VCPUS cannot stand beside/],
    [{ SKYLITE_RESERVED_HUGE_PAGES: '2M:3' }, /SKYLITE_RESERVED_HUGE_PAGES="2M:3" is not usable: "2M:3" is not CELL:SIZE:COUNT/],
    [{ SKYLITE_RESERVED_HUGE_PAGES: '0:4:3' }, /no huge pages/],
    [{ SKYLITE_RESERVED_HUGE_PAGES: '0:2M:3,0:2048:1' }, /named twice/],
    [{ SKYLITE_TRAITS: 'HW_CPU_X86_AVX' }, /SKYLITE_TRAITS="HW_CPU_X86_AVX" is not usable: .*CUSTOM_/],
    [{ SKYLITE_RESOURCES: 'CUSTOM_X' }, /SKYLITE_RESOURCES="CUSTOM_X" is not usable: .*AMOUNT/],
  ])('is refused by name: %j', (env, words) => {
    expect(() => agent(env)).toThrow(words);
  });
  it('may be said of simulated hosts too, with what they pretend to be', () => {
    const env = { SKYLITE_SIMULATED_CELLS: '4', SKYLITE_SIMULATED_HUGE_PAGES: '0:2M:8', SKYLITE_CPU_DEDICATED: '1-3' };
    expect(loadFleetConfig({ SKYLITE_STATE_DIR: '/s', SKYLITE_FLEET_SIZE: '1', SKYLITE_API_URL: 'http://a', ...env })).toMatchObject({
      simulated: { cells: 4, vcpus: 64, hugePages: [{ cell: 0, kib: 2048, count: 8 }] }, placement: { cpus: { shared: null, dedicated: [1, 2, 3] } },
    });
    expect(fleetTunables({ ...env, PATH: '/bin', SKYLITE_SIMULATED_VCPUS: '' })).toEqual(env);
    expect(() => fleetTunables({ SKYLITE_SIMULATED_CELLS: 'two' })).toThrow(/SKYLITE_SIMULATED_CELLS="two" is not usable/);
  });
});

describe("the scheduler's weights", () => {
  it('are named one by one', () => {
    expect(launcherTunables({ SKYLITE_SCHEDULER_WEIGHTS: 'ram=2, softAffinity=0.5' })).toEqual({ SKYLITE_SCHEDULER_WEIGHTS: 'ram=2, softAffinity=0.5' });
    for (const wrong of ['ram', 'ram=', 'ram=-1', 'memory=1', 'ram=1=2x']) expect(() => launcherTunables({ SKYLITE_SCHEDULER_WEIGHTS: wrong })).toThrow(/SKYLITE_SCHEDULER_WEIGHTS/);
  });
});
