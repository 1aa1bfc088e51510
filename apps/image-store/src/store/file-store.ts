import { constants, type Dirent } from 'node:fs';
import { mkdir, open, readdir, rename, stat, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { internalError, tooLarge } from '#libs/errors';
import { LIMITS } from '../limits.js';

const UUID = '[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}';
const FILE_NAME = new RegExp(`^(${UUID})\\.(${UUID})$`);
const LOCATION = new RegExp(`^[0-9a-f]{2}/${UUID}\\.${UUID}$`);
const INCOMING = 'incoming';

/** A file of the store, as a sweep finds it. */
export interface StoredFile { imageId: string; uploadId: string; path: string; location: string | undefined; ageMs: number }

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** The disk's own refusals in words for a tenant; others stay what they are. */
export function storageError(error: unknown): unknown {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return tooLarge('Image storage media is full: there is not enough space for this image.', { internal: String(error), cause: error });
  return error;
}

/**
 * Image bytes as files: `incoming/<image>.<upload>` while they arrive, `<first two digits>/<image>.<upload>` once they are complete and on disk.
 * A name is never used twice, so a reader never sees half a file and an overwritten one never appears.
 */
export class FileStore {
  private constructor(private readonly dir: string) {}

  /** The store of a folder, which is made when it is missing. */
  static async open(dir: string): Promise<FileStore> {
    await mkdir(join(dir, INCOMING), { recursive: true, mode: 0o700 });
    return new FileStore(dir);
  }

  async begin(imageId: string, uploadId: string): Promise<IncomingFile> {
    const name = `${imageId}.${uploadId}`;
    const path = join(this.dir, INCOMING, name);
    return new IncomingFile(await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600), path, this.dir, `${imageId.slice(0, 2)}/${name}`);
  }

  /** Bytes that may still be written: what is free, less the reserve. */
  async room(): Promise<number> {
    const fs = await statfs(this.dir);
    return fs.bavail * fs.bsize - Math.min(LIMITS.reserveBytes, (fs.blocks * fs.bsize) / 20);
  }

  /** The file of a location; it stays readable while it is open, even when the image is deleted meanwhile. */
  async read(location: string): Promise<FileHandle> {
    return open(this.pathOf(location), constants.O_RDONLY);
  }

  /** A file that is gone already is as good as removed. */
  async remove(location: string): Promise<void> {
    await removeFile(this.pathOf(location));
  }

  async removeFound(file: StoredFile): Promise<void> {
    await removeFile(file.path);
  }

  /** Every file of the store, folder by folder; other names are not ours and are left alone. */
  async *files(): AsyncGenerator<StoredFile> {
    for (const folder of await entries(this.dir)) {
      if (!folder.isDirectory() || !(folder.name === INCOMING || /^[0-9a-f]{2}$/.test(folder.name))) continue;
      for (const entry of await entries(join(this.dir, folder.name))) {
        const [, imageId, uploadId] = FILE_NAME.exec(entry.name) ?? [];
        if (!entry.isFile() || imageId === undefined || uploadId === undefined) continue;
        const path = join(this.dir, folder.name, entry.name);
        const info = await stat(path).catch(() => undefined);
        if (info === undefined) continue;
        yield { imageId, uploadId, path, location: folder.name === INCOMING ? undefined : `${folder.name}/${entry.name}`, ageMs: Date.now() - info.ctimeMs };
      }
    }
  }

  private pathOf(location: string): string {
    if (!LOCATION.test(location)) throw internalError(`not a location of this store: ${location}`);
    return join(this.dir, location);
  }
}

async function entries(dir: string): Promise<Dirent[]> {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => { if (codeOf(error) !== 'ENOENT') throw error; });
}

/** Bytes on their way in. Ends with keep() or discard(). */
export class IncomingFile {
  #flush: Promise<void> | undefined;
  #unflushed = 0;
  #lastWrite: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(private readonly handle: FileHandle, private readonly path: string, private readonly dir: string, readonly location: string) {}

  /** Writes all of `bytes` at `position`, after what was given before: the kernel lets one writer into a file, the others would spin. */
  write(bytes: Uint8Array, position: number): Promise<void> {
    this.#lastWrite = this.#lastWrite.then(() => this.#write(bytes, position));
    return this.#lastWrite;
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
    this.#unflushed += bytes.length;
    if (this.#unflushed < LIMITS.flushBytes || this.#flush !== undefined) return;
    this.#unflushed = 0;
    // Beside the next writes: the disk is busy while the network is.
    this.#flush = this.handle.datasync().catch((error: unknown) => { this.#failure = error; }).finally(() => { this.#flush = undefined; });
  }

  /** Makes the file durable under its final name. */
  async keep(): Promise<void> {
    await this.#flush;
    // A flush that failed once is not repeated by the kernel: what it lost stays lost.
    if (this.#failure !== undefined) throw this.#failure;
    await this.handle.sync();
    await this.handle.close();
    const target = join(this.dir, this.location);
    const folder = join(target, '..');
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    await rename(this.path, target);
    await syncFolder(folder);
    if (made !== undefined) await syncFolder(this.dir);
  }

  async discard(): Promise<void> {
    await this.#flush;
    await this.handle.close().catch(() => undefined);
    await removeFile(this.path);
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
