import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Needs } from '#libs/contracts';
import { cpuTopology } from './cpu-topology.js';
import { readNeeds, whyNotFlavor, whyNotRebuilt } from './read-needs.js';

type Specs = Record<string, string>;
const flavor = (extraSpecs: Specs, vcpus = 4, ramMib = 4096) => ({ vcpus, ramMib, diskGib: 1, extraSpecs });
const problem = (specs: Specs, image: Specs = {}, vcpus = 4, ramMib = 4096): string => {
  const read = readNeeds(flavor(specs, vcpus, ramMib), image);
  return 'problem' in read ? read.problem.split('. What to do: ')[0] ?? '' : '';
};
const NUMA = { 'hw:numa_nodes': '2', 'hw:numa_cpus.0': '0', 'hw:numa_mem.0': '1024', 'hw:numa_cpus.1': '1-3', 'hw:numa_mem.1': '3072' };

describe('contradictions, in Nova\'s words', () => {
  it.each<[Specs, Specs, string]>([
    [{ 'hw:numa_nodes': '3' }, {}, 'Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. Explicit assignment of CPUs and memory to nodes is required'],
    [{ 'hw:numa_nodes': '0' }, {}, "The property 'numa_nodes' cannot be '0'. It must be a number greater than 0"],
    [{ 'hw:numa_nodes': '1' }, { hw_numa_nodes: '1' }, "Image property 'hw_numa_nodes' is not permitted to override NUMA configuration set against the flavor"],
    [NUMA, { 'hw_numa_cpus.0': '0' }, "Image property 'hw_numa_cpus' is not permitted to override NUMA configuration set against the flavor"],
    [NUMA, { 'hw_numa_mem.0': '1' }, "Image property 'hw_numa_mem' is not permitted to override NUMA configuration set against the flavor"],
    [{ ...NUMA, 'hw:numa_mem.1': '' }, {}, 'CPU and memory allocation must be provided for all NUMA nodes'],
    [{ ...NUMA, 'hw:numa_nodes': '1' }, {}, 'CPU and memory allocation must be provided for all NUMA nodes'],
    [{ ...NUMA, 'hw:numa_cpus.1': '0-3' }, {}, 'CPU number 0 is assigned to two nodes'],
    [{ ...NUMA, 'hw:numa_cpus.1': '2' }, {}, 'CPU number {1, 3} is not assigned to any node'],
    [{ ...NUMA, 'hw:numa_mem.1': '1' }, {}, '1025 MB of memory assigned, but expected 4096 MB'],
    [{ 'hw:cpu_thread_policy': 'isolate' }, {}, 'Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy'],
    [{ 'hw:emulator_threads_policy': 'isolate' }, {}, 'An isolated CPU emulator threads option requires a dedicated CPU policy option'],
    [{ 'hw:emulator_threads_policy': 'own' }, {}, "CPU emulator threads option requested is invalid, given: 'own', available: '('share', 'isolate')'"],
    [{ 'hw:cpu_dedicated_mask': '0' }, {}, "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy"],
    [{ 'hw:cpu_policy': 'dedicated', 'hw:cpu_dedicated_mask': '0' }, {}, "Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy"],
    [{ 'hw:cpu_policy': 'mixed', 'hw:cpu_dedicated_mask': '0-3' }, {}, "Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See 'hw:cpu_dedicated_mask'"],
    [{ 'hw:cpu_policy': 'mixed', 'hw:cpu_dedicated_mask': '0,7' }, {}, 'Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor. See "hw:cpu_dedicated_mask"'],
    [{ 'hw:cpu_policy': 'shared', 'hw:cpu_realtime': '1', 'hw:cpu_realtime_mask': '^0' }, {}, 'Cannot set realtime policy in a non dedicated cpu pinning policy'],
    [{ 'hw:cpu_policy': 'dedicated', 'hw:cpu_realtime': '1' }, {}, 'Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads'],
    [{ 'hw:cpu_max_sockets': '1', 'hw:cpu_max_cores': '1', 'hw:cpu_max_threads': '2' }, {}, 'Requested vCPU limits 1:1:2 are impossible to satisfy for vcpus count 4'],
    [{ 'hw:cpu_max_sockets': '2' }, { hw_cpu_sockets: '4' }, 'Image vCPU topology (sockets=4, cores=0, threads=0) exceeds the limits of the flavor or image (sockets=2, cores=65536, threads=65536)'],
    [{ 'resources:PCPU': '3' }, {}, "There is a mismatch between the number of PCPUs requested via 'resourcesNN:PCPU' and the flavor); you must allocate exactly flavor.vcpus PCPUs"],
    [{ 'resources:PCPU': '2', 'resources:VCPU': '2' }, {}, "It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; use one or the other"],
  ])('%j with %j', (specs, image, words) => expect(problem(specs, image)).toBe(words));

  it.each<[Specs]>([[{ 'hw:cpu_policy': 'dedicated' }], [{ 'hw:numa_nodes': '1' }], [{ 'hw:mem_page_size': 'large' }]])('more CPUs than can be counted one by one: %j', (specs) => {
    expect(problem(specs, {}, 2 ** 30)).toBe('A guest that is bound to CPUs, cells or pages of its host has at most 4096 CPUs, and the flavor 1073741824');
    expect(whyNotFlavor(flavor(specs, 2 ** 30))).toBeDefined();
    expect(problem({ 'trait:CUSTOM_A': 'required', 'hw:cpu_realtime': 'yes' }, {}, 2 ** 30)).not.toBe('');
    expect(problem({ 'trait:CUSTOM_A': 'required' }, {}, 2 ** 30)).toBe('');
  });

  it('mixed says one mask', () => {
    expect(problem({ 'hw:cpu_policy': 'mixed' })).toContain("or be specified with none of them");
    expect(problem({ 'hw:cpu_policy': 'mixed', 'hw:cpu_dedicated_mask': '0', 'hw:cpu_realtime': '1', 'hw:cpu_realtime_mask': '^0' })).toContain('can not be specified at the same time');
  });
  it('an image may name the cells when the flavor names none', () => {
    const read = readNeeds(flavor({}), { hw_numa_nodes: '2', 'hw_numa_cpus.0': '0', 'hw_numa_cpus.1': '1-3', 'hw_numa_mem.0': '96', 'hw_numa_mem.1': '4000' });
    expect(read).toMatchObject({ needs: { cells: [{ cpus: [0], memoryMib: 96 }, { cpus: [1, 2, 3], memoryMib: 4000 }] } });
  });
});

