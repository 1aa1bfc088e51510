/**
 * The emulated host's kernel, ready for an emulator: unpacked once here instead of at every boot (by a decompressor that itself
 * runs emulated), with the few modules the host needs, unpacked as well.
 */
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { BuildError, run } from '../../../deploy/images/lib/report.mjs';

const ZSTD_MAGIC = 0xfd2fb528;
/** Before the root disk is there: an IOMMU that must be there before any driver is, the disk and its file system. */
export const EARLY_MODULES = ['virtio_iommu', 'crc32c_generic', 'virtio_blk', 'ext4'];
export const HOST_MODULES = [
  ...EARLY_MODULES, 'virtio_net', 'virtio_console', 'igb', 'igbvf', 'vfio-pci', 'vfio_iommu_type1', 'pci-pf-stub', 'uio_pci_generic', 'e1000',
  ...['kvm-amd', 'overlay', 'bridge', '8021q', 'veth', 'tun', 'macvtap', 'vhost_net', 'af_packet', 'net_failover', 'loop', 'isofs'],
];
export const GUEST_MODULES = ['virtio_blk', 'virtio_net', 'virtio_scsi', 'sr_mod', 'ata_piix', 'ahci', 'isofs', 'igbvf'];

/** @returns {Promise<{ release: string, image: string }>} of the unpacked package in `folder` */
export async function kernelIn(folder) {
  const [release] = await readdir(join(folder, 'usr/lib/modules'));
  return { release, image: join(folder, 'boot', `vmlinuz-${release}`) };
}

/** Writes the ELF kernel that is packed in a bzImage: its payload's place stands in the boot protocol's header. */
export async function writeUnpackedKernel(bzImage, output) {
  const data = await readFile(bzImage);
  const setupSectors = data[0x1f1] || 4;
  const start = (setupSectors + 1) * 512 + data.readUInt32LE(0x248);
  const length = data.readUInt32LE(0x24c) - 4; // the last four bytes say how long it is unpacked
  if (data.readUInt32LE(start) !== ZSTD_MAGIC) throw new BuildError('the kernel is not packed with zstd', 'the lab was written for a kernel that is: look at its package');
  await writeFile(output, await promisify(zstdDecompress)(data.subarray(start, start + length)));
}

/**
 * Puts `names` and what they need into rootfs/usr/lib/modules, unpacked and indexed.
 * @param {(tool: string, argv0: string, args: string[]) => Promise<string>} tool runs a program of the rootfs
 */
export async function installModules({ kernel, rootfs, tool, names }) {
  const { release } = await kernelIn(kernel);
  await tool('usr/bin/kmod', 'depmod', ['-b', join(kernel, 'usr'), release]);
  const from = join(kernel, 'usr/lib/modules', release);
  const to = join(rootfs, 'usr/lib/modules', release);
  await mkdir(to, { recursive: true });
  for (const name of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) await copyFile(join(from, name), join(to, name));
  const builtin = new Set((await readFile(join(from, 'modules.builtin'), 'utf8')).split('\n').map(moduleName));
  const dep = await readFile(join(from, 'modules.dep'), 'utf8');
  const modules = new Set(dep.split('\n').map((line) => moduleName(line.split(':')[0])));
  const unknown = names.filter((name) => !builtin.has(moduleName(name)) && !modules.has(moduleName(name)));
  if (unknown.length > 0) throw new BuildError(`the kernel has no module ${unknown.join(', ')}`, 'take it off the recipe');
  for (const file of moduleFiles(dep, names)) {
    await mkdir(dirname(join(to, file)), { recursive: true });
    const plain = join(to, file.replace(/\.xz$/, ''));
    await copyFile(join(from, file), join(to, file));
    if (file.endsWith('.xz')) await run('xz', ['-d', join(to, file)]);
    else if (plain !== join(to, file)) throw new BuildError(`module ${file} is packed in an unknown way`, 'look at its package');
  }
  await tool('usr/bin/kmod', 'depmod', ['-b', rootfs, release]);
  return release;
}

/**
 * Adds modules to an initramfs with the order in which insmod takes them.
 * @param {import('../../../deploy/images/lib/initramfs.mjs').InitramfsTree} tree
 */
export async function addOrderedModules(tree, rootfs, release, names) {
  const folder = join(rootfs, 'usr/lib/modules', release);
  const files = moduleFiles(await readFile(join(folder, 'modules.dep'), 'utf8'), names);
  for (const file of files) tree.file(`modules/${basename(file)}`, await readFile(join(folder, file)));
  tree.file('modules/order', `${files.map((file) => basename(file)).join('\n')}\n`);
}

const moduleName = (file) => basename(file).replace(/\.ko.*/, '').replaceAll('-', '_');

/** Paths below the modules' folder; what a module needs stands before it. Built-in ones have no file. */
function moduleFiles(modulesDep, names) {
  const needs = new Map();
  for (const line of modulesDep.split('\n')) {
    const [file, rest] = line.split(':');
    if (rest !== undefined) needs.set(file, rest.trim().split(/\s+/).filter(Boolean));
  }
  const byName = new Map([...needs.keys()].map((file) => [moduleName(file), file]));
  const files = new Set();
  for (const name of names) {
    const file = byName.get(moduleName(name));
    if (!file) continue;
    for (const needed of [...needs.get(file)].reverse()) files.add(needed);
    files.add(file);
  }
  return [...files];
}
