/**
 * A disk that comes from another host, through the cloud's door: fetched, verified, put onto this host's own base image.
 *
 * Owns: what a foreign disk must look like before any tool opens it. A source that lies can give a guest wrong content, which is
 * its own guest's anyway, but can make this host open no other file. A crash leaves a `.part` from which the next try goes on.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DesiredInstance } from '#libs/contracts';
import { StepError } from '../errors.js';
import type { ImageCache } from '../images/cache.js';
import { LIMITS } from '../limits.js';
import { diskName } from './disk-names.js';
import { ensureBase, firstBytes, GIB, settleAs } from './disks.js';
import { readQcow2Header, readReferences } from './qcow2.js';
import { runTool } from './tools.js';

/** Bytes of the whole file's SHA-512, which follow its last byte. */
export const DIGEST_BYTES = 64;

export interface IncomingDisk {
  /** Size of the whole file, without the digest. */
  readonly sizeBytes: number;
  /** Bytes from the asked offset on, then the digest of the whole file. Throws StepError. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Where a disk comes from. Throws StepError: `free` while its source is away. */
export interface DiskTransfers {
  open(transfer: { transferId: string; key: string; imageId: string; offset: number; signal: AbortSignal }): Promise<IncomingDisk>;
}

export async function receiveDisk(at: string, { images, transfers, desired, signal }: { images: ImageCache; transfers: DiskTransfers; desired: DesiredInstance; signal: AbortSignal }): Promise<void> {
  const name = diskName(desired.diskGeneration);
  const names = await readdir(at);
  if (names.includes(name) || !desired.diskFrom) return;
  const { base, format, diskBytes } = await ensureBase(images, desired, signal);
  const { transferId, key } = desired.diskFrom;
  for (const other of names) if (/\.(part|tmp)$/.test(other) && !other.includes(transferId)) await rm(join(at, other), { force: true });
  const part = join(at, `${name}.${transferId}.part`);
  await download(part, { transfers, transferId, key, imageId: desired.image.id, signal });
  // Verified as a whole: from here on it is ours. Its references are those of its source, so no tool may follow them.
  try {
    await checkForeign(part, { sha512: desired.image.sha512, format, atMostBytes: diskBytes });
    await runTool('qemu-img', ['rebase', '-u', '-q', '-f', 'qcow2', '-F', format, '-b', base, part], { signal, code: 'receive-disk' });
    const references = readReferences(await firstBytes(part));
    if (references?.backing !== base || references.backingFormat !== format || references.dataFile) throw new StepError('disk-foreign', 'The received disk could not be put onto the base image of this host.', 'never');
    const header = readQcow2Header(await firstBytes(part));
    if (header && header.virtualSizeBytes < diskBytes) await runTool('qemu-img', ['resize', '-q', '-f', 'qcow2', part, String(diskBytes)], { signal, code: 'receive-disk' });
  } catch (error) {
    // Half changed, it is no part of anything any more.
    await rm(part, { force: true });
    throw error;
  }
  await settleAs(at, part, name);
}

/** Fills the part; when it returns, its bytes are what the source's digest says. */
async function download(part: string, from: { transfers: DiskTransfers; transferId: string; key: string; imageId: string; signal: AbortSignal }): Promise<void> {
  const { transfers, signal, ...rest } = from;
  const offset = (await stat(part).catch(() => null))?.size ?? 0;
  // Before anybody is asked: a part of many GiB takes longer to read than a connection may be silent.
  const hash = createHash('sha512');
  if (offset > 0) await hashInto(part, hash, signal);
  const { sizeBytes, chunks } = await transfers.open({ ...rest, offset, signal }).catch(async (error: unknown) => {
    // More is here than there is to be had: it was cut off while it was made ours, or is of another disk.
    if (error instanceof StepError && error.code === 'disk-range') await rm(part, { force: true });
    throw error;
  });
  if (sizeBytes < offset) {
    await rm(part, { force: true });
    throw new StepError('disk-transfer', 'The disk at its source is smaller than what was received of it; it is fetched again.', 'counted');
  }
  const { bavail, bsize } = await statfs(join(part, '..'));
  const needed = sizeBytes - offset + LIMITS.keepFreeBytes;
  if (needed > bavail * bsize) throw new StepError('no-space', `The disk needs ${Math.ceil(needed / 1024 ** 2)} MiB free on this host; ${Math.floor((bavail * bsize) / 1024 ** 2)} are.`, 'counted');
  const tail: Buffer[] = [];
  let [written, tailBytes] = [offset, 0];
  const file = await open(part, offset === 0 ? 'w' : 'r+', 0o600);
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      const content = chunk.subarray(0, Math.max(0, sizeBytes - written));
      if (content.length > 0) {
        await file.write(content, 0, content.length, written);
        hash.update(content);
        written += content.length;
      }
      if (chunk.length > content.length) {
        tail.push(Buffer.from(chunk.subarray(content.length)));
        tailBytes += chunk.length - content.length;
        if (tailBytes > DIGEST_BYTES) break;
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (written < sizeBytes || tailBytes < DIGEST_BYTES) throw new StepError('disk-source-away', `The transfer of the disk ended after ${written} of ${sizeBytes} bytes; it goes on from there.`, 'free');
  if (tailBytes > DIGEST_BYTES || !Buffer.concat(tail).equals(hash.digest())) {
    await rm(part, { force: true });
    throw new StepError('disk-checksum', 'The bytes of the disk do not match their checksum; it is fetched again.', 'counted');
  }
}

/** Before any tool opens it: an overlay on the very image it must stand on, that names no other file. @throws StepError */
async function checkForeign(part: string, expected: { sha512: string; format: string; atMostBytes: number }): Promise<void> {
  const refuse = (why: string): never => { throw new StepError('disk-foreign', `The received disk is refused: ${why}.`, 'never'); };
  const bytes = await firstBytes(part);
  const header = readQcow2Header(bytes);
  const references = readReferences(bytes);
  if (!header || !references) return refuse('it is not a qcow2 file as hosts make them');
  if (header.incompatibleFeatures !== 0n || header.encrypted || references.dataFile) return refuse('it has features that no disk of a host has');
  if (references.backing === null || basename(references.backing) !== expected.sha512) return refuse("it does not stand on the server's image");
  if (references.backingFormat !== expected.format) return refuse(`its base is said to be ${references.backingFormat ?? 'of no format'} and is ${expected.format}`);
  if (header.virtualSizeBytes > expected.atMostBytes) return refuse(`it has ${Math.ceil(header.virtualSizeBytes / GIB)} GiB, more than the flavor gives`);
}

async function hashInto(path: string, hash: Hash, signal: AbortSignal): Promise<void> {
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
}
