/**
 * Builds skylite-tiny.qcow2: a BIOS-bootable guest of 64 MiB made of distribution packages that are downloaded and
 * unpacked, never installed. What the guest does is in guest/; this file only puts it together.
 *
 *   node build.mjs               builds unless cached; the image's path is the last line of stdout
 *   node build.mjs --print-path  only prints where the image is, or would be
 *
 * Needs apt, dpkg-deb and qemu-img; root is not needed if $SKYLITE_CACHE is writable.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addBusybox, InitramfsTree, packInitramfs } from '../lib/initramfs.mjs';
import { writeGrubDisk } from '../lib/grub-disk.mjs';
import { addModules, kernelPackage, unpackedKernel } from '../lib/guest-kernel.mjs';
import { cacheRoot, ensureBuilt, filesBelow, recipeHash } from '../lib/image-cache.mjs';
import { Packages } from '../lib/packages.mjs';
import { progress, run, runMain } from '../lib/report.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const PACKAGES = ['busybox-static', 'dropbear-bin', 'qemu-guest-agent', 'kmod', 'lz4', 'grub-common', 'grub-pc-bin', 'e2fsprogs'];
const PROGRAMS = ['usr/sbin/dropbear', 'usr/sbin/qemu-ga'];
const MODULES = [
  ...['virtio_pci', 'virtio_mmio', 'virtio_blk', 'virtio_scsi', 'virtio_net', 'virtio_console', 'virtio_balloon', 'virtio_rng'],
  ...['sd_mod', 'sr_mod', 'ata_piix', 'isofs', 'vfat', 'nls_cp437', 'nls_ascii', 'button', 'evdev'],
];

await runMain(async () => {
  const image = join(cacheRoot(), 'images', `skylite-tiny-${await recipeHash(HERE)}.qcow2`);
  if (!process.argv.includes('--print-path')) await ensureBuilt(image, (work) => build(work, image));
  process.stdout.write(`${image}\n`);
});

async function build(work, image) {
  progress('building skylite-tiny');
  await run('qemu-img', ['--version'], { cure: 'install qemu-utils (apt-get install qemu-utils)' });
  const packages = new Packages(cacheRoot(), join(work, 'packages'));
  await packages.unpack([...PACKAGES, await kernelPackage(packages)]);

  const tree = new InitramfsTree();
  for (const path of ['proc', 'sys', 'dev', 'run', 'tmp', 'var', 'root']) tree.directory(path);
  tree.link('var/run', '/run');
  await addBusybox(packages, tree, { sbin: ['getty', 'poweroff', 'reboot', 'halt', 'modprobe'] });
  tree.link('init', '/bin/busybox');
  for (const program of PROGRAMS) await addProgram(packages, tree, program);
  await addModules(packages, tree, join(work, 'modules'), MODULES);
  await addGuestFiles(tree);
  const initrd = await packInitramfs(packages, tree, join(work, 'initrd'));

  const kernel = await unpackedKernel(packages);
  await writeGrubDisk(packages, {
    ...{ work, kernel: kernel.image, initrd, label: 'tinyroot', config: join(HERE, 'grub.cfg'), output: image },
  });
  progress(`kernel ${kernel.release}; image ready`);
}

async function addProgram(packages, tree, program) {
  tree.file(program, await readFile(packages.path(program)), 0o755);
  const loader = await packages.loader();
  tree.file(loader.path.slice(1), await readFile(loader.file), 0o755);
  for (const { soname, file } of await packages.librariesOf(program)) {
    tree.file(`lib/x86_64-linux-gnu/${soname}`, await readFile(file), 0o755);
  }
}

/** The guest's own files: what starts with #! can be run. */
async function addGuestFiles(tree) {
  const guest = join(HERE, 'guest');
  for (const file of await filesBelow(guest)) {
    const data = await readFile(file);
    tree.file(relative(guest, file), data, data.subarray(0, 2).toString() === '#!' ? 0o755 : 0o644);
  }
}
