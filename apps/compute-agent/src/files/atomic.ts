import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces a file as a whole: whoever reads sees the old or the new content, also after a power cut when `durable`.
 * @param mode permissions of the file
 */
export async function writeAtomic(path: string, content: string | Uint8Array, options: { durable: boolean; mode: number }): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', options.mode);
  try {
    await file.writeFile(content);
    if (options.durable) await file.sync();
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await file.close();
  await rename(temporary, path);
  if (options.durable) await syncFolder(dirname(path));
}

/** Makes names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
