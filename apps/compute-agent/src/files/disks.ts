/**
 * One instance's root disks in its folder: overlays of ours on a cached base image.
 *
 * Owns: how each comes to be under its final name (made elsewhere, synced, renamed), and what may be removed. Never replaces a
 * disk, except by the one that was kept of before, which is then the same file under two names. A crash leaves at most a `.tmp`.
 */
import { link, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DesiredInstance } from '#libs/contracts';
import { isKept } from '../decide/build.js';
import { StepError } from '../errors.js';
import type { ImageCache } from '../images/cache.js';
import { LIMITS } from '../limits.js';
import { syncFolder } from './atomic.js';
import { diskName, disksIn, previousIn, previousName } from './disk-names.js';
import { QCOW2_FIRST_BYTES, QCOW2_HEADER_BYTES, readQcow2Header } from './qcow2.js';
import { runTool } from './tools.js';

export const GIB = 1024 ** 3;

/** The base image of a wish, here, and the size of the disk on it. @throws StepError */
export async function ensureBase(images: ImageCache, desired: DesiredInstance, signal: AbortSignal): Promise<{ base: string; format: 'qcow2' | 'raw'; diskBytes: number }> {
  const base = await images.ensure(desired.image, signal);
  const { format } = desired.image;
  if (format !== 'qcow2' && format !== 'raw') throw new StepError('unsupported', `This agent does not know the image format ${format}.`, 'never');
  const baseBytes = await virtualSize(base, format).catch(async (error: unknown) => {
    if (await images.dropIfDamaged(desired.image.sha512, signal)) throw new StepError('image-damaged', "This host's copy of the image was damaged; it is fetched again.", 'counted');
    throw error;
  });
  const wanted = desired.diskGib * GIB;
  if (wanted !== 0 && wanted < baseBytes) {
    throw new StepError('disk-too-small', `The image needs a disk of ${Math.ceil(baseBytes / GIB)} GiB; the flavor has ${desired.diskGib}.`, 'never');
  }
  return { base, format, diskBytes: Math.max(wanted, baseBytes) };
}

export async function makeDisk(at: string, images: ImageCache, desired: DesiredInstance, signal: AbortSignal): Promise<void> {
  const name = diskName(desired.diskGeneration);
  if ((await readdir(at)).includes(name)) return;
  const { base, format, diskBytes } = await ensureBase(images, desired, signal);
  const temporary = join(at, `${name}.tmp`);
  await rm(temporary, { force: true });
  await runTool('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', format, '-b', base, temporary, String(diskBytes)], { signal, code: 'make-disk' });
  await settleAs(at, temporary, name);
}

/** Larger, never smaller. */
export async function growDisk(path: string, desired: DesiredInstance, signal: AbortSignal): Promise<void> {
  const header = await headerOf(path);
  if (!header) throw new StepError('disk-damaged', 'The root disk is not the qcow2 file it was made as.', 'never');
  const wanted = desired.diskGib * GIB;
  if (wanted > header.virtualSizeBytes) await runTool('qemu-img', ['resize', '-q', '-f', 'qcow2', path, String(wanted)], { signal, code: 'grow-disk' });
}

/** Shares blocks where the file system can, copies elsewhere, and never takes the room that running guests need. */
export async function keepDisk(at: string, desired: DesiredInstance, signal: AbortSignal): Promise<void> {
  if (!desired.previous) return;
  const name = previousName(desired.previous.specGeneration);
  const names = await readdir(at);
  const newest = disksIn(names).at(-1);
  if (names.includes(name) || newest === undefined) return;
  const from = join(at, diskName(newest));
  const temporary = join(at, `${name}.tmp`);
  await rm(temporary, { force: true });
  try {
    await runTool('cp', ['--reflink=always', '--', from, temporary], { signal, code: 'keep-disk' }).catch(async (error: unknown) => {
      if (signal.aborted) throw error;
      const [{ blocks }, { bavail, bsize }] = await Promise.all([stat(from), statfs(at)]);
      const [needed, free] = [blocks * 512 + LIMITS.keepFreeBytes, bavail * bsize];
      if (needed > free) throw new StepError('no-space', `Keeping the disk as it was needs ${mib(needed)} MiB free on the host; ${mib(free)} are.`, 'counted');
      await rm(temporary, { force: true });
      await runTool('cp', ['--reflink=never', '--sparse=always', '--', from, temporary], { signal, code: 'keep-disk' });
    });
    await settleAs(at, temporary, name);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The kept disk under the disk's name; until it is dropped it has both, so that a repeat finds what it needs. */
export async function restoreDisk(at: string, desired: DesiredInstance): Promise<void> {
  if (!desired.previous) return;
  const name = diskName(desired.diskGeneration);
  const temporary = join(at, `${name}.tmp`);
  await rm(temporary, { force: true });
  await link(join(at, previousName(desired.previous.specGeneration)), temporary);
  await rename(temporary, join(at, name));
  await rm(temporary, { force: true }); // two names of one file: then rename does nothing
  await syncFolder(at);
}

export async function dropDisks(at: string, { diskGeneration }: DesiredInstance): Promise<void> {
  const disks = disksIn(await readdir(at));
  if (!disks.includes(diskGeneration)) return;
  for (const generation of disks) if (generation < diskGeneration) await rm(join(at, diskName(generation)), { force: true });
  await syncFolder(at);
}

export async function dropPrevious(at: string, desired: DesiredInstance): Promise<void> {
  for (const generation of previousIn(await readdir(at))) if (!isKept(desired, generation)) await rm(join(at, previousName(generation)), { force: true });
  await syncFolder(at);
}

/** Gives a finished file its name, for good. */
export async function settleAs(at: string, temporary: string, name: string): Promise<void> {
  const file = await open(temporary, 'r+');
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(at, name));
  await syncFolder(at);
}

async function virtualSize(path: string, format: 'qcow2' | 'raw'): Promise<number> {
  if (format === 'raw') return (await stat(path)).size;
  const header = await headerOf(path);
  if (!header) throw new StepError('image-format', 'The image is not the qcow2 file it is said to be.', 'never');
  // Nothing on this host may be read through an image that somebody uploaded.
  if (header.backingOffset !== 0 || header.externalData) throw new StepError('image-format', 'The image refers to other files, which is not allowed.', 'never');
  return header.virtualSizeBytes;
}

const headerOf = async (path: string) => readQcow2Header(await firstBytes(path, QCOW2_HEADER_BYTES));

export async function firstBytes(path: string, bytes = QCOW2_FIRST_BYTES): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const mib = (bytes: number): number => Math.ceil(bytes / 1024 ** 2);