describe('what a flavor alone shows', () => {
  it.each<[Specs, string | undefined]>([
    [{ 'hw:numa_nodes': '3' }, undefined], [{ 'hw:cpu_thread_policy': 'isolate' }, undefined], [{ 'hw:cpu_policy': 'mixed' }, undefined], [{ 'hw:numa_cpus.0': '0,1' }, undefined],
    [{ 'hw:cpu_policy': 'shared', 'hw:cpu_thread_policy': 'isolate' }, 'Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy'],
    [{ 'hw:numa_cpus.0': '0-4' }, 'CPU number 4 is larger than max 3'],
    [{ 'hw:mem_page_size': '3MB' }, "Page size 3072 KiB does not divide the flavor's memory of 4096 MiB"],
    [{ 'hw:cpu_policy': 'own' }, "Validation failed; 'own' is not one of: dedicated, shared, mixed"],
    [{ 'hw:unheard_of': 'x' }, undefined],
  ])('%j', (specs, words) => expect(whyNotFlavor(flavor(specs))?.split('. What to do: ')[0]).toBe(words));
});

describe('properties', () => {
  const choice = <T>(...of: T[]) => fc.constantFrom<T | undefined>(undefined, ...of);
  const list = fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }).map((cpus) => cpus.join(','));
  const shape = fc.record({
    vcpus: fc.integer({ min: 1, max: 8 }), ramMib: fc.constantFrom(1024, 1536, 3072, 4096),
    specs: fc.record({
      'hw:cpu_policy': choice('dedicated', 'mixed', 'shared'), 'hw:cpu_thread_policy': choice('prefer', 'isolate', 'require'), 'hw:emulator_threads_policy': choice('share', 'isolate'),
      'hw:cpu_dedicated_mask': choice('0', '^0', '0-1', '1-9'), 'hw:cpu_realtime': choice('yes'), 'hw:cpu_realtime_mask': choice('^0', '0-1'),
      'hw:numa_nodes': choice('1', '2', '3'), 'hw:mem_page_size': choice('small', 'large', 'any', '2MB', '1GB', '4'),
      'hw:numa_cpus.0': fc.option(list, { nil: undefined }), 'hw:numa_cpus.1': fc.option(list, { nil: undefined }), 'hw:numa_mem.0': choice('1024', '512', '2048'), 'hw:numa_mem.1': choice('2048', '512', '3072'),
      'hw:cpu_max_sockets': choice('1', '2'), 'hw:cpu_max_threads': choice('1', '2'), 'hw:cpu_cores': choice('2', '9'),
      'resources:PCPU': choice('2', '4', '5'), 'trait:HW_CPU_HYPERTHREADING': choice('required', 'forbidden'), 'trait:CUSTOM_A': choice('required'), 'aggregate_instance_extra_specs:a': choice('b'),
    }).map((specs) => Object.fromEntries(Object.entries(specs).filter((spec): spec is [string, string] => spec[1] !== undefined))),
  });
  /** Few of them, so that many can be. */
  const some = fc.tuple(shape, fc.func(fc.nat(99)), fc.nat(60)).map(([{ vcpus, ramMib, specs }, keep, share]) => ({ vcpus, ramMib, diskGib: 1, extraSpecs: Object.fromEntries(Object.entries(specs).filter(([name]) => keep(name) < share)) }));

  it('what is read fits the contract, and its cells are the whole guest', () => {
    let readable = 0;
    fc.assert(fc.property(some, (made) => {
      const read = readNeeds(made, {});
      if ('problem' in read) return;
      readable += 1;
      if (read.needs === null) return;
      const { needs } = read;
      expect(Needs.parse(needs)).toEqual(needs);
      if (needs.cells.length > 0) {
        expect(needs.cells.flatMap(({ cpus }) => cpus).sort((a, b) => a - b)).toEqual(Array.from({ length: made.vcpus }, (_, cpu) => cpu));
        expect(needs.cells.reduce((sum, { memoryMib }) => sum + memoryMib, 0)).toBe(made.ramMib);
      }
      if (typeof needs.pageSize === 'number') for (const { memoryMib } of needs.cells) expect((memoryMib * 1024) % needs.pageSize).toBe(0);
      expect(needs.pinned.length).toBe(needs.cpuPolicy === 'dedicated' ? made.vcpus : needs.cpuPolicy === 'shared' ? 0 : needs.pinned.length);
      if (needs.threadPolicy !== 'prefer') expect(needs.pinned).not.toEqual([]);
    }), { numRuns: 2000 });
    expect(readable).toBeGreaterThan(200);
  });

  it('a flavor that can be may be written spec by spec, in any order', () => {
    fc.assert(fc.property(some, fc.func(fc.nat(1000)), (made, rank) => {
      if ('problem' in readNeeds(made, {})) return;
      const written: Specs = {};
      for (const [name, value] of Object.entries(made.extraSpecs).sort(([a], [b]) => rank(a) - rank(b))) {
        written[name] = value;
        expect([{ ...written }, whyNotFlavor({ ...made, extraSpecs: written })]).toEqual([written, undefined]);
      }
    }), { numRuns: 2000 });
  });

  it('what a flavor alone shows to be wrong stays wrong with any image', () => {
    fc.assert(fc.property(some, fc.record({ hw_cpu_policy: choice('dedicated', 'shared'), hw_numa_nodes: choice('1', '2') }), (made, image) => {
      if (whyNotFlavor(made) === undefined) return;
      const properties = Object.fromEntries(Object.entries(image).filter((entry): entry is [string, string] => entry[1] !== undefined));
      expect(readNeeds(made, properties)).toHaveProperty('problem');
    }), { numRuns: 1000 });
  });

  it('a topology multiplies to the CPUs within its limits', () => {
    const part = fc.option(fc.integer({ min: 1, max: 9 }), { nil: null });
    fc.assert(fc.property(fc.integer({ min: 1, max: 64 }), fc.record({ sockets: part, cores: part, threads: part, maxSockets: part, maxCores: fc.constant(null), maxThreads: part }), (vcpus, wish) => {
      const { sockets, cores, threads } = cpuTopology(vcpus, wish);
      expect(sockets * cores * threads).toBe(vcpus);
      expect(sockets).toBeLessThanOrEqual(wish.maxSockets ?? vcpus);
      expect(threads).toBeLessThanOrEqual(wish.maxThreads ?? vcpus);
    }));
  });
});

