import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, refOf, type ProcessRef } from '../supervisor/process.js';
import type { Home } from './home.js';
import { UpError } from './progress.js';

/**
 * One `up` or `down` at a time per home. A lock whose holder is gone is taken over. The file appears with its content
 * (a link), so nobody takes one that is being written for an abandoned one.
 */
export function lockHome(home: Pick<Home, 'dir' | 'run'>): () => void {
  const path = join(home.run, 'lock');
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, JSON.stringify(refOf(process.pid)), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        linkSync(mine, path);
        return () => rmSync(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        refuseIfHeld(home.dir, path);
        takeAway(path, `${mine}.old`);
      }
    }
  } finally {
    rmSync(mine, { force: true });
  }
  throw new UpError(`${path} cannot be taken.`, 'Try again.');
}

function refuseIfHeld(dir: string, path: string): void {
  const holder = readHolder(path);
  if (holder && isAlive(holder)) throw new UpError(`another up or down (pid ${holder.pid}) works on ${dir}.`, 'Wait for it to end.');
}

/** Removes an abandoned lock; what was taken away is looked at once more, for somebody else may have been faster. */
function takeAway(path: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const holder = readHolder(aside);
  if (holder && isAlive(holder)) linkSync(aside, path);
  rmSync(aside, { force: true });
}

function readHolder(path: string): ProcessRef | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessRef;
  } catch {
    return undefined;
  }
}
