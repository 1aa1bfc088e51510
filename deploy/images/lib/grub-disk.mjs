/**
 * Makes a disk that a PC BIOS boots: master boot record, GRUB in the gap behind it, one ext4 partition with kernel and
 * initramfs. Everything is written into plain files: no root, no loop device, nothing mounted. Ids and times are fixed,
 * so that the same input gives the same disk.
 */
import { copyFile, mkdir, open, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, run } from './report.mjs';

const SECTOR = 512;
const MEBIBYTE = 2 ** 20;
const DISK_BYTES = 64 * MEBIBYTE;
const PARTITION_START = MEBIBYTE;
const PARTITION_TYPE_LINUX = 0x83;
const DISK_ID = 0x736b796c;
const FILESYSTEM_ID = '5c1e7e00-7197-4a3e-9c5d-000000000001';
const GRUB_FOLDER = 'usr/lib/grub/i386-pc';
const GRUB_MODULES = ['biosdisk', 'part_msdos', 'ext2', 'linux16', 'serial', 'terminal'];
const QEMU_IMG_CURE = 'install qemu-utils (apt-get install qemu-utils)';

/**
 * @param {import('./packages.mjs').Packages} packages with grub-common, grub-pc-bin and e2fsprogs unpacked
 * @param {{ work: string, kernel: string, initrd: string, config: string, label: string, output: string }} disk
 *   `config` is the path of GRUB's embedded configuration; `output` the qcow2 to make, by rename
 */
export async function writeGrubDisk(packages, { work, kernel, initrd, config, label, output }) {
  const raw = join(work, 'disk.raw');
  const partition = await makeFilesystem(packages, { work, kernel, initrd, label });
  const core = await makeCore(packages, work, config);
  const boot = (await readFile(packages.path(GRUB_FOLDER, 'boot.img'))).subarray(0, SECTOR);

  await writeFile(raw, '');
  await truncate(raw, DISK_BYTES);
  const file = await open(raw, 'r+');
  try {
    await file.write(bootRecord(boot), 0, SECTOR, 0);
    await file.write(core, 0, core.length, SECTOR);
    await copySparse(partition, file, PARTITION_START);
  } finally {
    await file.close();
  }
  const compressed = join(work, 'disk.qcow2');
  await run('qemu-img', ['convert', '-q', '-f', 'raw', '-O', 'qcow2', '-c', raw, compressed], { cure: QEMU_IMG_CURE });
  await rename(compressed, output);
}

async function makeFilesystem(packages, { work, kernel, initrd, label }) {
  const content = join(work, 'content');
  await mkdir(join(content, 'boot'), { recursive: true });
  await copyFile(kernel, join(content, 'boot/vmlinuz'));
  await copyFile(initrd, join(content, 'boot/initrd'));
  const partition = join(work, 'partition.raw');
  await writeFile(partition, '');
  await truncate(partition, DISK_BYTES - PARTITION_START);
  const env = { E2FSPROGS_FAKE_TIME: '1', MKE2FS_CONFIG: '/dev/null' };
  await packages.runTool(
    'sbin/mke2fs',
    [
      ...['-q', '-F', '-t', 'ext4', '-b', '4096', '-N', '512', '-m', '0', '-L', label, '-U', FILESYSTEM_ID],
      // Journal for guests whose power is cut; nothing left for the guest's kernel to initialise later.
      ...['-O', 'has_journal,extent,filetype,dir_index,sparse_super', '-J', 'size=4'],
      ...['-E', `root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,hash_seed=${FILESYSTEM_ID}`],
      ...['-d', content, partition],
    ],
    { env },
  );
  const fields = ['uid 0', 'gid 0', ...['atime', 'ctime', 'mtime', 'crtime'].map((time) => `${time} @1`)];
  const edits = ['/boot', '/boot/vmlinuz', '/boot/initrd', '/', '/lost+found'].flatMap((path) =>
    fields.map((field) => `set_inode_field ${path} ${field}`),
  );
  const script = join(work, 'debugfs.txt');
  await writeFile(script, edits.join('\n') + '\n');
  await packages.runTool('sbin/debugfs', ['-w', '-f', script, partition], { env });
  return partition;
}

async function makeCore(packages, work, config) {
  const core = join(work, 'core.img');
  await packages.runTool('usr/bin/grub-mkimage', [
    ...['--directory', packages.path(GRUB_FOLDER), '--format', 'i386-pc', '--config', config],
    ...['--prefix', '(,msdos1)/boot/grub', '--output', core, ...GRUB_MODULES],
  ]);
  const bytes = await readFile(core);
  if (SECTOR + bytes.length > PARTITION_START) throw new BuildError('GRUB does not fit before the partition', 'use fewer modules');
  // The last 12 bytes of the first sector say where the rest lies: first sector, sector count, segment it is loaded to.
  bytes.writeBigUInt64LE(2n, 500);
  bytes.writeUInt16LE(Math.ceil(bytes.length / SECTOR) - 1, 508);
  bytes.writeUInt16LE(0x820, 510);
  return bytes;
}

/** GRUB's boot.img as our master boot record: where GRUB's core lies, plus disk id and partition table. */
function bootRecord(bootImage) {
  const record = Buffer.from(bootImage);
  record.writeBigUInt64LE(1n, 0x5c); // first sector of the core
  record[0x64] = 0xff; // boot from the drive the BIOS names
  record.fill(0x90, 0x66, 0x68); // keep the BIOS's drive number even if it looks odd, as GRUB's own installer does
  record.fill(0, 0x1b8, SECTOR);
  record.writeUInt32LE(DISK_ID, 0x1b8);
  const entry = 0x1be;
  record[entry] = 0x80; // bootable
  record.fill(0xff, entry + 1, entry + 4); // cylinder/head/sector: not used
  record[entry + 4] = PARTITION_TYPE_LINUX;
  record.fill(0xff, entry + 5, entry + 8);
  record.writeUInt32LE(PARTITION_START / SECTOR, entry + 8);
  record.writeUInt32LE((DISK_BYTES - PARTITION_START) / SECTOR, entry + 12);
  record.writeUInt16LE(0xaa55, 510);
  return record;
}

async function copySparse(from, to, at) {
  const source = await open(from, 'r');
  const chunk = Buffer.alloc(MEBIBYTE);
  const zeros = Buffer.alloc(MEBIBYTE);
  try {
    for (let offset = 0; ; ) {
      const { bytesRead } = await source.read(chunk, 0, chunk.length, offset);
      if (bytesRead === 0) return;
      if (!chunk.subarray(0, bytesRead).equals(zeros.subarray(0, bytesRead))) await to.write(chunk, 0, bytesRead, at + offset);
      offset += bytesRead;
    }
  } finally {
    await source.close();
  }
}
