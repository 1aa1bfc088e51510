import { describe, expect, it } from '@jest/globals';
import { notFound, unavailable } from '#libs/errors';
import { LimitsCopy, type LimitsAnswer } from './index.js';

function world(options: { kept?: number } = {}) {
  const state = { now: 0, answer: { limits: 1, generation: 1 } as LimitsAnswer<number>, error: undefined as Error | undefined, asked: [] as string[] };
  const copy = new LimitsCopy<number>(async (projectId) => {
    state.asked.push(projectId);
    await Promise.resolve();
    if (state.error !== undefined) throw state.error;
    return state.answer;
  }, { freshMs: 100, staleMs: 1_000, retryMs: 50, now: () => state.now, ...options });
  return { state, copy };
}

describe('a copy of limits', () => {
  it('asks once for many, and again when it is no longer fresh', async () => {
    const { state, copy } = world();
    expect(await Promise.all(Array.from({ length: 64 }, () => copy.of('p')))).toEqual(Array.from({ length: 64 }, () => 1));
    state.answer = { limits: 2, generation: 2 };
    state.now = 99;
    expect([await copy.of('p'), state.asked.length]).toEqual([1, 1]);
    state.now = 100;
    expect([await copy.of('p'), state.asked.length]).toEqual([2, 2]);
  });

  it('is never replaced by an older one, save of a restored database', async () => {
    const { state, copy } = world();
    state.answer = { limits: 5, generation: 5, incarnation: 1 };
    await copy.of('p');
    state.now = 100;
    state.answer = { limits: 4, generation: 4, incarnation: 1 };
    expect(await copy.of('p')).toBe(5);
    state.now = 200;
    state.answer = { limits: 3, generation: 3, incarnation: 2 };
    expect(await copy.of('p')).toBe(3);
  });

  it('goes on counting while identity is away, without asking each time, and not for ever', async () => {
    const { state, copy } = world();
    await copy.of('p');
    state.error = unavailable('away');
    state.now = 150;
    expect(await copy.of('p')).toBe(1);
    state.now = 190;
    expect([await copy.of('p'), state.asked.length]).toEqual([1, 2]);
    state.now = 210;
    expect([await copy.of('p'), state.asked.length]).toEqual([1, 3]);
    state.now = 1_001;
    await expect(copy.of('p')).rejects.toThrow('away');
    await expect(copy.of('unknown')).rejects.toThrow('away');
    state.error = undefined;
    expect(await copy.of('p')).toBe(1);
  });

  it('passes on what identity says, and keeps few', async () => {
    const { state, copy } = world({ kept: 2 });
    state.error = notFound('no such project');
    await expect(copy.of('p')).rejects.toThrow('no such project');
    state.error = undefined;
    for (const id of ['a', 'b', 'c', 'c', 'b', 'a']) await copy.of(id);
    expect(state.asked.slice(1)).toEqual(['a', 'b', 'c', 'a']);
  });
});
