/** Values for this app's own tests. */
import { HostId, ImageId, InstanceId, type DesiredInstance, type Layout } from '#libs/contracts';
import { NO_CPU_SETS, type DomainNotes, type Frozen, type ObservedDomain, type ObservedFiles, type World } from '../decide/facts.js';

export const CLOUD_ID = '11111111-1111-4111-8111-111111111111';
export const HOST_ID = HostId.parse('22222222-2222-4222-8222-222222222222');
export const IMAGE_ID = ImageId.parse('33333333-3333-4333-8333-333333333333');

export const instanceId = (n = 1): InstanceId => InstanceId.parse(`0c1d2e3f-4a5b-4c6d-8e7f-${String(n).padStart(12, '0')}`);

export const desired = (change: Partial<DesiredInstance> = {}): DesiredInstance => ({
  id: instanceId(), projectId: 'a'.repeat(32), name: 'web', hostname: 'web', generation: 1, specGeneration: 1, intent: 'running', rebootCount: 0, rebootType: 'soft',
  vcpus: 1, memoryMib: 128, diskGib: 1,
  image: { id: IMAGE_ID, sha512: 'ab'.repeat(64), sizeBytes: 1000, virtualSizeBytes: 64 * 1024 * 1024, format: 'qcow2' },
  configDrive: { 'openstack/latest/meta_data.json': '{"uuid":"0c1d2e3f"}' },
  diskGeneration: 1, powerOffTimeoutS: null, diskFrom: null, previous: null, diskLaunched: false, layout: null,
  ...change,
});

/** A floating layout unless it is changed. */
export const layout = (change: Partial<Layout> = {}): Layout => ({ cells: [], emulatorCpu: null, emulatorThreads: null, guestTopology: null, numa: false, idleCpus: [], ...change });

/** @param pins guest CPU and its host CPU */
export const layoutCell = ({ pins = [], ...change }: Partial<Omit<Layout['cells'][number], 'pins'>> & { pins?: [number, number][] } = {}): Layout['cells'][number] => ({
  hostCell: 0, memoryMib: 128, pageKib: null, floating: [], ...change, pins: pins.map(([guest, host]) => ({ guest, host })),
});

export const FROZEN: Frozen = {
  renderVersion: 3, virtType: 'qemu', arch: 'x86_64', machine: 'pc-i440fx-7.2', emulator: '/usr/bin/qemu-system-x86_64', cpuModel: 'Nehalem', cpuFeatures: '', diskCache: 'none',
};

export const world = (change: Partial<World> = {}): World => ({ nowMs: 1_000_000, bootId: 'boot-1', reportOnly: false, powerOffMs: 60_000, pressAgainMs: 10_000, cpus: NO_CPU_SETS, ...change });

export const FILES: ObservedFiles = { disks: [1], previous: [], configDrive: true, any: true };

/** @param notes null: not ours */
export const observedDomain = (power: ObservedDomain['power'], notes: Partial<DomainNotes> | null = {}, change: Partial<ObservedDomain> = {}): ObservedDomain => ({
  id: desired().id, name: `instance-${desired().id}`, power, pausedBy: power === 'paused' ? 'word' : null, reason: power === 'paused' ? 'user' : 'unknown', saved: false, definition: null, retuned: false,
  notes: notes && { cloudId: CLOUD_ID, generation: 1, specGeneration: 1, diskGeneration: 1, rebootCount: 0, sharedCpus: '', frozen: FROZEN, shape: { vcpus: 1, memoryMib: 128, diskGib: 1, layout: null }, devices: [], ...notes },
  ...change,
});
