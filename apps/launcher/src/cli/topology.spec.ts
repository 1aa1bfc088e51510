import { expect, it } from '@jest/globals';
import type { HostTopology } from '#libs/contracts';
import { topologyText } from './topology.js';

const ID = '5b0f6a53-8a1e-5c9b-9d3f-1f2e3d4c5b6a';
const WEB = '6a1b5f10-5b1e-4a0e-8f0e-2c7f6a9d1e01' as HostTopology['devices'][number]['holder'];
type Device = HostTopology['devices'][number];
const device = (change: Partial<Device>): Device => ({
  id: ID, identity: 'slot:x', address: '0000:01:00.0', kind: 'function', cell: 0, iommuGroup: 1, vendor: '8086', product: '10c9', pciClass: '020000', driver: 'igb', interface: null, state: 'available', reason: null,
  className: null, pool: null, holder: null, generation: 0, pf: null, sriov: null, ...change,
} as Device);
const cpu = (id: number, use: 'shared' | 'dedicated' | 'reserved', holder = null as typeof WEB, as: string | null = null) => ({ id, use, holder, as });

const topology: HostTopology = {
  host: { id: '0d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as HostTopology['host']['id'], name: 'node1' }, reportedAt: '2026-11-21T01:02:03.400Z', devicesReportedAt: null,
  sockets: [{ id: 0, cells: [0] }, { id: 1, cells: [1] }],
  cells: [
    { id: 0, socket: 0, distances: [10, 20], memory: { totalMib: 4096, claimedMib: 1024 }, pages: [{ kib: 2048, total: 512, claimed: 12 }], devices: [], cores: [
      { cpus: [cpu(0, 'shared'), cpu(4, 'shared')] }, { cpus: [cpu(1, 'shared'), cpu(5, 'shared')] }, { cpus: [cpu(2, 'dedicated', WEB, 'pinned'), cpu(6, 'dedicated', WEB, 'idle')] }, { cpus: [cpu(3, 'dedicated'), cpu(7, 'dedicated')] },
    ] },
    { id: 1, socket: 1, distances: [20, 10], memory: { totalMib: 4096, claimedMib: 0 }, pages: [], devices: [], cores: [{ cpus: [cpu(8, 'shared')] }] },
  ],
  floating: { servers: 1, vcpus: 2, memoryMib: 512 },
  devices: [
    device({ id: 'a', identity: 'mac:01', kind: 'pf', interface: 'enp1s0', sriov: { totalVfs: 7, numVfs: 2 }, pool: 'net1', className: 'fast-net', state: 'unusable', reason: 'It keeps VFs.' }),
    device({ id: 'c', identity: 'mac:01/vf:1', address: '0000:01:10.2', kind: 'vf', product: '10ca', driver: 'vfio-pci', iommuGroup: 21, pf: { identity: 'mac:01', vf: 1 }, pool: 'net1', className: 'fast-net', state: 'in-use', holder: WEB }),
    device({ id: 'b', identity: 'mac:01/vf:0', address: '0000:01:10.0', kind: 'vf', product: '10ca', driver: 'vfio-pci', iommuGroup: 20, pf: { identity: 'mac:01', vf: 0 }, pool: 'net1', className: 'fast-net', state: 'quarantined', reason: 'No reset.' }),
    device({ id: 'd', identity: 'slot:nvme', address: '0000:02:00.0', cell: null, state: 'protected', reason: 'Its host lives on it.', driver: 'nvme' }),
    device({ id: 'e', identity: 'slot:gpu', address: '0000:03:00.0', cell: null, iommuGroup: 15, driver: null, pool: 'gpus', className: 'a100' }),
    device({ id: 'f', identity: 'slot:audio', address: '0000:03:00.1', cell: null, iommuGroup: 15, driver: null, pool: 'gpus', className: 'a100' }),
  ], moreDevices: false, groups: [{ id: 15, devices: ['e', 'f'] }],
};

it('draws a host', () => {
  expect(topologyText(topology, (id) => (id === WEB ? 'web' : undefined)).split('\n')).toEqual([
    'node1 (0d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77)  CPUs as of 2026-11-21T01:02:03.400Z, devices as of never',
    '├─ socket 0',
    '│  └─ cell 0; 4096 MiB, 1024 of them claimed here; pages of 2 MiB: 12 of 512 claimed; distances 10 20',
    '│     ├─ CPUs 0-1,4-5: shared',
    `│     ├─ core 2,6: CPU 2 dedicated, pinned for web ${WEB}; CPU 6 dedicated, idle for web ${WEB}`,
    '│     ├─ CPUs 3,7: dedicated, free',
    '│     └─ 0000:01:00.0  mac:01  8086:10c9  igb  enp1s0  group 1  2 of 7 VFs  fast-net of pool net1  keeps VFs',
    '│        ├─ VF 0  0000:01:10.0  mac:01/vf:0  8086:10ca  vfio-pci  group 20  fast-net of pool net1  quarantined  · No reset.',
    `│        └─ VF 1  0000:01:10.2  mac:01/vf:1  8086:10ca  vfio-pci  group 21  fast-net of pool net1  in-use  web ${WEB}`,
    '├─ socket 1',
    '│  └─ cell 1; 4096 MiB, 0 of them claimed here; distances 20 10',
    '│     └─ CPUs 8: shared',
    '└─ of no cell',
    '   ├─ 0000:03:00.0  slot:gpu  8086:10c9  no driver  group 15 (shared)  a100 of pool gpus  available',
    '   └─ 0000:03:00.1  slot:audio  8086:10c9  no driver  group 15 (shared)  a100 of pool gpus  available',
    'floating over shared CPUs: 1 server, 2 vCPUs, 512 MiB',
    '1 functions are in no pool or the host lives on them: --all',
  ]);
});

it('shows what is in no pool when it is asked to, with the reason', () => {
  expect(topologyText(topology, () => undefined, true)).toContain('0000:02:00.0  slot:nvme  8086:10c9  nvme  group 1  protected  · Its host lives on it.');
});
