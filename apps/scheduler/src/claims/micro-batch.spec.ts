import { describe, expect, it } from '@jest/globals';
import { MicroBatch, type Entry } from './micro-batch.js';

interface Item { key: string; value: number }
const batches = (run: (entries: Entry<Item, number>[]) => Promise<void>, limits: { most?: number; waiting?: number } = {}): MicroBatch<Item, number> =>
  new MicroBatch({ name: 'things', most: 10, waiting: 100, attempts: 3, keyOf: (item) => item.key, run, ...limits });
const item = (value: number, key = `k${value}`): Item => ({ key, value });
const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe('micro-batches', () => {
  it('collects what is asked while a run is under way, at most so many at once', async () => {
    const sizes: number[] = [];
    const batch = batches(async (entries) => {
      sizes.push(entries.length);
      await later();
      for (const entry of entries) entry.answer(entry.item.value * 2);
    });
    const first = batch.ask(item(1));
    await later();
    const rest = Array.from({ length: 24 }, (_, at) => batch.ask(item(at + 2)));
    expect(await Promise.all([first, ...rest])).toEqual(Array.from({ length: 25 }, (_, at) => (at + 1) * 2));
    expect(sizes).toEqual([1, 10, 10, 4]);
  });

  it('never puts two of one key into one run', async () => {
    const runs: number[][] = [];
    const batch = batches(async (entries) => {
      runs.push(entries.map((entry) => entry.item.value));
      for (const entry of entries) entry.answer(entry.item.value);
    });
    await Promise.all([batch.ask(item(1, 'a')), batch.ask(item(2, 'a')), batch.ask(item(3, 'b')), batch.ask(item(4, 'a'))]);
    expect(runs).toEqual([[1, 3], [2], [4]]);
  });

  it('what a run leaves open comes first in the next', async () => {
    const runs: number[][] = [];
    const batch = batches(async (entries) => {
      runs.push(entries.map((entry) => entry.item.value));
      for (const entry of entries) if (entry.item.value !== 1 || entry.attempts++ > 0) entry.answer(0);
    }, { most: 2 });
    await Promise.all([1, 2, 3, 4].map((value) => batch.ask(item(value))));
    expect(runs).toEqual([[1, 2], [1, 3], [4]]);
  });

  it('one bad entry does not fail the others', async () => {
    const batch = batches(async (entries) => {
      if (entries.some((entry) => entry.item.value === 3)) throw Object.assign(new Error('out of range'), { code: '22003' });
      for (const entry of entries) entry.answer(entry.item.value);
    });
    const settled = await Promise.allSettled([1, 2, 3, 4].map((value) => batch.ask(item(value))));
    expect(settled.map((one) => one.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(settled[2]).toMatchObject({ reason: { kind: 'internal' } });
  });

  it('a deadlock is tried again, a lost database is said to all at once', async () => {
    let tries = 0;
    const deadlocked = batches(async ([entry]) => {
      tries += 1;
      if (tries < 3) throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
      entry!.answer(7);
    });
    expect(await deadlocked.ask(item(1))).toBe(7);
    let runs = 0;
    const away = batches(async () => {
      runs += 1;
      throw new Error('Connection terminated unexpectedly');
    });
    const settled = await Promise.allSettled([1, 2, 3].map((value) => away.ask(item(value))));
    expect(settled.every((one) => one.status === 'rejected' && (one.reason as { kind: string }).kind === 'unavailable')).toBe(true);
    expect(runs).toBe(1);
  });

  it('tells to come back when too many wait, and drops who has given up', async () => {
    const done: number[] = [];
    const batch = batches(async (entries) => {
      await later();
      for (const entry of entries) {
        done.push(entry.item.value);
        entry.answer(0);
      }
    }, { most: 1, waiting: 2 });
    const giveUp = new AbortController();
    const first = batch.ask(item(1));
    const second = batch.ask(item(2), giveUp.signal);
    await expect(batch.ask(item(3))).rejects.toMatchObject({ kind: 'unavailable', retryAfterS: 1 });
    giveUp.abort();
    await expect(second).rejects.toMatchObject({ kind: 'timeout' });
    await first;
    await batch.drained();
    expect(done).toEqual([1]);
  });
});
