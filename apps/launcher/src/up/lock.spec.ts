import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { refOf } from '../supervisor/process.js';
import { lockHome } from './lock.js';

describe("the home's lock", () => {
  let dir: string;
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'skylite-lock-')); });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const lock = (): (() => void) => lockHome({ dir, run: dir });

  it('is held by one, given back, and leaves nothing behind', () => {
    const unlock = lock();
    expect(lock).toThrow(/another up or down \(pid \d+\)/);
    expect(readdirSync(dir)).toEqual(['lock']);
    unlock();
    lock()();
    expect(readdirSync(dir)).toEqual([]);
  });

  it.each([
    ['another boot', { ...refOf(process.pid), bootId: 'x' }], ['a pid that is another process now', { ...refOf(process.pid), startTime: '1' }], ['nothing that can be read', undefined],
  ])('is taken over from %s', (_who, holder) => {
    writeFileSync(join(dir, 'lock'), holder === undefined ? '' : JSON.stringify(holder));
    const unlock = lock();
    expect(lock).toThrow(/another up or down/);
    unlock();
    expect(readdirSync(dir)).toEqual([]);
  });
});
