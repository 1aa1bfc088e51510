import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StepError } from '../errors.js';
import { ImageCache, type ImageCacheOptions, type WantedImage } from './cache.js';

const BYTES = randomBytes(300_000);
const IMAGE: WantedImage = { id: 'i', sha512: createHash('sha512').update(BYTES).digest('hex'), sizeBytes: BYTES.length };
let folder: string;
let server: Server;
let url: string;
let asked: (string | undefined)[];
let behave: { cutAt?: number; bytes?: Buffer; status?: number; hang?: boolean; ignoreRange?: boolean };
let inUse: Set<string>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cache-'));
  [asked, behave, inUse] = [[], {}, new Set()];
  server = createServer((request, response) => {
    asked.push(request.headers.range);
    const bytes = behave.bytes ?? BYTES;
    const from = behave.ignoreRange ? 0 : Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(behave.status ?? (from > 0 ? 206 : 200), from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {});
    if (behave.hang) return void response.write(bytes.subarray(from, from + 1000));
    if (behave.cutAt !== undefined) return void response.write(bytes.subarray(from, behave.cutAt), () => {
      // Not before something of it is there.
      const look = (): void => { if ((statSync(`${path()}.part`, { throwIfNoEntry: false })?.size ?? 0) > 0) response.destroy(); else setTimeout(look, 5); };
      look();
    });
    response.end(bytes.subarray(from));
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => { server.close(resolve); });
  rmSync(folder, { recursive: true, force: true });
});

const cache = (change: Partial<ImageCacheOptions> = {}): ImageCache => new ImageCache({ folder, urlOf: async () => ({ url, sha512: IMAGE.sha512 }), inUse: async () => inUse, keepFreeBytes: 0, idleMs: 60_000, ...change });
const never = new AbortController().signal;
const path = (): string => join(folder, IMAGE.sha512);
const failure = (work: Promise<unknown>): Promise<{ code: string; retry: string }> => work.then(() => { throw new Error('it did not fail'); }, (error: unknown) => {
  if (!(error instanceof StepError)) throw error;
  return { code: error.code, retry: error.retry };
});

describe('ImageCache', () => {
  it('downloads once for all who ask, and never again', async () => {
    const images = cache();
    expect(await images.has(IMAGE)).toBe(false);
    expect(await Promise.all([1, 2, 3].map(() => images.ensure(IMAGE, never)))).toEqual([path(), path(), path()]);
    expect(readFileSync(path()).equals(BYTES)).toBe(true);
    expect([await images.has(IMAGE), await images.has({ ...IMAGE, sha512: '../x' })]).toEqual([true, false]);
    await cache().ensure(IMAGE, never);
    expect(asked).toEqual([undefined]);
    expect(readdirSync(folder)).toEqual([IMAGE.sha512]);
  });

  it('goes on from what is here, also after a crash', async () => {
    behave = { cutAt: 100_000 };
    expect(await failure(cache().ensure(IMAGE, never))).toEqual({ code: 'image-unreachable', retry: 'free' });
    behave = {};
    await cache().ensure(IMAGE, never);
    expect(asked[1]).toMatch(/^bytes=\d+-$/);
    expect(readFileSync(path()).equals(BYTES)).toBe(true);
  });

  it('starts over where the server does, and needs no server when all bytes are here', async () => {
    writeFileSync(`${path()}.part`, BYTES.subarray(0, 5000));
    behave = { ignoreRange: true };
    await cache().ensure(IMAGE, never);
    expect(readFileSync(path()).equals(BYTES)).toBe(true);
    rmSync(path());
    writeFileSync(`${path()}.part`, BYTES);
    await cache().ensure(IMAGE, never);
    expect(asked).toHaveLength(1);
  });

  it('takes wrong bytes for final only when they all came now', async () => {
    writeFileSync(`${path()}.part`, Buffer.alloc(5000));
    expect(await failure(cache().ensure(IMAGE, never))).toEqual({ code: 'image-resume', retry: 'counted' });
    await cache().ensure(IMAGE, never);
    rmSync(path());
    behave = { bytes: Buffer.alloc(BYTES.length) };
    expect(await failure(cache().ensure(IMAGE, never))).toEqual({ code: 'image-checksum', retry: 'never' });
    expect(readdirSync(folder)).toEqual([]);
    behave = { bytes: Buffer.concat([BYTES, BYTES]) };
    expect(await failure(cache().ensure(IMAGE, never))).toEqual({ code: 'image-checksum', retry: 'never' });
    expect(await failure(cache({ urlOf: async () => ({ url, sha512: 'c'.repeat(128) }) }).ensure(IMAGE, never))).toEqual({ code: 'image-changed', retry: 'never' });
  });

  it('tells unreachable from refused', async () => {
    behave = { hang: true };
    expect(await failure(cache({ idleMs: 200 }).ensure(IMAGE, never))).toEqual({ code: 'image-unreachable', retry: 'free' });
    behave = { status: 503 };
    expect(await failure(cache().ensure(IMAGE, never))).toEqual({ code: 'image-download', retry: 'free' });
    behave = { status: 403 };
    expect(await failure(cache().ensure(IMAGE, never))).toEqual({ code: 'image-download', retry: 'counted' });
    server.closeAllConnections();
    expect(await failure(cache({ urlOf: async () => ({ url: 'http://127.0.0.1:1/', sha512: IMAGE.sha512 }) }).ensure(IMAGE, never))).toEqual({ code: 'image-unreachable', retry: 'free' });
  });

  it('lets one waiter go without breaking the download, and breaks it off when all go', async () => {
    const [one, two] = [new AbortController(), new AbortController()];
    behave = { hang: true };
    const images = cache();
    const waits = [images.ensure(IMAGE, one.signal), images.ensure(IMAGE, two.signal)].map((wait) => wait.then(() => 'here', (error: Error) => error.message));
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    one.abort(new Error('changed my mind'));
    expect(await waits[0]).toBe('changed my mind');
    two.abort(new Error('me too'));
    expect(await waits[1]).toBe('me too');
    behave = {};
    await new Promise((resolve) => { setTimeout(resolve, 20); });
    await images.ensure(IMAGE, never);
    expect(readFileSync(path()).equals(BYTES)).toBe(true);
  });

  it('drops unused images when room is short, and says what is missing', async () => {
    mkdirSync(folder, { recursive: true });
    const [unused, used] = ['d'.repeat(128), 'e'.repeat(128)];
    for (const name of [unused, used]) writeFileSync(join(folder, name), 'x');
    inUse.add(used);
    const { bavail, bsize } = statfsSync(folder);
    expect(await failure(cache({ keepFreeBytes: bavail * bsize * 2 }).ensure(IMAGE, never))).toEqual({ code: 'no-space', retry: 'counted' });
    expect([unused, used].map((name) => existsSync(join(folder, name)))).toEqual([false, true]);
    expect(asked).toEqual([]);
  });
});
