/**
 * Instances' files on this host: `<folder>/<id>/{disk.qcow2,config.iso,serial.log}`, and their base images through the cache.
 *
 * Owns: making them atomically (a name that is there is complete), removing them. Never replaces a disk, never removes
 * what it was not told to. A crash leaves at most a `.tmp` beside them, which counts as something left.
 */
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DesiredInstance } from '#libs/contracts';
import type { ObservedFiles } from '../decide/facts.js';
import type { DomainSpec } from '../domain-xml/spec.js';
import { StepError } from '../errors.js';
import type { InstanceFiles } from '../hypervisor/hypervisor.js';
import type { ImageCache } from '../images/cache.js';
import { writeIso } from '../iso9660/iso9660.js';
import { LIMITS } from '../limits.js';
import { syncFolder, writeAtomic } from './atomic.js';
import { QCOW2_HEADER_BYTES, readQcow2Header } from './qcow2.js';
import { runTool } from './tools.js';

const DISK = 'disk.qcow2';
const CONFIG_DRIVE = 'config.iso';
const SERIAL_LOG = 'serial.log';
const GIB = 1024 ** 3;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class LocalFiles implements InstanceFiles {
  constructor(private readonly folder: string, private readonly images: ImageCache) {}

  pathsOf = (desired: DesiredInstance): DomainSpec['files'] => {
    const at = this.#folderOf(desired.id);
    return { disk: join(at, DISK), base: this.images.pathOf(desired.image.sha512), configDrive: join(at, CONFIG_DRIVE), serialLog: join(at, SERIAL_LOG) };
  };

  async list(): Promise<ReadonlyMap<string, ObservedFiles>> {
    await mkdir(this.folder, { recursive: true, mode: 0o711 });
    const ids = (await readdir(this.folder)).filter((name) => UUID.test(name));
    const seen = await Promise.all(ids.map(async (id): Promise<[string, ObservedFiles] | null> => {
      const names = await namesIn(join(this.folder, id));
      return names && [id, { disk: names.includes(DISK), configDrive: names.includes(CONFIG_DRIVE), any: true }];
    }));
    return new Map(seen.filter((pair) => pair !== null));
  }

  async fetchImage(desired: DesiredInstance, signal: AbortSignal): Promise<void> {
    await this.images.ensure(desired.image, signal);
  }

  async makeDisk(desired: DesiredInstance, signal: AbortSignal): Promise<void> {
    const at = await this.#ensureFolder(desired.id);
    if ((await namesIn(at))?.includes(DISK)) return;
    const base = await this.images.ensure(desired.image, signal);
    const { format } = desired.image;
    if (format !== 'qcow2' && format !== 'raw') throw new StepError('unsupported', `This agent does not know the image format ${format}.`, 'never');
    const baseBytes = await virtualSize(base, format).catch(async (error: unknown) => {
      if (await this.images.dropIfDamaged(desired.image.sha512, signal)) throw new StepError('image-damaged', "This host's copy of the image was damaged; it is fetched again.", 'counted');
      throw error;
    });
    const wanted = desired.diskGib * GIB;
    if (wanted !== 0 && wanted < baseBytes) {
      throw new StepError('disk-too-small', `The image needs a disk of ${Math.ceil(baseBytes / GIB)} GiB; the flavor has ${desired.diskGib}.`, 'never');
    }
    const temporary = join(at, `${DISK}.tmp`);
    await rm(temporary, { force: true });
    await runTool('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', format, '-b', base, temporary, String(Math.max(wanted, baseBytes))], { signal, code: 'make-disk' });
    const file = await open(temporary, 'r+');
    try {
      await file.chmod(0o600);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(at, DISK));
    await syncFolder(at);
  }

  async makeConfigDrive(desired: DesiredInstance): Promise<void> {
    const at = await this.#ensureFolder(desired.id);
    let image: Uint8Array;
    try {
      image = writeIso('config-2', desired.configDrive);
    } catch (error) {
      throw new StepError('config-drive', `The config drive cannot be made: ${(error as Error).message}.`, 'never', { cause: error });
    }
    if (image.length > LIMITS.configDriveBytes) throw new StepError('config-drive', `The config drive would have ${image.length} bytes; at most ${LIMITS.configDriveBytes} are made.`, 'never');
    await writeAtomic(join(at, CONFIG_DRIVE), image, { durable: true, mode: 0o600 });
  }

  async remove(id: string): Promise<void> {
    await rm(this.#folderOf(id), { recursive: true, force: true });
    await syncFolder(this.folder).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  }

  async sizes(id: string): Promise<{ path: string; bytes: number }[]> {
    const at = this.#folderOf(id);
    const names = (await namesIn(at)) ?? [];
    const sized = await Promise.all(names.map(async (name) => {
      const found = await stat(join(at, name)).catch(() => null);
      return found && { path: join(at, name), bytes: found.blocks * 512 };
    }));
    return sized.filter((file) => file !== null);
  }

  async readLog(id: string, maxBytes: number): Promise<Uint8Array> {
    const serialLog = join(this.#folderOf(id), SERIAL_LOG);
    const newest = await tail(serialLog, maxBytes);
    if (newest.length >= maxBytes) return newest;
    // virtlogd turns a full log over to `.0` and goes on in an empty one.
    const before = await tail(`${serialLog}.0`, maxBytes - newest.length);
    return Buffer.concat([before, newest]);
  }

  async diskGib(): Promise<number> {
    await mkdir(this.folder, { recursive: true, mode: 0o711 });
    const { blocks, bsize } = await statfs(this.folder);
    return Math.floor((blocks * bsize) / GIB);
  }

  /** Checksums of base images that a disk here stands on: read from the disks themselves, whoever made them. */
  async basesInUse(): Promise<ReadonlySet<string>> {
    const used = new Set<string>();
    for (const id of await readdir(this.folder).catch(() => [])) {
      const backing = await backingOf(join(this.folder, id, DISK));
      if (backing) used.add(backing.slice(backing.lastIndexOf('/') + 1));
    }
    return used;
  }

  #folderOf(id: string): string {
    if (!UUID.test(id)) throw new Error(`not an instance id: ${id}`);
    return join(this.folder, id);
  }

  /** QEMU may run as another user: it must pass through, and gets its files handed over by libvirt. */
  async #ensureFolder(id: string): Promise<string> {
    const at = this.#folderOf(id);
    await mkdir(at, { recursive: true, mode: 0o711 });
    return at;
  }
}

