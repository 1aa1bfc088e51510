/**
 * A lock between processes that the kernel gives back by itself: flock(1) holds it for as long as its stdin, a pipe from
 * us, stays open. A holder killed at any moment therefore never leaves a stale lock behind.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Runs `work` while holding the lock file; waits for another holder, telling `onWait` once.
 * @template T
 * @param {string} path lock file; created when missing, never removed
 * @param {() => Promise<T>} work
 * @param {() => void} [onWait]
 * @returns {Promise<T>}
 */
export async function withFileLock(path, work, onWait = () => {}) {
  await mkdir(dirname(path), { recursive: true });
  const release = await acquire(path, onWait);
  try {
    return await work();
  } finally {
    await release();
  }
}

function acquire(path, onWait) {
  return new Promise((resolve, reject) => {
    const holder = spawn('flock', ['--exclusive', path, 'sh', '-c', 'echo held; exec cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const ended = new Promise((done) => holder.once('close', done));
    const waiting = setTimeout(onWait, 500);
    // Not an endless wait: whoever waits here is itself waited for under its own deadline.
    holder.once('error', (error) => reject(new Error(`flock cannot be started (${error.code}): install util-linux`)));
    holder.once('close', () => reject(new Error(`lock ${path} cannot be taken: is its folder writable?`)));
    holder.stdout.once('data', () => {
      clearTimeout(waiting);
      resolve(() => {
        holder.stdin.end();
        return ended;
      });
    });
    ended.then(() => clearTimeout(waiting));
  });
}