describe('what a guest sees', () => {
  it.each<[number, Partial<NonNullable<Needs['topology']>> | null, string]>([
    [4, null, '4:1:1'], [4, { sockets: 2 }, '2:2:1'], [4, { cores: 1, threads: 1 }, '4:1:1'], [8, { sockets: 2, cores: 2, threads: 2 }, '2:2:2'], [8, { maxSockets: 2, maxCores: 8, maxThreads: 1 }, '2:4:1'],
    [6, { maxSockets: 1, maxCores: 3 }, '1:3:2'], [5, { sockets: 2 }, '5:1:1'], [8, { threads: 2 }, '4:1:2'],
  ])('%i CPUs, %j', (vcpus, wish, shown) => {
    const { sockets, cores, threads } = cpuTopology(vcpus, wish === null ? null : { sockets: null, cores: null, threads: null, maxSockets: null, maxCores: null, maxThreads: null, ...wish });
    expect(`${sockets}:${cores}:${threads}`).toBe(shown);
  });
});

describe('whyNotRebuilt', () => {
  const needs = (specs: Specs, image: Specs = {}): Needs | null => {
    const read = readNeeds(flavor(specs), image);
    return 'needs' in read ? read.needs : null;
  };
  it.each<[string, Needs | null, Needs | null, string | undefined]>([
    ['nothing to nothing', null, null, undefined],
    ['an image of another distribution', needs({}, { os_distro: 'a' }), needs({}, { os_distro: 'b' }), undefined],
    ['small pages are no layout', null, needs({ 'hw:mem_page_size': 'small' }), undefined],
    ['floating to pinned', null, needs({}, { hw_cpu_policy: 'dedicated' }), "An instance's NUMA topology cannot be changed as part of a rebuild. The image provided is invalid for this instance. What to do: use an image that asks for the same, or make a new server."],
    ['pinned alike', needs({ 'hw:cpu_policy': 'dedicated' }), needs({ 'hw:cpu_policy': 'dedicated' }, { hw_cpu_policy: 'shared' }), undefined],
    ['one trait more', needs({ 'trait:CUSTOM_A': 'required' }), needs({ 'trait:CUSTOM_A': 'required' }, { 'trait:CUSTOM_B': 'required' }), "The image requires traits that the server's host was not chosen by: CUSTOM_B. What to do: use an image that asks for the same, or make a new server."],
    ['another architecture', needs({}, { hw_architecture: 'x86_64' }), needs({}, { hw_architecture: 'aarch64' }), "The image is for aarch64, the server's host was chosen for x86_64. What to do: use an image that asks for the same, or make a new server."],
  ])('%s', (_name, before, after, words) => expect(whyNotRebuilt(before, after)).toBe(words));
});
