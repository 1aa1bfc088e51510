/**
 * Writes the "newc" cpio archive a Linux kernel unpacks as its first root file system. Written here rather than by
 * cpio(1) so that owners, times and order are fixed: the same entries give the same bytes, for any user.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { progress, run } from './report.mjs';

const TRAILER = 'TRAILER!!!';
const KIND = { directory: 0o040000, file: 0o100000, link: 0o120000 };

/** A tree that is still being put together. Paths have no leading slash; parent folders appear by themselves. */
export class InitramfsTree {
  #entries = new Map();

  directory(path, mode = 0o755) {
    this.#put(path, { mode: KIND.directory | mode, data: Buffer.alloc(0) });
    return this;
  }

  file(path, data, mode = 0o644) {
    this.#put(path, { mode: KIND.file | mode, data: Buffer.from(data) });
    return this;
  }

  link(path, target) {
    this.#put(path, { mode: KIND.link | 0o777, data: Buffer.from(target) });
    return this;
  }

  has(path) {
    return this.#entries.has(path);
  }

  /** @returns {Buffer} the archive, parents before children */
  toCpio() {
    const parts = [];
    let inode = 1;
    for (const path of [...this.#entries.keys()].sort()) parts.push(member(path, this.#entries.get(path), inode++));
    parts.push(member(TRAILER, { mode: 0, data: Buffer.alloc(0) }, 0));
    return Buffer.concat(parts);
  }

  #put(path, entry) {
    const parent = path.split('/').slice(0, -1).join('/');
    if (parent && !this.#entries.has(parent)) this.directory(parent);
    this.#entries.set(path, entry);
  }
}

/**
 * Writes the tree to `path`, packed with LZ4: an emulated guest unpacks that 0.4 s sooner than gzip, for 0.7 MiB more.
 * @returns {Promise<string>} `path`
 */
export async function packInitramfs(packages, tree, path) {
  const archive = tree.toCpio();
  await writeFile(`${path}.cpio`, archive);
  // -l: the legacy frame, the only one the kernel reads
  await packages.runTool('usr/bin/lz4', ['-l', '-9', '-q', '-f', `${path}.cpio`, path]);
  const { size } = await stat(path);
  progress(`initramfs: ${(archive.length / 2 ** 20).toFixed(1)} MiB, packed ${(size / 2 ** 20).toFixed(1)}`);
  return path;
}

/** busybox, with a link for each of its applets; `sbin` names those also wanted there. */
export async function addBusybox(packages, tree, { sbin = [] } = {}) {
  const busybox = packages.path('bin/busybox');
  tree.file('bin/busybox', await readFile(busybox), 0o755);
  for (const applet of (await run(busybox, ['--list'])).trim().split('\n')) {
    if (applet !== 'busybox') tree.link(`bin/${applet}`, 'busybox');
  }
  for (const applet of sbin) tree.link(`sbin/${applet}`, '/bin/busybox');
}

function member(path, { mode, data }, inode) {
  const name = Buffer.from(`${path}\0`);
  // inode, mode, uid, gid, links, mtime, size, device (2), device of a node (2), length of the name, checksum
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from('070701' + fields.map((field) => field.toString(16).padStart(8, '0')).join(''));
  return Buffer.concat([padded(Buffer.concat([header, name])), padded(data)]);
}

function padded(buffer) {
  const rest = buffer.length % 4;
  return rest === 0 ? buffer : Buffer.concat([buffer, Buffer.alloc(4 - rest)]);
}
