/** What a fake host is built of. Addresses are as at its first boot; a card inserted later shifts the buses. */
export interface FakeFunctionShape {
  readonly address: string;
  /** The bridge it hangs on; none: its root bus. */
  readonly parent?: string;
  readonly vendor: string; readonly product: string; readonly subsystemVendor?: string; readonly subsystemProduct?: string;
  readonly pciClass: string;
  readonly bridge?: boolean;
  /** The driver that the kernel has for it; null: none. */
  readonly kernelDriver: string | null;
  readonly numaNode?: number;
  /** Functions that name the same group share it; else each has its own. */
  readonly group?: string;
  readonly serial?: string;
  readonly mac?: string; readonly network?: string;
  readonly resetMethods?: readonly string[];
  readonly blocks?: readonly string[]; readonly mdevTypes?: readonly string[];
  /** Why the host lives on it. */
  readonly protectedBy?: string;
  readonly sriov?: FakeSriovShape;
}

export interface FakeSriovShape {
  readonly totalVfs: number; readonly offset: number; readonly stride: number;
  readonly vfProduct: string; readonly vfDriver: string | null;
  /** Highest rate that a VF may be limited to. */
  readonly linkMbps: number;
  /** igb refuses any lowest rate. */
  readonly minRates?: boolean;
}

export interface FakeShape {
  /** Without one, vfio-pci takes nothing. */
  readonly iommu: boolean;
  /** Loaded drivers besides those that the functions name. */
  readonly drivers: readonly string[];
  readonly functions: readonly FakeFunctionShape[];
}

const IGB = { vendor: '8086', product: '10c9', pciClass: '020000', kernelDriver: 'igb', resetMethods: ['flr'] } as const;
const IGB_SRIOV: FakeSriovShape = { totalVfs: 7, offset: 128, stride: 2, vfProduct: '10ca', vfDriver: 'igbvf', linkMbps: 1_000 };

/** The emulated host of the lab, as its kernel shows it: two igb PFs on two nodes, a shared group behind a bridge, a display, and what the host lives on. */
export function labShape(): FakeShape {
  return {
    iommu: true, drivers: ['vfio-pci', 'pci-pf-stub'],
    functions: [
      port('0000:00:03.0'), port('0000:00:05.0'), port('0000:00:06.0'), port('0000:40:00.0', 1),
      { address: '0000:00:1d.0', vendor: '1af4', product: '1000', pciClass: '020000', kernelDriver: 'virtio-pci', network: 'enp0s29', mac: '52:54:00:00:00:01', protectedBy: 'default-route: enp0s29' },
      { address: '0000:00:1e.0', vendor: '1af4', product: '1001', pciClass: '010000', kernelDriver: 'virtio-pci', blocks: ['vda'], protectedBy: 'boot-disk: vda' },
      { ...IGB, address: '0000:01:00.0', parent: '0000:00:03.0', mac: '52:54:00:aa:00:01', network: 'enp1s0', sriov: IGB_SRIOV },
      { ...IGB, address: '0000:41:00.0', parent: '0000:40:00.0', numaNode: 1, mac: '52:54:00:aa:00:02', network: 'enp65s0', sriov: IGB_SRIOV },
      { address: '0000:03:00.0', parent: '0000:00:05.0', vendor: '1234', product: '1111', pciClass: '038000', kernelDriver: null, resetMethods: ['bus'] },
      { address: '0000:04:00.0', parent: '0000:00:06.0', vendor: '1b36', product: '000e', pciClass: '060400', bridge: true, kernelDriver: 'shpchp', group: 'shared' },
      { address: '0000:05:01.0', parent: '0000:04:00.0', vendor: '1234', product: '11e8', pciClass: '00ff00', kernelDriver: null, group: 'shared' },
      { address: '0000:05:02.0', parent: '0000:04:00.0', vendor: '8086', product: '100e', pciClass: '020000', kernelDriver: 'e1000', group: 'shared', mac: '52:54:00:12:34:56', network: 'ens2', resetMethods: ['pm'] },
    ],
  };
}

export interface FakeFleetShape {
  readonly pfs?: number; readonly vfsPerPf?: number;
  /** Displays, each with a sound function in its group. */
  readonly gpus?: number;
  readonly nvmes?: number;
  /** NUMA nodes that cards stand on in turn. */
  readonly cells?: number;
  /** Makes MACs and serials of this host its own. */
  readonly host?: number;
}

