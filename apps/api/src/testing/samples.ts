import type { Aggregate, ClaimedDevice, DeviceClassView, DevicePlan, DevicePoolView, DeviceView, Flavor, HostView, InstanceView, Keypair, MigrationView, ServerGroup, ServerUsage } from '#libs/contracts';

export const PROJECT = '922cbb55734145b2ab92afd4e96da009';
export const USER = '338ba9fec0d74756957698489876c4ab';
export const SERVER_ID = '6a1b5f10-5b1e-4a0e-8f0e-2c7f6a9d1e01' as InstanceView['id'];
export const IMAGE_ID = 'ba60c579-ab0b-4a56-a8b2-3e60facc3408' as InstanceView['imageId'];
export const HOST_ID = '0d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as HostView['id'];

export const flavor = (change: Partial<Flavor> = {}): Flavor => ({
  id: '1', name: 'm1.nano', vcpus: 1, ramMib: 64, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: {}, ...change,
});

export const instance = (change: Partial<InstanceView> = {}): InstanceView => ({
  id: SERVER_ID, projectId: PROJECT, userId: USER, name: 's1', hostname: 's1', description: 'first', metadata: { k: 'v' }, tags: ['t'],
  intent: 'running', generation: 1, specGeneration: 1, rebootCount: 0, rebootType: 'soft', flavor: flavor(), imageId: IMAGE_ID, keyName: 'k', userData: 'aGk=', configDrive: true,
  requestedZone: null, availabilityZone: 'nova', hostId: HOST_ID, hostName: 'alpha', reservationId: 'r-abcdefgh', launchIndex: 0, groupId: null, locked: false, lockedReason: null, rebuilding: false, moveKind: null, movePhase: null,
  observedState: 'running', observedGeneration: 1, observedRebootCount: 0, step: 'settled', fault: null,
  createdAt: '2026-11-21T01:02:03.456Z', updatedAt: '2026-11-21T01:02:09.001Z', launchedAt: '2026-11-21T01:02:08.123Z', terminatedAt: null, ...change,
});

export const failedInstance = (): InstanceView => instance({
  step: 'failed', observedState: null, launchedAt: null, hostId: null, hostName: null, availabilityZone: null,
  fault: { code: 500, message: 'No valid host was found.', details: '2 hosts have less than 64 MiB free', createdAt: '2026-11-21T01:02:05.000Z' },
});

export const keypair = (change: Partial<Keypair> = {}): Keypair => ({
  id: 7, userId: USER, name: 'k', type: 'ssh', fingerprint: '00:11', publicKey: 'ssh-ed25519 AAAA k', createdAt: '2026-11-21T01:02:03.456Z', ...change,
});

export const host = (change: Partial<HostView> = {}): HostView => ({
  id: HOST_ID, number: 1, name: 'alpha', availabilityZone: 'nova', enabled: true, disabledReason: null, alive: true, hypervisorUp: true, lastSeenAt: '2026-11-21T01:02:03.400Z',
  simulated: false, virtType: 'qemu', agentVersion: '0.1.0', capabilities: [],
  inventory: {
    generation: 1, vcpus: 4, memoryMib: 8192, diskGib: 50, reservedMemoryMib: 512, reservedDiskGib: 5, cpuModel: 'EPYC', cpuArch: 'x86_64',
    cells: [{ id: 0, cpus: [0, 1, 2, 3], memoryMib: 8192, socket: 0, cores: [], pages: [], distances: [10] }], sharedCpus: null, dedicatedCpus: [], cpuFlags: [], traits: [], resources: {}, virtType: 'qemu', hypervisorVersion: 7_002_000, libvirtVersion: 9_000_000, hostAddress: '127.0.0.1',
  },
  used: { vcpus: 1, memoryMib: 64, diskGib: 1, instances: 1 }, ratios: { cpu: 4, ram: 1, disk: 1 }, bootId: 'b', epoch: 1, updatedAt: '2026-11-21T01:02:03.400Z', ...change,
});

export const GROUP_ID = '616fb98f-46ca-475e-917e-2563e5a8cd19';
export const serverGroup = (change: Partial<ServerGroup> = {}): ServerGroup => ({
  id: GROUP_ID, projectId: PROJECT, userId: USER, name: 'g', policy: 'anti-affinity', maxServerPerHost: 3, members: [SERVER_ID], ...change,
});

