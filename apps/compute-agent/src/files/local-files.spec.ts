import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImageCache } from '../images/cache.js';
import { desired, instanceId } from '../testing/builders.js';
import { LocalFiles } from './local-files.js';
import { readQcow2Header } from './qcow2.js';

const ID = instanceId();
const never = new AbortController().signal;
const hasQemu = existsSync('/usr/bin/qemu-img');
let folder: string;
let files: LocalFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'files-'));
  const images = new ImageCache({ folder: join(folder, 'images'), inUse: () => files.basesInUse(), urlOf: async () => { throw new Error('not needed'); } });
  files = new LocalFiles(join(folder, 'instances'), images);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Puts an image into the cache. @returns what a server made of it wants */
function cached(bytes: Buffer, format: 'qcow2' | 'raw') {
  const sha512 = createHash('sha512').update(bytes).digest('hex');
  mkdirSync(join(folder, 'images'), { recursive: true });
  writeFileSync(join(folder, 'images', sha512), bytes);
  return { ...desired().image, sha512, sizeBytes: bytes.length, format };
}
function qcow2(...args: string[]): Buffer {
  const path = join(folder, 'made.qcow2');
  rmSync(path, { force: true });
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', ...args.slice(0, -1), path, args.at(-1)!]);
  return readFileSync(path);
}

describe('LocalFiles', () => {
  (hasQemu ? it : it.skip)('makes a disk of the flavor size on the image, once', async () => {
    const want = desired({ image: cached(qcow2('64M'), 'qcow2'), diskGib: 2 });
    await files.makeDisk(want, never);
    const disk = files.pathsOf(want).disk;
    const info = JSON.parse(execFileSync('qemu-img', ['info', '--output=json', disk], { encoding: 'utf8' })) as Record<string, unknown>;
    expect(info).toMatchObject({ 'virtual-size': 2 * 1024 ** 3, 'backing-filename': files.pathsOf(want).base, 'backing-filename-format': 'qcow2', format: 'qcow2' });
    writeFileSync(disk, 'a guest wrote here');
    await files.makeDisk(want, never);
    expect(readFileSync(disk, 'utf8')).toBe('a guest wrote here');
    expect(await files.list()).toEqual(new Map([[ID, { disks: [1], previous: [], configDrive: false, any: true }]]));
  });

  (hasQemu ? it : it.skip)('makes it as large as the image when the flavor has none, of raw images too', async () => {
    const want = desired({ image: cached(Buffer.alloc(3 * 1024 ** 2), 'raw'), diskGib: 0 });
    await files.makeDisk(want, never);
    expect(readQcow2Header(readFileSync(files.pathsOf(want).disk))).toMatchObject({ virtualSizeBytes: 3 * 1024 ** 2 });
    expect(await files.basesInUse()).toEqual(new Set([want.image.sha512]));
  });

  (hasQemu ? it : it.skip)('refuses images that are too large, refer to other files, or are none', async () => {
    const make = (bytes: Buffer, diskGib = 1) => files.makeDisk(desired({ image: cached(bytes, 'qcow2'), diskGib }), never);
    await expect(make(qcow2('5G'))).rejects.toMatchObject({ code: 'disk-too-small', retry: 'never', message: expect.stringContaining('5 GiB') });
    writeFileSync(join(folder, 'b.qcow2'), qcow2('1M'));
    await expect(make(qcow2('-b', join(folder, 'b.qcow2'), '-F', 'qcow2', '1M'))).rejects.toMatchObject({ code: 'image-format', retry: 'never' });
    await expect(make(qcow2('-o', `data_file=${join(folder, 'd.raw')}`, '1M'))).rejects.toMatchObject({ code: 'image-format', retry: 'never' });
    await expect(make(Buffer.from('hello'))).rejects.toMatchObject({ code: 'image-format', retry: 'never' });
    expect(readdirSync(join(folder, 'instances', ID))).toEqual([]);
  });

  it('throws a damaged copy of an image away, to fetch it anew', async () => {
    const image = { ...cached(Buffer.from('garbled'), 'qcow2'), sha512: 'a'.repeat(128) };
    writeFileSync(join(folder, 'images', image.sha512), 'garbled');
    await expect(files.makeDisk(desired({ image }), never)).rejects.toMatchObject({ code: 'image-damaged', retry: 'counted' });
    expect(readdirSync(join(folder, 'images'))).not.toContain(image.sha512);
  });

  it('makes a config drive, and says why it cannot', async () => {
    await files.makeConfigDrive(desired());
    expect(readFileSync(join(folder, 'instances', ID, 'config.iso')).toString('latin1', 32_769, 32_774)).toBe('CD001');
    await expect(files.makeConfigDrive(desired({ configDrive: { '../x': '' } }))).rejects.toMatchObject({ code: 'config-drive', retry: 'never' });
  });

  it('reads the end of a log over its turn, and nothing when there is none', async () => {
    expect(await files.readLog(ID, 10)).toHaveLength(0);
    await files.makeConfigDrive(desired());
    const log = join(folder, 'instances', ID, 'serial.log');
    writeFileSync(`${log}.0`, '0123456789');
    appendFileSync(log, 'abc');
    expect(Buffer.from(await files.readLog(ID, 6)).toString()).toBe('789abc');
    expect(Buffer.from(await files.readLog(ID, 2)).toString()).toBe('bc');
  });

  it('removes everything, and again', async () => {
    await files.makeConfigDrive(desired());
    await files.remove(ID);
    await files.remove(ID);
    expect(await files.list()).toEqual(new Map());
    await expect(files.remove('../images')).rejects.toThrow(/not an instance id/);
  });
});
