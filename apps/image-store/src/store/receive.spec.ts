import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { tooLarge } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { FileStore, storageError } from './file-store.js';
import { Hashing } from './hashing.js';
import { receive, type Reception } from './receive.js';

const IMAGE = '0f0f0f0f-1111-4222-8333-444455556666';
let dir: string;
let store: FileStore;
const hashing = new Hashing();
let upload = 0;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skylite-receive-'));
  store = await FileStore.open(dir);
});
afterAll(async () => {
  hashing.close();
  await rm(dir, { recursive: true, force: true });
});

async function run(stream: Readable, change: Partial<Reception> = {}) {
  upload += 1;
  const file = await store.begin(IMAGE, `00000000-0000-4000-8000-${String(upload).padStart(12, '0')}`);
  const hash = hashing.begin();
  const heads: Uint8Array[] = [];
  try {
    const { sizeBytes } = await receive(stream, {
      file, hash, store: { room: () => Promise.resolve(Infinity) }, maxBytes: 1e9, slowWindowMs: 60_000, ownsChunks: false, signal: new AbortController().signal, onHead: (head) => { heads.push(head); }, ...change,
    });
    const digests = await hash.digest();
    await file.keep();
    const bytes = await readFile(join(dir, file.location));
    await store.remove(file.location);
    return { sizeBytes, digests, bytes, heads };
  } catch (error) {
    await file.discard();
    throw error;
  } finally {
    hash.end();
  }
}

/** Chunks of uneven sizes, as a network has them. */
function* pieces(data: Buffer, sizes: number[]): Generator<Buffer> {
  let at = 0;
  for (let i = 0; at < data.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield data.subarray(at, at + size);
    at += size;
  }
}

describe('receive', () => {
  it.each([0, 1, 100, LIMITS.headBytes - 1, LIMITS.headBytes, LIMITS.slabBytes, LIMITS.slabBytes + 1, 7 * LIMITS.slabBytes + 12_345])('stores and hashes %d bytes', async (size) => {
    const data = randomBytes(size);
    const { sizeBytes, digests, bytes, heads } = await run(Readable.from(pieces(data, [65_536, 1, 3_000_000, 17])));
    expect(sizeBytes).toBe(size);
    expect(bytes.equals(data)).toBe(true);
    expect(digests).toEqual({ md5: createHash('md5').update(data).digest('hex'), sha512: createHash('sha512').update(data).digest('hex') });
    if (size > 0) expect(heads).toHaveLength(1);
    if (size > 0) expect(Buffer.from(heads[0] ?? []).equals(data.subarray(0, LIMITS.headBytes))).toBe(true);
  });

  it('keeps several uploads apart', async () => {
    const all = Array.from({ length: 5 }, () => randomBytes(2_500_000));
    const results = await Promise.all(all.map((data) => run(Readable.from(pieces(data, [70_001])))));
    results.forEach((result, i) => expect(result.digests.md5).toBe(createHash('md5').update(all[i] ?? '').digest('hex')));
  });

  it('stops at the limit and leaves nothing', async () => {
    await expect(run(Readable.from(pieces(randomBytes(200_000), [1000])), { maxBytes: 100_000 })).rejects.toThrow('larger than the 100000 bytes');
    expect(await readdir(join(dir, 'incoming'))).toEqual([]);
  });

  it('stops when the head is refused, and does not destroy the stream', async () => {
    const stream = new PassThrough();
    stream.write(randomBytes(LIMITS.headBytes));
    await expect(run(stream, { onHead: () => { throw tooLarge('no'); } })).rejects.toThrow('no');
    expect(stream.destroyed).toBe(false);
  });

  it('ends when the client goes away, with whatever it says last', async () => {
    const stream = new PassThrough();
    stream.write(randomBytes(10));
    const result = run(stream);
    // Not before it listens: until then, a stream's error belongs to its owner.
    await once(stream, 'resume');
    stream.destroy(new Error('aborted'));
    await expect(result).rejects.toThrow('broken off');
  });

  it('ends when it is told to', async () => {
    const controller = new AbortController();
    const result = run(new PassThrough(), { signal: controller.signal });
    controller.abort(tooLarge('enough'));
    await expect(result).rejects.toThrow('enough');
  });

  it('does not wait for a client that sends next to nothing', async () => {
    await expect(run(new PassThrough(), { slowWindowMs: 20 })).rejects.toThrow('too slow');
  });

  it('refuses when the reserve of the disk is reached', async () => {
    const failure = await run(Readable.from(pieces(Buffer.alloc(LIMITS.spaceCheckBytes + 1), [1 << 20])), { store: { room: () => Promise.resolve(10) } }).catch((error: unknown) => storageError(error));
    expect(failure).toMatchObject({ kind: 'too-large', message: expect.stringContaining('storage media is full') });
  });
});

describe('FileStore', () => {
  it('reads no other files than its own', async () => {
    await expect(store.read('../etc/passwd')).rejects.toMatchObject({ kind: 'internal' });
    await expect(store.remove('aa/../../x')).rejects.toMatchObject({ kind: 'internal' });
  });
});