async function namesIn(folder: string): Promise<string[] | null> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function virtualSize(path: string, format: 'qcow2' | 'raw'): Promise<number> {
  if (format === 'raw') return (await stat(path)).size;
  const file = await open(path, 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(QCOW2_HEADER_BYTES), 0, QCOW2_HEADER_BYTES, 0);
    const header = readQcow2Header(buffer);
    if (!header) throw new StepError('image-format', 'The image is not the qcow2 file it is said to be.', 'never');
    // Nothing on this host may be read through an image that somebody uploaded.
    if (header.backingOffset !== 0 || header.externalData) throw new StepError('image-format', 'The image refers to other files, which is not allowed.', 'never');
    return header.virtualSizeBytes;
  } finally {
    await file.close();
  }
}

async function backingOf(disk: string): Promise<string | null> {
  const file = await open(disk, 'r').catch(() => null);
  if (!file) return null;
  try {
    const { buffer } = await file.read(Buffer.alloc(QCOW2_HEADER_BYTES), 0, QCOW2_HEADER_BYTES, 0);
    const header = readQcow2Header(buffer);
    if (!header || header.backingOffset === 0 || header.backingBytes > 4096) return null;
    const name = Buffer.alloc(header.backingBytes);
    await file.read(name, 0, name.length, header.backingOffset);
    return name.toString('utf8');
  } finally {
    await file.close();
  }
}

async function tail(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (!file) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    const bytes = Math.min(size, maxBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, size - bytes);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
