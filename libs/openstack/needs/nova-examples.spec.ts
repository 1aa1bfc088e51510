/** The examples of Nova's guides, each with its page. */
import { describe, expect, it } from '@jest/globals';
import { Needs } from '#libs/contracts';
import { readNeeds } from './read-needs.js';

type Specs = Record<string, string>;
const flavor = (vcpus: number, ramMib: number, extraSpecs: Specs) => ({ vcpus, ramMib, diskGib: 10, extraSpecs });
const read = (vcpus: number, ramMib: number, specs: Specs, image: Specs = {}): Needs | null => {
  const result = readNeeds(flavor(vcpus, ramMib, specs), image);
  if ('problem' in result) throw new Error(result.problem);
  return result.needs;
};
const why = (vcpus: number, ramMib: number, specs: Specs, image: Specs = {}): string => {
  const result = readNeeds(flavor(vcpus, ramMib, specs), image);
  return 'problem' in result ? result.problem : '';
};

describe('admin/cpu-topologies', () => {
  it.each<[string, Specs, Specs, object]>([
    ['one host cell', { 'hw:numa_nodes': '1' }, {}, { cells: [{ cpus: [0, 1, 2, 3], memoryMib: 4096 }], pinned: [] }],
    ['two host cells', { 'hw:numa_nodes': '2' }, {}, { cells: [{ cpus: [0, 1], memoryMib: 2048 }, { cpus: [2, 3], memoryMib: 2048 }] }],
    ['dedicated', { 'hw:cpu_policy': 'dedicated' }, {}, { cpuPolicy: 'dedicated', pinned: [0, 1, 2, 3], cells: [], threadPolicy: 'prefer' }],
    ['PCPU', { 'resources:PCPU': '4' }, {}, { cpuPolicy: 'dedicated', pinned: [0, 1, 2, 3], resources: {} }],
    ['mixed', { 'hw:cpu_policy': 'mixed', 'hw:cpu_dedicated_mask': '0-1' }, {}, { cpuPolicy: 'mixed', pinned: [0, 1] }],
    ['mixed, all but one', { 'hw:cpu_policy': 'mixed', 'hw:cpu_dedicated_mask': '^0' }, {}, { pinned: [1, 2, 3] }],
    ['mixed with real time', { 'hw:cpu_policy': 'mixed', 'hw:cpu_realtime': 'yes', 'hw:cpu_realtime_mask': '0-1' }, {}, { cpuPolicy: 'mixed', pinned: [0, 1], realtime: [0, 1] }],
    ['dedicated with real time', { 'hw:cpu_policy': 'dedicated', 'hw:cpu_realtime': 'yes', 'hw:cpu_realtime_mask': '^0' }, {}, { pinned: [0, 1, 2, 3], realtime: [1, 2, 3] }],
    ['real time for all, the emulator elsewhere', { 'hw:cpu_policy': 'dedicated', 'hw:cpu_realtime': 'yes', 'hw:emulator_threads_policy': 'isolate' }, {}, { realtime: [0, 1, 2, 3], emulatorThreads: 'isolate' }],
    ['the mask of the image', { 'hw:cpu_policy': 'dedicated', 'hw:cpu_realtime': 'yes', 'hw:cpu_realtime_mask': '^0' }, { hw_cpu_realtime_mask: '^0-1' }, { realtime: [2, 3] }],
    ['dedicated by the image', {}, { hw_cpu_policy: 'dedicated' }, { cpuPolicy: 'dedicated', pinned: [0, 1, 2, 3] }],
    ['the flavor before the image', { 'hw:cpu_policy': 'dedicated' }, { hw_cpu_policy: 'shared' }, { cpuPolicy: 'dedicated' }],
    ['siblings', { 'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'require' }, {}, { threadPolicy: 'require' }],
    ['siblings by trait', { 'resources:PCPU': '4', 'trait:HW_CPU_HYPERTHREADING': 'required' }, {}, { threadPolicy: 'require', traits: { required: ['HW_CPU_HYPERTHREADING'], forbidden: [] } }],
    ['cores of its own', { 'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'isolate' }, {}, { threadPolicy: 'isolate' }],
    ['cores of its own by trait', { 'resources:PCPU': '4', 'trait:HW_CPU_HYPERTHREADING': 'forbidden' }, {}, { threadPolicy: 'isolate' }],
    ['threads by the image', {}, { hw_cpu_policy: 'dedicated', hw_cpu_thread_policy: 'require' }, { pinned: [0, 1, 2, 3], threadPolicy: 'require' }],
    ['the emulator on a CPU of its own', { 'hw:cpu_policy': 'dedicated', 'hw:emulator_threads_policy': 'isolate' }, {}, { emulatorThreads: 'isolate' }],
    ['the emulator on the shared CPUs', { 'hw:cpu_policy': 'dedicated', 'hw:emulator_threads_policy': 'share' }, {}, { emulatorThreads: 'share' }],
    ['sockets', { 'hw:cpu_sockets': '2' }, {}, { topology: { sockets: 2, cores: null, threads: null, maxSockets: null, maxCores: null, maxThreads: null } }],
    ['at most', { 'hw:cpu_max_sockets': '2', 'hw:cpu_max_cores': '8', 'hw:cpu_max_threads': '1' }, {}, { topology: { sockets: null, maxSockets: 2, maxCores: 8, maxThreads: 1 } }],
    ['sockets and cores of the image', {}, { hw_cpu_sockets: '2', hw_cpu_cores: '2' }, { topology: { sockets: 2, cores: 2, threads: null } }],
    ['limits of the image', {}, { hw_cpu_max_sockets: '2', hw_cpu_max_threads: '1' }, { topology: { maxSockets: 2, maxCores: null, maxThreads: 1 } }],
  ])('%s', (_name, specs, image, expected) => expect(read(4, 4096, specs, image)).toMatchObject(expected));

  it('six CPUs and 6 GiB, a third and two thirds', () => {
    const specs = { 'hw:numa_nodes': '2', 'hw:numa_cpus.0': '0,1', 'hw:numa_mem.0': '2048', 'hw:numa_cpus.1': '2,3,4,5', 'hw:numa_mem.1': '4096' };
    expect(read(6, 6144, specs)?.cells).toEqual([{ cpus: [0, 1], memoryMib: 2048 }, { cpus: [2, 3, 4, 5], memoryMib: 4096 }]);
  });

  it.each<[string, Specs, Specs, string]>([
    ['the image may not pin against the flavor', { 'hw:cpu_policy': 'shared' }, { hw_cpu_policy: 'dedicated' },
      "Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor. What to do: take a flavor that allows dedicated CPUs, or an image without hw_cpu_policy."],
    ['two thread policies', { 'hw:cpu_policy': 'dedicated', 'hw:cpu_thread_policy': 'isolate' }, { hw_cpu_thread_policy: 'require' },
      "Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor. What to do: take a flavor with hw:cpu_thread_policy=require or without one, or an image without hw_cpu_thread_policy."],
    ['more CPUs than there are', { 'hw:numa_nodes': '1', 'hw:numa_cpus.0': '0-4', 'hw:numa_mem.0': '4096' }, {}, 'CPU number 4 is larger than max 3. What to do: name CPUs 0 to 3: the flavor has 4.'],
    ['more memory than there is', { 'hw:numa_nodes': '1', 'hw:numa_cpus.0': '0-3', 'hw:numa_mem.0': '8192' }, {}, '8192 MB of memory assigned, but expected 4096 MB. What to do: let all hw:numa_mem.N together be 4096.'],
    ['limits of the image above those of the flavor', { 'hw:cpu_max_sockets': '1' }, { hw_cpu_max_sockets: '2' },
      'Image vCPU topology limits (sockets=2, cores=0, threads=0) exceeds the limits of the flavor (sockets=1, cores=0, threads=0). What to do: lower hw_cpu_max_… of the image, or take another flavor.'],
    ['PCPU beside a policy', { 'hw:cpu_policy': 'dedicated', 'resources:PCPU': '4' }, {},
      "It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in combination with the 'hw:cpu_policy' extra spec or 'hw_cpu_policy' image metadata property; use one or the other. What to do: take one of them away."],
  ])('%s', (_name, specs, image, words) => expect(why(4, 4096, specs, image)).toBe(words));
});

describe('admin/huge-pages', () => {
  it.each<[string, Specs, Specs, Needs['pageSize']]>([
    ['large', { 'hw:mem_page_size': 'large' }, {}, 'large'],
    ['2 MB with a unit', { 'hw:mem_page_size': '2MB' }, {}, 2048],
    ['2 MB without', { 'hw:mem_page_size': '2048' }, {}, 2048],
    ['small', { 'hw:mem_page_size': 'small' }, {}, 'small'],
    ['any', { 'hw:mem_page_size': 'any' }, {}, 'any'],
    ['of the image, which the flavor allows', { 'hw:mem_page_size': 'any' }, { hw_mem_page_size: '1GB' }, 1_048_576],
    ['of the image within large', { 'hw:mem_page_size': 'large' }, { hw_mem_page_size: '2MiB' }, 2048],
    ['in bits, as Nova’s library has it', { 'hw:mem_page_size': '16Mb' }, {}, 2048],
    ['ordinary pages by their size', { 'hw:mem_page_size': '4KiB' }, {}, 'small'],
  ])('%s', (_name, specs, image, size) => expect(read(4, 4096, specs, image)?.pageSize).toBe(size));

  it.each<[string, Specs, Specs, string]>([
    ['of the image alone', {}, { hw_mem_page_size: '1GB' }, "Page size 1GB forbidden against '<empty>'. What to do: take a flavor with hw:mem_page_size any or large, or an image without hw_mem_page_size."],
    ['of the image against small', { 'hw:mem_page_size': 'small' }, { hw_mem_page_size: '2048' }, "Page size 2048 forbidden against 'small'. What to do: take a flavor with hw:mem_page_size any or large, or an image without hw_mem_page_size."],
    ['of no unit Nova knows', { 'hw:mem_page_size': '2M' }, {}, "Invalid memory page size '2M'. What to do: set hw:mem_page_size to small, large, any, or a size such as 2048 (KiB), 2MB or 1GB."],
    ['larger than the memory', { 'hw:mem_page_size': '8GB' }, {}, "Page size 8388608 KiB does not divide the flavor's memory of 4096 MiB. What to do: choose a smaller page, or memory that is a multiple of it."],
  ])('%s', (_name, specs, image, words) => expect(why(4, 4096, specs, image)).toBe(words));

  it('in whole pages for each of the guest’s cells', () => {
    expect(why(2, 3072, { 'hw:numa_nodes': '2', 'hw:mem_page_size': '1GB' })).toBe('Page size 1048576 KiB does not divide the 1536 MiB of guest NUMA node 0. What to do: choose a smaller page, or memory that is a multiple of it.');
    expect(read(2, 4096, { 'hw:numa_nodes': '2', 'hw:mem_page_size': '1GB' })).toMatchObject({ pageSize: 1_048_576, cells: [{ memoryMib: 2048 }, { memoryMib: 2048 }] });
  });
});

describe('configuration/extra-specs', () => {
  it.each<[string, Specs, Specs, object]>([
    ['trait:', { 'trait:HW_CPU_X86_AVX2': 'required', 'trait:CUSTOM_SLOW': 'forbidden' }, { 'trait:COMPUTE_TPM': 'required' }, { traits: { required: ['COMPUTE_TPM', 'HW_CPU_X86_AVX2'], forbidden: ['CUSTOM_SLOW'] } }],
    ['trait in groups', { 'trait1:CUSTOM_A': 'required', 'trait_B:CUSTOM_B': 'required' }, {}, { traits: { required: ['CUSTOM_A', 'CUSTOM_B'] } }],
    ['resources:', { 'resources:CUSTOM_GOLD': '2', 'resources1:CUSTOM_GOLD': '1', 'resources:VGPU': '1', 'resources:CUSTOM_NONE': '0' }, {}, { resources: { CUSTOM_GOLD: 3, VGPU: 1 } }],
    ['resources: as the flavor has them', { 'resources:MEMORY_MB': '4096', 'resources:DISK_GB': '10', 'resources:VCPU': '4', 'trait:CUSTOM_A': 'required' }, {}, { cpuPolicy: 'shared', resources: {} }],
    ['aggregate_instance_extra_specs: and unscoped', { 'aggregate_instance_extra_specs:ssd': 'true', fast: '<in> yes', 'capabilities:x': 'y', hide_hypervisor_id: '1', group_policy: 'none' }, {}, { aggregateSpecs: { ssd: 'true', fast: '<in> yes' } }],
    ['image properties', {}, { architecture: 'amd64', os_distro: 'ubuntu', mine: 'x' }, { architecture: 'x86_64', imageProperties: { hw_architecture: 'amd64', os_distro: 'ubuntu' } }],
  ])('%s', (_name, specs, image, expected) => expect(read(4, 4096, specs, image)).toMatchObject(expected));

  it('needs nothing when nothing is said, or nothing that chooses a host', () => {
    expect(read(4, 4096, {})).toBeNull();
    expect(read(4, 4096, { 'hw:watchdog_action': 'reset', 'quota:cpu_shares': '1', 'capabilities:hypervisor_type': 'QEMU' }, { mine: 'x' })).toBeNull();
  });
  it.each<[Specs, Specs, string]>([
    [{ 'resources:MEMORY_MB': '0' }, {}, "resources:MEMORY_MB=0 contradicts the flavor's ram of 4096. What to do: take resources:MEMORY_MB away, or make a flavor with that ram."],
    [{ 'trait:CUSTOM_A': 'forbidden' }, { 'trait:CUSTOM_A': 'required' }, 'Trait CUSTOM_A is both required and forbidden by flavor and image. What to do: take away one of the two, or take another image.'],
    [{}, { hw_architecture: 'pdp11' }, "Architecture name 'pdp11' is not recognised. What to do: set hw_architecture of the image to a name such as x86_64 or aarch64."],
    [{}, { hw_cpu_policy: 'own' }, "CPU policy requested from 'image properties' is invalid, given: 'own', available: '('dedicated', 'shared', 'mixed')'. What to do: set hw_cpu_policy to one of them, or take it away."],
  ])('%j with %j', (specs, image, words) => expect(why(4, 4096, specs, image)).toBe(words));
});
