/**
 * Base images of this host, named by the SHA-512 of their bytes.
 *
 * Owns: getting each once, checked byte by byte, whole or not at all; making room by dropping those that no disk stands
 * on. Never trusts a name, a size or a resumed part: the checksum of everything decides. A crash leaves a `.part`, which
 * the next try goes on from.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { syncFolder } from '../files/atomic.js';
import { StepError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { Slots } from '../parallel.js';
import { fetchBytes } from './fetch-bytes.js';

export interface WantedImage { readonly id: string; readonly sha512: string; readonly sizeBytes: number }

export interface ImageCacheOptions {
  readonly folder: string;
  /** A fresh URL for one image's bytes. @throws StepError */
  urlOf(imageId: string): Promise<{ url: string; sha512: string }>;
  /** Checksums that must stay: disks stand on them, or soon will. */
  inUse(): Promise<ReadonlySet<string>>;
  readonly keepFreeBytes?: number;
  readonly idleMs?: number;
}

interface Download { readonly done: Promise<void>; readonly abort: AbortController; waiting: number }

const SHA512 = /^[0-9a-f]{128}$/;

export class ImageCache {
  readonly #options: ImageCacheOptions;
  readonly #downloads = new Map<string, Download>();
  readonly #slots = new Slots(LIMITS.downloads);

  constructor(options: ImageCacheOptions) { this.#options = options; }

  /** Where an image is, or will be. */
  pathOf(sha512: string): string { return join(this.#options.folder, sha512); }

  /** Checksums of those that are here, whole and checked. */
  async list(): Promise<string[]> {
    return (await readdir(this.#options.folder).catch(() => [])).filter((name) => SHA512.test(name)).sort();
  }

  /** It is here, whole and checked. */
  async has({ sha512 }: WantedImage): Promise<boolean> {
    return SHA512.test(sha512) && (await sizeOf(this.pathOf(sha512))) !== null;
  }

  /**
   * The image's path, once it is here. Everyone who wants the same image waits for one download; it is broken off when
   * nobody waits any more.
   */
  async ensure(image: WantedImage, signal: AbortSignal): Promise<string> {
    if (!SHA512.test(image.sha512)) throw new StepError('image-checksum', 'The image has no SHA-512 checksum.', 'never');
    const path = this.pathOf(image.sha512);
    if ((await sizeOf(path)) !== null) return path;
    let download = this.#downloads.get(image.sha512);
    if (!download) {
      const abort = new AbortController();
      const done = this.#slots.run(abort.signal, () => this.#download(image, path, abort.signal)).finally(() => this.#downloads.delete(image.sha512));
      done.catch(() => undefined); // whoever still waits is told below
      download = { done, abort, waiting: 0 };
      this.#downloads.set(image.sha512, download);
    }
    download.waiting += 1;
    try {
      await untilAborted(download.done, signal);
    } finally {
      download.waiting -= 1;
      if (download.waiting === 0) download.abort.abort(new Error('nobody waits for this image any more'));
    }
    return path;
  }

  /** A file can go bad after it was verified. Looked at only when it made trouble: hashing takes its time. */
  async dropIfDamaged(sha512: string, signal: AbortSignal): Promise<boolean> {
    const path = this.pathOf(sha512);
    const hash = createHash('sha512');
    await hashFile(path, hash, signal);
    if (hash.digest('hex') === sha512) return false;
    await rm(path, { force: true });
    return true;
  }

  async #download(image: WantedImage, path: string, signal: AbortSignal): Promise<void> {
    await mkdir(this.#options.folder, { recursive: true, mode: 0o711 });
    if ((await sizeOf(path)) !== null) return;
    const { url, sha512 } = await this.#options.urlOf(image.id);
    if (sha512 !== image.sha512) throw new StepError('image-changed', 'The image is not the one this server was asked for with.', 'never');
    const part = `${path}.part`;
    let have = (await sizeOf(part)) ?? 0;
    if (have > image.sizeBytes) have = 0;
    await this.#makeRoom(image.sizeBytes - have, image.sha512);
    const resumed = have > 0;
    const hash = createHash('sha512');
    if (resumed) await hashFile(part, hash, signal);
    // All bytes may be here already, from a try that ended between the last byte and the name.
    const ended = have === image.sizeBytes ? hash.digest('hex') : await this.#append(part, { url, have, hash, image, signal });
    if (ended !== image.sha512) {
      await rm(part, { force: true });
      // What lay here from before may have been bad; only bytes that all came now speak against the image.
      if (resumed) throw new StepError('image-resume', 'A resumed download did not match; it starts again.', 'counted');
      throw new StepError('image-checksum', 'The bytes of the image do not match its checksum.', 'never');
    }
    await rename(part, path);
    await syncFolder(this.#options.folder);
  }

  /** @returns the checksum of the whole part */
  async #append(part: string, from: { url: string; have: number; hash: Hash; image: WantedImage; signal: AbortSignal }): Promise<string> {
    const { image, signal } = from;
    const bytes = await fetchBytes(from.url, { offset: from.have, signal, idleMs: this.#options.idleMs ?? LIMITS.downloadIdleMs });
    const hash = bytes.offset === from.have ? from.hash : createHash('sha512');
    let at = bytes.offset;
    const file = await open(part, bytes.offset === 0 ? 'w' : 'r+', 0o644);
    try {
      for await (const chunk of bytes.chunks) {
        if (at + chunk.length > image.sizeBytes) throw new StepError('image-checksum', `The image has more than its ${image.sizeBytes} bytes.`, 'never');
        await file.write(chunk, 0, chunk.length, at);
        hash.update(chunk);
        at += chunk.length;
      }
      if (at < image.sizeBytes) throw new StepError('image-download', `The download ended after ${at} of ${image.sizeBytes} bytes.`, 'counted');
      await file.sync();
    } finally {
      await file.close();
    }
    return hash.digest('hex');
  }

  async #makeRoom(bytes: number, wanted: string): Promise<void> {
    const needed = bytes + (this.#options.keepFreeBytes ?? LIMITS.keepFreeBytes);
    if ((await this.#free()) >= needed) return;
    const used = await this.#options.inUse();
    for (const name of await readdir(this.#options.folder)) {
      const sha512 = name.replace(/\.part$/, '');
      if (!SHA512.test(sha512) || sha512 === wanted || used.has(sha512) || this.#downloads.has(sha512)) continue;
      await rm(join(this.#options.folder, name), { force: true });
      if ((await this.#free()) >= needed) return;
    }
    const mib = (amount: number): number => Math.ceil(amount / 1024 ** 2);
    throw new StepError('no-space', `The image needs ${mib(needed)} MiB free in ${this.#options.folder}; ${mib(await this.#free())} are.`, 'counted');
  }

  async #free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#options.folder);
    return bavail * bsize;
  }
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function hashFile(path: string, hash: Hash, signal: AbortSignal): Promise<void> {
  await pipeline(createReadStream(path), async function (source) {
    for await (const chunk of source) hash.update(chunk as Buffer);
  }, { signal });
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
