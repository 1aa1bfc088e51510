import { close, lstat, open, read, readdir, readlink } from 'node:fs';
import { basename } from 'node:path';
import { tryPciAddress } from '../address.js';
import type { PciAddress } from '../api.js';

// By callbacks: a bus of 512 functions takes thousands of these, and promises of node:fs cost several times as much.

/** Of a property that does not exist, is empty of sense, or went away meanwhile: null. All else is an error. */
export async function text(path: string): Promise<string | null> {
  return await ask((done) => {
    open(path, 'r', (failed, file) => {
      if (failed !== null) {
        done(failed);
        return;
      }
      // No property of sysfs is longer than a page; tables of /proc are read to their end.
      const parts: Buffer[] = [];
      const more = (): void => {
        read(file, Buffer.allocUnsafe(parts.length === 0 ? 4_096 : 65_536), (error, bytes, buffer) => {
          if (error === null && bytes > 0) {
            parts.push(buffer.subarray(0, bytes));
            // A short first part is all there is of a property.
            if (bytes === 4_096 || parts.length > 1) {
              more();
              return;
            }
          }
          close(file, () => { done(error, Buffer.concat(parts).toString('latin1').trim()); });
        });
      };
      more();
    });
  });
}

export async function target(path: string): Promise<string | null> {
  return await ask((done) => { readlink(path, done); });
}

/** The number of the object behind a link or folder, which no other has while it lives. */
export async function objectOf(path: string): Promise<number | null> {
  return await ask((done) => { lstat(path, (error, found) => { done(error, (found as typeof found | undefined)?.ino); }); });
}

/** In bytes; null: it is gone. */
export async function sizeOf(path: string): Promise<number | null> {
  return await ask((done) => { lstat(path, (error, found) => { done(error, (found as typeof found | undefined)?.size); }); });
}

/** The last part of where a link leads. */
export async function targetName(path: string): Promise<string | null> {
  const found = await target(path);
  return found === null ? null : basename(found);
}

export async function names(path: string): Promise<readonly string[]> {
  return await ask<string[]>((done) => { readdir(path, done); }) ?? [];
}

const GONE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENODEV', 'ENOTDIR', 'EINVAL', 'ENXIO', 'EIO', 'EOPNOTSUPP', 'ESRCH']);

function ask<T>(look: (done: (error: NodeJS.ErrnoException | null, value?: T) => void) => void): Promise<T | null> {
  return new Promise((resolve, reject) => {
    look((error, value) => {
      if (error === null) resolve(value ?? null);
      else if (GONE.has(error.code)) resolve(null);
      else reject(error);
    });
  });
}

/** Each of them, `limit` at once. */
export async function each<T, R>(items: readonly T[], limit: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as T);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** The PCI functions on a device's path, from the root down. */
export function functionsOn(path: string): readonly PciAddress[] {
  return path.split('/').flatMap((part) => tryPciAddress(part) ?? []);
}
