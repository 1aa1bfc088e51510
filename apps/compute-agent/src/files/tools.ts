import { execFile } from 'node:child_process';
import { constants, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StepError } from '../errors.js';

/** Runs one program without a shell, with the deadline and abort of `signal`. @throws StepError with the end of what it said */
export function runTool(program: string, args: readonly string[], options: { signal: AbortSignal; code: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { signal: options.signal, encoding: 'utf8', maxBuffer: 1024 * 1024 }, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else if (options.signal.aborted) reject(options.signal.reason as Error);
      else if ((error as NodeJS.ErrnoException).code === 'ENOENT') reject(new StepError(options.code, `${program} is not installed on this host.`, 'counted'));
      else reject(new StepError(options.code, `${program} failed: ${(stderr.trim() || error.message).split('\n').at(-1)?.slice(0, 300) ?? ''}`, 'counted', { cause: error }));
    });
  });
}

/**
 * How QEMU opens disks in `folder`: past the page cache where the file system can (guests' writes are then on disk
 * when they think so, and not cached twice), through it elsewhere (tmpfs, some overlays).
 */
export async function probeDiskCache(folder: string): Promise<'none' | 'writeback'> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `.direct-io-${process.pid}`);
  try {
    const file = await open(path, constants.O_CREAT | constants.O_WRONLY | constants.O_DIRECT, 0o600);
    await file.close();
    return 'none';
  } catch {
    return 'writeback';
  } finally {
    await rm(path, { force: true });
  }
}