/** A host as fleets have them: cards in turn on the nodes, and a NIC and a disk that the host lives on. */
export function fleetShape(of: FakeFleetShape = {}): FakeShape {
  const { pfs = 2, vfsPerPf = 8, gpus = 0, nvmes = 0, cells = 2, host = 0 } = of;
  const functions: FakeFunctionShape[] = [
    { address: '0000:00:1d.0', vendor: '8086', product: '1521', pciClass: '020000', kernelDriver: 'igb', network: 'eno1', mac: mac(host, 0xff), protectedBy: 'default-route: eno1' },
    { address: '0000:00:1f.2', vendor: '8086', product: '2922', pciClass: '010601', kernelDriver: 'ahci', blocks: ['sda'], protectedBy: 'boot-disk: sda' },
  ];
  let card = 0;
  /** The next slot: a port of its own on the node's root bus, and a bus behind it (a NIC takes as many as its VFs need). */
  const slot = (buses: number): { parent: string; bus: string; numaNode: number } => {
    const numaNode = card % cells;
    const perNode = Math.floor(card / cells);
    card += 1;
    const domain = hex(numaNode, 4);
    const parent = `${domain}:00:${hex(1 + (perNode % 24), 2)}.${Math.floor(perNode / 24)}`;
    const bus = nextBus[numaNode] ?? 1;
    nextBus[numaNode] = bus + buses;
    functions.push({ ...port(parent, numaNode) });
    return { parent, bus: `${domain}:${hex(bus, 2)}`, numaNode };
  };
  const nextBus: number[] = [];
  for (let pf = 0; pf < pfs; pf += 1) {
    const { parent, bus, numaNode } = slot(1 + Math.ceil((vfsPerPf + 1) / 256));
    functions.push({
      address: `${bus}:00.0`, parent, numaNode, vendor: '8086', product: '1592', pciClass: '020000', kernelDriver: 'ice', resetMethods: ['flr'], mac: mac(host, pf), network: `ens${numaNode}p${pf}`,
      serial: `00-00-00-ff-ff-${hex(host >> 8, 2)}-${hex(host & 0xff, 2)}-${hex(pf, 2)}`,
      sriov: { totalVfs: vfsPerPf, offset: 8, stride: 1, vfProduct: '1889', vfDriver: 'iavf', linkMbps: 100_000, minRates: true },
    });
  }
  for (let gpu = 0; gpu < gpus; gpu += 1) {
    const { parent, bus, numaNode } = slot(1);
    const group = `gpu${gpu}`;
    functions.push({ address: `${bus}:00.0`, parent, numaNode, group, vendor: '10de', product: '20b5', pciClass: '030200', kernelDriver: null, resetMethods: ['flr', 'bus'], serial: `gpu-${host}-${gpu}` });
    functions.push({ address: `${bus}:00.1`, parent, numaNode, group, vendor: '10de', product: '1aef', pciClass: '040300', kernelDriver: 'snd_hda_intel', resetMethods: ['bus'], serial: `gpu-${host}-${gpu}` });
  }
  for (let nvme = 0; nvme < nvmes; nvme += 1) {
    const { parent, bus, numaNode } = slot(1);
    functions.push({ address: `${bus}:00.0`, parent, numaNode, vendor: '144d', product: 'a80a', pciClass: '010802', kernelDriver: 'nvme', resetMethods: ['flr'], blocks: [`nvme${nvme}n1`], serial: `nvme-${host}-${nvme}` });
  }
  return { iommu: true, drivers: ['vfio-pci', 'pci-pf-stub'], functions };
}

function port(address: string, numaNode?: number): FakeFunctionShape {
  return { address, vendor: '1b36', product: '000c', pciClass: '060400', bridge: true, kernelDriver: 'pcieport', ...(numaNode === undefined ? {} : { numaNode }) };
}

const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0');
const mac = (host: number, card: number): string => ['0c', '42', hex((host >> 16) & 0xff, 2), hex((host >> 8) & 0xff, 2), hex(host & 0xff, 2), hex(card & 0xff, 2)].join(':');
