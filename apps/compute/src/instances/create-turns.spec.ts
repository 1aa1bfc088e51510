import { describe, expect, it } from '@jest/globals';
import { CreateTurns } from './create-turns.js';

const LIMITS = { atOnce: 2, behind: 10, patienceMs: 600_000, lookMs: 2 };
const pause = (ms: number): Promise<void> => new Promise((done) => { setTimeout(done, ms); });
const until = async (holds: () => boolean): Promise<void> => { while (!holds()) await pause(1); };

/** Work that ends when it is told to, in the order in which it began. */
function world(behind: () => number, patienceMs = LIMITS.patienceMs) {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const turns = new CreateTurns({ ...LIMITS, patienceMs }, behind);
  const ask = (n: number): Promise<number> => turns.pass(() => new Promise<number>((done) => { begun.push(n); ends.push(() => done(n)); }));
  return { begun, ends, turns, ask };
}

describe('creates', () => {
  it('are so many at a time, first come first served', async () => {
    const { begun, ends, ask } = world(() => 0);
    const all = [1, 2, 3, 4].map(ask);
    await pause(0);
    expect(begun).toEqual([1, 2]);
    ends[1]?.();
    await pause(0);
    expect(begun).toEqual([1, 2, 3]);
    ends[0]?.();
    ends[2]?.();
    await pause(0);
    ends[3]?.();
    expect(await Promise.all(all)).toEqual([1, 2, 3, 4]);
  });

  it('let the loop catch up, but not for ever', async () => {
    let waiting = 10;
    const { begun, ask } = world(() => waiting);
    void ask(1);
    await pause(10);
    expect(begun).toEqual([]);
    waiting = 9;
    await until(() => begun.length > 0);
    const impatient = world(() => 1_000, 60);
    const asked = performance.now();
    void impatient.ask(2);
    await until(() => impatient.begun.length > 0);
    expect(performance.now() - asked).toBeGreaterThanOrEqual(60);
  });

  it('whose askers have gone are not begun', async () => {
    const { begun, ends, turns, ask } = world(() => 0);
    void ask(1);
    void ask(2);
    const gone = new AbortController();
    const third = turns.pass(async () => { begun.push(3); }, gone.signal);
    const fourth = ask(4);
    await pause(0);
    gone.abort(new Error('too late'));
    ends[0]?.();
    await expect(third).rejects.toThrow('too late');
    await pause(0);
    expect(begun).toEqual([1, 2, 4]);
    ends[2]?.();
    expect(await fourth).toBe(4);
  });

  it('that fail make room', async () => {
    const { turns } = world(() => 0);
    for (let n = 0; n < 5; n += 1) await expect(turns.pass(async () => { throw new Error(`no ${n}`); })).rejects.toThrow(`no ${n}`);
    expect(await turns.pass(async () => 'yes')).toBe('yes');
  });
});
