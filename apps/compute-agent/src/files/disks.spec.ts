import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DesiredInstance } from '#libs/contracts';
import { StepError } from '../errors.js';
import { ImageCache } from '../images/cache.js';
import { desired, instanceId } from '../testing/builders.js';
import { refused } from './door-transfers.js';
import { diskGenerationOf, diskName, previousOf } from './disk-names.js';
import { LocalFiles } from './local-files.js';
import type { DiskTransfers } from './receive-disk.js';

const ID = instanceId();
const never = new AbortController().signal;
const given = existsSync('/usr/bin/qemu-img') ? describe : describe.skip;
let root: string;
beforeEach(() => { root = mkdtempSync(join(tmpdir(), 'disks-')); });
afterEach(() => rmSync(root, { recursive: true }));

const qemu = (tool: string, ...args: string[]): string => execFileSync(tool, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const info = (path: string) => JSON.parse(qemu('qemu-img', 'info', '--output=json', path)) as { 'virtual-size': number; 'backing-filename'?: string };
const writes = (path: string, pattern: number, at = '1M'): void => { qemu('qemu-io', '-f', 'qcow2', '-c', `write -P ${pattern} ${at} 64k`, path); };
const reads = (path: string, pattern: number, at = '1M'): boolean => !qemu('qemu-io', '-f', 'qcow2', '-c', `read -P ${pattern} ${at} 64k`, path).includes('verification failed');

/** A host's folders, with one image in its cache. */
function hostFolders(name: string, transfers?: DiskTransfers): { files: LocalFiles; images: string; at: string } {
  const images = join(root, name, 'images');
  mkdirSync(images, { recursive: true });
  const cache = new ImageCache({ folder: images, inUse: () => files.basesInUse(), urlOf: async () => { throw new Error('not needed'); } });
  const files: LocalFiles = new LocalFiles(join(root, name, 'instances'), cache, transfers);
  return { files, images, at: join(root, name, 'instances', ID) };
}
let image: DesiredInstance['image'];
function putImage(...folders: string[]): void {
  const path = join(root, 'image.qcow2');
  qemu('qemu-img', 'create', '-q', '-f', 'qcow2', path, '64M');
  const bytes = readFileSync(path);
  image = { ...desired().image, sha512: createHash('sha512').update(bytes).digest('hex'), sizeBytes: bytes.length, format: 'qcow2' };
  for (const folder of folders) writeFileSync(join(folder, image.sha512), bytes);
}

describe('names of disks', () => {
  it('say whose content they are, the first one as ever', () => {
    expect([1, 2, 77].map(diskName)).toEqual(['disk.qcow2', 'disk.g2.qcow2', 'disk.g77.qcow2']);
    expect(['disk.qcow2', 'disk.g2.qcow2', 'disk.g1.qcow2', 'disk.g02.qcow2', 'disk.qcow2.tmp', 'disk', 'previous-1.qcow2'].map(diskGenerationOf)).toEqual([1, 2, null, null, null, null, null]);
    expect(['previous-3.qcow2', 'previous-03.qcow2', 'previous-3.qcow2.tmp'].map(previousOf)).toEqual([3, null, null]);
  });
});

given('disks of a rebuild and of a resize', () => {
  it('stand beside each other until the old one is dropped', async () => {
    const { files, images, at } = hostFolders('a');
    putImage(images);
    const [first, second] = [desired({ image }), desired({ image, diskGeneration: 2 })];
    await files.makeDisk(first, never);
    writes(files.pathsOf(first).disk, 7);
    await files.dropDisks(second); // its successor is not there: it stays
    expect(readdirSync(at)).toEqual(['disk.qcow2']);
    await files.makeDisk(second, never);
    expect(await files.list()).toEqual(new Map([[ID, { disks: [1, 2], previous: [], configDrive: false, any: true }]]));
    expect(reads(files.pathsOf(first).disk, 7)).toBe(true);
    expect(reads(files.pathsOf(second).disk, 0)).toBe(true);
    await files.dropDisks(second);
    expect(readdirSync(at)).toEqual(['disk.g2.qcow2']);
  });

  it('grow and never shrink, keep what was and bring it back, twice too', async () => {
    const { files, images, at } = hostFolders('a');
    putImage(images);
    const small = desired({ image });
    const keep = desired({ image, diskGib: 2, specGeneration: 2, previous: { specGeneration: 1, then: 'keep' } });
    const disk = files.pathsOf(small).disk;
    await files.makeDisk(small, never);
    writes(disk, 7);
    for (const times of [1, 2]) {
      expect(times).toBeGreaterThan(0);
      await files.keepDisk(keep, never);
      await files.growDisk(keep, never);
    }
    expect(info(disk)['virtual-size']).toBe(2 * 1024 ** 3);
    writes(disk, 9);
    writes(disk, 9, '1500M');
    await files.keepDisk(keep, never); // what was kept is kept
    await files.growDisk(small, never);
    expect(info(disk)['virtual-size']).toBe(2 * 1024 ** 3);
    await files.dropPrevious(keep);
    expect((await files.list()).get(ID)).toMatchObject({ disks: [1], previous: [1] });
    const restore = desired({ image, specGeneration: 3, previous: { specGeneration: 1, then: 'restore' } });
    await files.restoreDisk(restore);
    await files.restoreDisk(restore);
    expect(info(disk)['virtual-size']).toBe(1024 ** 3);
    expect(reads(disk, 7)).toBe(true);
    await files.dropPrevious(restore);
    expect(readdirSync(at)).toEqual(['disk.qcow2']);
    expect(reads(disk, 7)).toBe(true);
  });

  it('leave no halves of a killed agent, and all else as it is', async () => {
    const { files, at } = hostFolders('a');
    mkdirSync(at, { recursive: true });
    const kept = ['config.iso', 'disk.qcow2', `disk.g2.qcow2.${randomUUID()}.part`, 'serial.log', 'serial.log.0'].sort();
    for (const name of [...kept, 'previous-1.qcow2.tmp', 'disk.g2.qcow2.tmp']) writeFileSync(join(at, name), '');
    await files.dropHalves([ID, instanceId(9)]);
    expect(readdirSync(at).sort()).toEqual(kept);
  });

  it('keep their base images in the cache, under whatever name', async () => {
    const { files, images } = hostFolders('a');
    putImage(images);
    await files.makeDisk(desired({ image, diskGeneration: 5 }), never);
    expect(await files.basesInUse()).toEqual(new Set([image.sha512]));
    // One that cannot be read may stand on any.
    mkdirSync(join(root, 'a', 'instances', ID, 'disk.g9.qcow2'));
    await expect(files.basesInUse()).rejects.toThrow('EISDIR');
  });
});

given('a disk from another host', () => {
  /** Sends a file as the door does. @param change what the source lies about */
  const sending = (path: () => string, change: { cutAfter?: number; digest?: Buffer } = {}): DiskTransfers & { asked: number[] } => {
    const asked: number[] = [];
    return { asked, open: async ({ offset }) => {
      const bytes = readFileSync(path());
      const digest = change.digest ?? createHash('sha512').update(bytes).digest();
      const rest = Buffer.concat([bytes.subarray(offset), digest]);
      asked.push(offset);
      const { cutAfter } = change;
      delete change.cutAfter; // once
      return { sizeBytes: bytes.length, chunks: (async function* () {
        yield rest.subarray(0, Math.min(1000, cutAfter ?? 1000));
        if (cutAfter !== undefined) throw new StepError('disk-source-away', 'gone', 'free');
        yield rest.subarray(1000);
      })() };
    } };
  };
  const diskFrom = { transferId: randomUUID(), key: 'k' };

  it('is put onto the base image that is here, with its content, and grows', async () => {
    const source = hostFolders('a');
    const transfers = sending(() => join(source.at, 'disk.g2.qcow2'), { cutAfter: 600 });
    const { files, images, at } = hostFolders('b', transfers);
    putImage(source.images, images);
    const there = desired({ image, diskGeneration: 2 });
    await source.files.makeDisk(there, never);
    writes(source.files.pathsOf(there).disk, 42);
    const want = desired({ image, diskGeneration: 2, diskGib: 3, diskFrom });
    await expect(files.receiveDisk(want, never)).rejects.toMatchObject({ code: 'disk-source-away', retry: 'free' });
    await files.receiveDisk(want, never);
    await files.receiveDisk(want, never);
    expect(transfers.asked).toEqual([0, 600]);
    expect(readdirSync(at)).toEqual(['disk.g2.qcow2']);
    const disk = files.pathsOf(want).disk;
    expect(info(disk)).toMatchObject({ 'virtual-size': 3 * 1024 ** 3, 'backing-filename': join(images, image.sha512), 'backing-filename-format': 'qcow2' });
    rmSync(join(root, 'a'), { recursive: true }); // nothing of the source is needed
    expect(reads(disk, 42)).toBe(true);
    qemu('qemu-img', 'check', '-q', disk);
  });

  it('is fetched again when its bytes are not what was said', async () => {
    const source = hostFolders('a');
    const change: { digest?: Buffer } = { digest: Buffer.alloc(64) };
    const { files, images, at } = hostFolders('b', sending(() => join(source.at, 'disk.qcow2'), change));
    putImage(source.images, images);
    await source.files.makeDisk(desired({ image }), never);
    const want = desired({ image, diskFrom });
    await expect(files.receiveDisk(want, never)).rejects.toMatchObject({ code: 'disk-checksum', retry: 'counted' });
    expect(readdirSync(at)).toEqual([]);
    delete change.digest;
    await files.receiveDisk(want, never);
    expect(readdirSync(at)).toEqual(['disk.qcow2']);
  });

  it('begins again when more of it is here than its source has: it was cut off while it was made ours', async () => {
    const source = hostFolders('a');
    const path = join(source.at, 'disk.qcow2');
    const bytesOf = sending(() => path);
    // As the door answers it, for the host that has the disk refuses the question.
    const { files, images, at } = hostFolders('b', { open: async (transfer) => {
      if (transfer.offset > statSync(path).size) throw refused(400, 'The disk is shorter.');
      return bytesOf.open(transfer);
    } });
    putImage(source.images, images);
    await source.files.makeDisk(desired({ image }), never);
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, `disk.qcow2.${diskFrom.transferId}.part`), Buffer.alloc(statSync(path).size + 65_536));
    const want = desired({ image, diskFrom });
    await expect(files.receiveDisk(want, never)).rejects.toMatchObject({ code: 'disk-range', retry: 'counted' });
    await files.receiveDisk(want, never);
    expect(readdirSync(at)).toEqual(['disk.qcow2']);
  });

  it('opens no other file of this host, whatever a source says', async () => {
    const { images } = hostFolders('x');
    putImage(images);
    const evil = join(root, 'evil.qcow2');
    const good = join(root, image.sha512);
    writeFileSync(good, readFileSync(join(images, image.sha512)));
    const secret = join(root, 'secret');
    writeFileSync(secret, Buffer.alloc(1024 * 1024, 's'));
    const make = (...args: string[]) => (): void => { rmSync(evil, { force: true }); qemu('qemu-img', 'create', '-q', '-f', 'qcow2', ...args); };
    const patched = (change: (bytes: Buffer) => void) => (): void => {
      make('-b', good, '-F', 'qcow2', evil, '1G')();
      const bytes = readFileSync(evil);
      change(bytes);
      writeFileSync(evil, bytes);
    };
    const cases: [() => void, RegExp][] = [
      [make('-b', secret, '-F', 'raw', evil, '1G'), /does not stand on/],
      [make(evil, '1G'), /does not stand on/],
      [make('-b', good, '-F', 'raw', evil, '1G'), /base is said to be raw/],
      [make('-o', `data_file=${join(root, 'data')},data_file_raw=off`, evil, '1G'), /features/],
      [make('-b', good, '-F', 'qcow2', evil, '5G'), /5 GiB, more than the flavor/],
      [patched((bytes) => bytes.writeUInt32BE(1, 32)), /features/],
      [patched((bytes) => bytes.writeBigUInt64BE(1n << 62n, 72)), /features/],
      [patched((bytes) => bytes.writeBigUInt64BE(1n << 40n, 8)), /not a qcow2 file/],
      [() => writeFileSync(evil, 'no disk at all, and far too short'), /not a qcow2 file/],
    ];
    let n = 0;
    for (const [prepare, why] of cases) {
      prepare();
      const host = hostFolders(`b${n++}`, sending(() => evil));
      writeFileSync(join(host.images, image.sha512), readFileSync(good));
      await expect(host.files.receiveDisk(desired({ image, diskFrom }), never)).rejects.toMatchObject({ code: 'disk-foreign', retry: 'never', message: expect.stringMatching(why) });
      expect(readdirSync(host.at)).toEqual([]);
    }
  });
});
