import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, refOf, type ProcessRef } from '../supervisor/process.js';
import type { Home } from './home.js';
import { UpError } from './progress.js';

/** One `up` or `down` at a time per home. A lock whose holder is gone is taken over. */
export function lockHome(home: Home): () => void {
  const path = join(home.run, 'lock');
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = openSync(path, 'wx', 0o600);
      writeSync(file, JSON.stringify(refOf(process.pid)));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = readHolder(path);
      if (holder && isAlive(holder)) throw new UpError(`another up or down (pid ${holder.pid}) works on ${home.dir}.`, 'Wait for it to end.');
      rmSync(path, { force: true });
    }
  }
  throw new UpError(`${path} cannot be taken.`, 'Try again.');
}

function readHolder(path: string): ProcessRef | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessRef;
  } catch {
    return undefined;
  }
}
