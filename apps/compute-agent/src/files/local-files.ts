/**
 * Instances' files on this host: `<folder>/<id>/{disk*.qcow2,config.iso,serial.log}`, and their base images through the cache.
 *
 * Owns: making them atomically (a name that is there is complete), removing them. Never removes what it
 * was not told to. A crash leaves at most a `.tmp` or `.part` beside them, which counts as something left.
 */
import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DesiredInstance } from '#libs/contracts';
import type { ObservedFiles } from '../decide/facts.js';
import type { DomainSpec } from '../domain-xml/spec.js';
import { StepError } from '../errors.js';
import type { InstanceFiles } from '../hypervisor/hypervisor.js';
import type { ImageCache } from '../images/cache.js';
import { writeIso } from '../iso9660/iso9660.js';
import { LIMITS } from '../limits.js';
import { Slots } from '../parallel.js';
import { syncFolder, writeAtomic } from './atomic.js';
import { configDriveFiles } from './config-drive.js';
import { diskName, disksIn, previousIn } from './disk-names.js';
import { dropDisks, dropPrevious, firstBytes, GIB, growDisk, keepDisk, makeDisk, restoreDisk } from './disks.js';
import { readReferences } from './qcow2.js';
import { receiveDisk, type DiskTransfers } from './receive-disk.js';

const CONFIG_DRIVE = 'config.iso';
const SERIAL_LOG = 'serial.log';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class LocalFiles implements InstanceFiles {
  readonly #receives = new Slots(LIMITS.diskReceives);

  /** @param transfers where disks of other hosts come from; absent: from nowhere */
  constructor(private readonly folder: string, private readonly images: ImageCache, private readonly transfers?: DiskTransfers) {}

  pathsOf = (desired: DesiredInstance): DomainSpec['files'] => {
    const at = this.#folderOf(desired.id);
    return { disk: join(at, diskName(desired.diskGeneration)), base: this.images.pathOf(desired.image.sha512), configDrive: join(at, CONFIG_DRIVE), serialLog: join(at, SERIAL_LOG) };
  };

  diskPath = (id: string, diskGeneration: number): string => join(this.#folderOf(id), diskName(diskGeneration));

  async list(): Promise<ReadonlyMap<string, ObservedFiles>> {
    await mkdir(this.folder, { recursive: true, mode: 0o711 });
    const ids = (await readdir(this.folder)).filter((name) => UUID.test(name));
    const seen = await Promise.all(ids.map(async (id): Promise<[string, ObservedFiles] | null> => {
      const names = await namesIn(join(this.folder, id));
      return names && [id, { disks: disksIn(names), previous: previousIn(names), configDrive: names.includes(CONFIG_DRIVE), any: true }];
    }));
    return new Map(seen.filter((pair) => pair !== null));
  }

  /** What an agent was killed over while it made it: a copy of a disk may be as large as the disk. Only before anything is made. */
  async dropHalves(ids: Iterable<string>): Promise<void> {
    for (const id of ids) {
      const at = this.#folderOf(id);
      for (const name of (await namesIn(at)) ?? []) if (name.endsWith('.tmp')) await rm(join(at, name), { force: true });
    }
  }

  hasImage = (desired: DesiredInstance): Promise<boolean> => this.images.has(desired.image);

  cachedImages = (): Promise<string[]> => this.images.list();

  async fetchImage(desired: DesiredInstance, signal: AbortSignal): Promise<void> {
    await this.images.ensure(desired.image, signal);
  }

  async makeDisk(desired: DesiredInstance, signal: AbortSignal): Promise<void> {
    await makeDisk(await this.#ensureFolder(desired.id), this.images, desired, signal);
  }

  async receiveDisk(desired: DesiredInstance, signal: AbortSignal): Promise<void> {
    if (!this.transfers) throw new StepError('unsupported', 'This host takes no disks from others.', 'never');
    const { images, transfers } = this;
    await this.#receives.run(signal, async () => receiveDisk(await this.#ensureFolder(desired.id), { images, transfers, desired, signal }));
  }

  growDisk = (desired: DesiredInstance, signal: AbortSignal): Promise<void> => growDisk(this.pathsOf(desired).disk, desired, signal);
  keepDisk = (desired: DesiredInstance, signal: AbortSignal): Promise<void> => keepDisk(this.#folderOf(desired.id), desired, signal);
  restoreDisk = (desired: DesiredInstance): Promise<void> => restoreDisk(this.#folderOf(desired.id), desired);
  dropDisks = (desired: DesiredInstance): Promise<void> => dropDisks(this.#folderOf(desired.id), desired);
  dropPrevious = (desired: DesiredInstance): Promise<void> => dropPrevious(this.#folderOf(desired.id), desired);

  async makeConfigDrive(desired: DesiredInstance): Promise<void> {
    const at = await this.#ensureFolder(desired.id);
    let image: Uint8Array;
    try {
      image = writeIso('config-2', configDriveFiles(desired));
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
    for (const id of (await namesIn(this.folder)) ?? []) {
      for (const name of (await namesIn(join(this.folder, id))) ?? []) {
        const backing = name.includes('.qcow2') ? await backingOf(join(this.folder, id, name)) : null;
        if (backing) used.add(backing.slice(backing.lastIndexOf('/') + 1));
      }
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
    // A disk that was synced in a folder that a power cut takes back would be lost with it.
    if ((await mkdir(at, { recursive: true, mode: 0o711 })) !== undefined) await syncFolder(this.folder);
    return at;
  }
}

async function namesIn(folder: string): Promise<string[] | null> {
  try {
    return await readdir(folder);
  } catch (error) {
    // Gone meanwhile, or no folder and so no instance's: one stray file must not blind the host.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

async function backingOf(disk: string): Promise<string | null> {
  // What cannot be read now may stand on anything: then no base is dropped at all.
  const bytes = await firstBytes(disk).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return null;
  });
  return bytes && (readReferences(bytes)?.backing ?? null);
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
