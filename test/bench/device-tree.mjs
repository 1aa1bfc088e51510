// A bus on disk: what a fake kernel's functions look like in sysfs, file by file and link by link as the kernel has them, and the few tables of /proc
// by which a host knows what it lives on itself.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** What every function has, whether or not it is read here: a folder is listed as a whole. */
const FILLING = ['ari_enabled', 'broken_parity_status', 'consistent_dma_mask_bits', 'current_link_speed', 'current_link_width', 'd3cold_allowed', 'dma_mask_bits', 'enable', 'irq', 'local_cpulist', 'local_cpus', 'max_link_speed',
  'max_link_width', 'msi_bus', 'power_state', 'remove', 'rescan', 'reset', 'resource', 'resource0', 'revision', 'subsystem_device', 'subsystem_vendor', 'uevent'];
const CONFIG_BYTES = 4096;
const ERRORS = ['fatal', 'nonfatal', 'correctable'];

/** @param {string} dir empty; gets `sys` and `proc` @param {import('#libs/pci').PciReading} reading @param {{ bootId: string, rootDisk: string, routed: string }} of the host itself */
export function writeTree(dir, { functions, groups }, { bootId, rootDisk, routed }) {
  const sys = join(dir, 'sys');
  const put = (path, text) => { mkdirSync(dirname(path), { recursive: true }); writeFileSync(path, text); };
  const link = (path, target) => { mkdirSync(dirname(path), { recursive: true }); symlinkSync(relative(dirname(path), target), path); };
  const places = new Map([...functions.values()].map((fn) => [fn.address, join(sys, 'devices', `pci${(fn.path[0] ?? fn.address).slice(0, 7)}`, ...fn.path, fn.address)]));
  for (const fn of functions.values()) {
    const place = places.get(fn.address);
    const file = (name, text) => { put(join(place, name), text); };
    for (const name of FILLING) file(name, '0\n');
    for (const [name, text] of Object.entries(idsOf(fn))) file(name, `${text}\n`);
    file('numa_node', `${fn.numaNode ?? -1}\n`);
    file('driver_override', `${fn.driverOverride ?? '(null)'}\n`);
    file('config', configOf(fn));
    if (fn.resetMethods.length > 0) file('reset_method', `${fn.resetMethods.join(' ')}\n`);
    if (fn.serial !== null && !isDsn(fn.serial)) file('vpd', vpdOf(fn.serial));
    if (fn.physfn === null) for (const kind of ERRORS) file(`aer_dev_${kind}`, `Undefined 0\nDLP 0\nSDES 0\nTLP 0\nFCP 0\nCmpltTO 0\nTOTAL_ERR_${kind === 'correctable' ? 'COR' : kind.toUpperCase()} 0\n`);
    if (fn.driver !== null) link(join(place, 'driver'), join(sys, 'bus/pci/drivers', fn.driver));
    if (fn.iommuGroup !== null) link(join(place, 'iommu_group'), join(sys, 'kernel/iommu_groups', `${fn.iommuGroup}`));
    if (fn.physfn !== null) link(join(place, 'physfn'), places.get(fn.physfn.address));
    if (fn.sriov !== null) {
      for (const [name, value] of [['totalvfs', fn.sriov.totalVfs], ['numvfs', fn.sriov.numVfs], ['drivers_autoprobe', fn.sriov.autoprobe ? 1 : 0]]) file(`sriov_${name}`, `${value}\n`);
      for (const { index, address } of fn.sriov.vfs) link(join(place, `virtfn${index}`), places.get(address));
    }
    for (const { name, mac, link: state } of fn.networks) {
      const net = join(place, 'net', name);
      for (const [key, value] of [['address', mac], ['operstate', state], ['carrier', state === 'up' ? 1 : 0], ['addr_assign_type', 0], ['flags', '0x1003']]) put(join(net, key), `${value}\n`);
      link(join(sys, 'class/net', name), net);
    }
    for (const name of fn.blocks) {
      put(join(place, 'block', name, 'size'), '1\n');
      mkdirSync(join(place, 'block', name, 'holders'));
      link(join(sys, 'class/block', name), join(place, 'block', name));
      if (name === rootDisk) link(join(sys, 'dev/block/8:0'), join(place, 'block', name));
    }
    if (fn.driver !== null) mkdirSync(join(sys, 'bus/pci/drivers', fn.driver), { recursive: true });
    link(join(sys, 'bus/pci/devices', fn.address), place);
  }
  for (const [group, members] of groups) for (const address of members) link(join(sys, 'kernel/iommu_groups', `${group}`, 'devices', address), places.get(address));
  put(join(dir, 'proc/sys/kernel/random/boot_id'), `${bootId}\n`);
  put(join(dir, 'proc/self/mountinfo'), `22 1 8:0 / / rw - ext4 /dev/${rootDisk} rw\n`);
  put(join(dir, 'proc/swaps'), 'Filename\tType\tSize\tUsed\tPriority\n');
  put(join(dir, 'proc/net/route'), `Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n${routed}\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`);
  put(join(dir, 'proc/net/ipv6_route'), '');
  mkdirSync(join(dir, 'run'));
  return { root: sys, procRoot: join(dir, 'proc'), runDir: join(dir, 'run') };
}

function idsOf({ vendor, product, subsystemVendor, subsystemProduct, pciClass }) {
  const wide = (id) => `0000${id ?? '0000'}`.toUpperCase();
  const [base, sub, interfaceCode] = pciClass.match(/../g).map((part) => part.toUpperCase());
  return {
    vendor: `0x${vendor}`, device: `0x${product}`, class: `0x${pciClass}`,
    modalias: `pci:v${wide(vendor)}d${wide(product)}sv${wide(subsystemVendor)}sd${wide(subsystemProduct)}bc${base}sc${sub}i${interfaceCode}`,
  };
}

const isDsn = (serial) => /^([0-9a-f]{2}-){7}[0-9a-f]{2}$/.test(serial);

/** A configuration space of PCI Express, with a device serial number where the function has such a one. */
function configOf({ serial }) {
  const config = Buffer.alloc(CONFIG_BYTES);
  if (serial !== null && isDsn(serial)) {
    config.writeUInt32LE(0x0001_0003, 0x100);
    config.set(serial.split('-').map((byte) => Number.parseInt(byte, 16)).reverse(), 0x104);
  }
  return config;
}

/** Vital product data: its read-only part, with a serial number (SN) alone. */
function vpdOf(serial) {
  const length = 3 + serial.length;
  return Buffer.concat([Buffer.from([0x90, length & 0xff, length >> 8]), Buffer.from('SN'), Buffer.from([serial.length]), Buffer.from(serial), Buffer.from([0x78])]);
}