export const aggregate = (change: Partial<Aggregate> = {}): Aggregate => ({
  id: 1, uuid: '58f4a6a5-2a7c-4f7d-9a4b-0c6fd5f1a111', name: 'ssd', metadata: { ssd: 'true', availability_zone: 'nova' }, hosts: ['alpha'], createdAt: '2026-11-21T01:02:03.400Z', updatedAt: null, ...change,
});

export const serverUsage = (change: Partial<ServerUsage> = {}): ServerUsage => ({
  id: SERVER_ID, projectId: PROJECT, name: 's1', flavorName: 'm1.nano', vcpus: 1, ramMib: 64, diskGib: 1, vmState: 'active', launchedAt: '2026-11-20T00:00:00.000Z', terminatedAt: null, ...change,
});

export const migration = (change: Partial<MigrationView> = {}): MigrationView => ({
  id: 3, uuid: '42341d4b-346a-40d0-83c6-5f4f6892b650', instanceId: SERVER_ID, projectId: PROJECT, userId: USER, kind: 'resize', status: 'finished',
  sourceHost: { id: HOST_ID, name: 'alpha' }, destinationHost: { id: HOST_ID, name: 'beta' }, oldFlavor: { id: '1', name: 'm1.nano' }, newFlavor: { id: 'big', name: 'm1.big' },
  error: null, createdAt: '2026-11-21T01:02:03.456Z', updatedAt: '2026-11-21T01:02:04.456Z', ...change,
});

export const DEVICE_ID = '5b0f6a53-8a1e-5c9b-9d3f-1f2e3d4c5b6a';
export const POOL_ID = 'c3c1b7f4-52d9-4c0e-9a51-6f4f3f2f1f0f';
const counts = { total: 4, available: 3, claimed: 1, scrubbing: 0, quarantined: 0, unusable: 0, missing: 0, hosts: 1, mostPerHost: 4, mostAvailablePerHost: 3 };

export const deviceClass = (change: Partial<DeviceClassView> = {}): DeviceClassView => ({
  name: 'fast-net', description: '', match: { vendor: ['8086'], product: ['10ca'] }, numaPolicy: 'legacy', attach: 'auto', sanitizer: 'reset', counts, pools: ['net1'], createdAt: '2026-11-21T01:02:03.400Z', updatedAt: null, ...change,
});

export const devicePool = (change: Partial<DevicePoolView> = {}): DevicePoolView => ({
  id: POOL_ID, name: 'net1', className: 'fast-net', mode: 'vfs', match: { vendor: ['8086'], product: ['10c9'] }, vfCount: 4, driver: 'vfio-pci', policy: { trust: true, spoofCheck: true, minTxMbps: 0, maxTxMbps: 0, vlans: [100], macPrefix: 'fa:16:3e' },
  physicalNetwork: 'lan1', groupTogether: true, counts, problems: [], createdAt: '2026-11-21T01:02:03.400Z', updatedAt: null, ...change,
});

export const devicePlan = (change: Partial<DevicePlan> = {}): DevicePlan => ({ hosts: 1, counts: { 'make-vfs': 1 }, effects: [], more: false, refusals: [], warnings: [], ...change });

export const device = (change: Partial<DeviceView> = {}): DeviceView => ({
  id: DEVICE_ID, host: { id: HOST_ID, name: 'alpha' }, state: 'in-use', reason: null, className: 'fast-net', pool: { id: POOL_ID, name: 'net1' }, generation: 3, holder: SERVER_ID, seenAt: '2026-11-21T01:02:03.400Z',
  device: {
    identity: 'mac:00:11:22:33:44:55/vf:2', identityStrength: 'strong', address: '0000:01:10.4', kind: 'vf', vendor: '8086', product: '10ca', pciClass: '020000', subsystemVendor: null, subsystemProduct: null, driver: 'vfio-pci', numaNode: 0, iommuGroup: 20,
    mates: [], pf: { identity: 'mac:00:11:22:33:44:55', vf: 2 }, sriov: null, resetMethods: ['flr'], network: null, protectedBy: null, condition: null, usedBy: SERVER_ID, cleanAt: 2, dirty: null,
  }, ...change,
});

export const claimedDevice = (change: Partial<ClaimedDevice> = {}): ClaimedDevice => ({
  deviceId: DEVICE_ID, identity: 'mac:00:11:22:33:44:55/vf:2', className: 'fast-net', generation: 3, numaNode: 0, need: 0, attach: 'interface', mac: 'fa:16:3e:00:00:07', vlan: 100, physicalNetwork: 'lan1', tag: 'data', ...change,
});
