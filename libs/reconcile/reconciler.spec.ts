import { describe, expect, it } from '@jest/globals';
import { Reconciler, type ReconcileSource } from './index.js';

/** Due keys in memory; a lease hides a key until it is given back. */
class Due implements ReconcileSource {
  readonly due = new Set<string>();
  readonly leased = new Set<string>();
  failing = 0;
  async lease(limit: number, _owner: string, _ms: number, only?: string[]): Promise<string[]> {
    if (this.failing > 0) { this.failing -= 1; throw new Error('database away'); }
    const keys = [...this.due].filter((key) => !this.leased.has(key) && (!only || only.includes(key))).slice(0, limit);
    for (const key of keys) this.leased.add(key);
    return keys;
  }
  done(key: string): void { this.due.delete(key); this.leased.delete(key); }
}
const until = async (test: () => boolean): Promise<void> => { for (let i = 0; i < 6_000 && !test(); i += 1) await new Promise((r) => setTimeout(r, 5)); };

describe('Reconciler', () => {
  it('works every due key, each alone, bounded in number', async () => {
    const source = new Due();
    for (let i = 0; i < 50; i += 1) source.due.add(`k${i}`);
    let now = 0; let most = 0; const seen: string[] = [];
    const loop = new Reconciler({ name: 't', owner: 'o', source, concurrency: 4, pollMs: 5, onError: () => undefined, reconcile: async (key) => {
      now += 1; most = Math.max(most, now); seen.push(key);
      await new Promise((r) => setTimeout(r, 2));
      now -= 1; source.done(key);
    } });
    loop.start();
    await until(() => source.due.size === 0);
    await loop.stop();
    expect(new Set(seen).size).toBe(50);
    expect(seen.length).toBe(50);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('comes again when woken while under way', async () => {
    const source = new Due();
    let runs = 0;
    const loop = new Reconciler({ name: 't', owner: 'o', source, pollMs: 600_000, onError: () => undefined, reconcile: async (key) => {
      runs += 1;
      if (runs === 1) { loop.wake(key); await new Promise((r) => setTimeout(r, 10)); source.leased.delete(key); } else source.done(key);
    } });
    source.due.add('a');
    loop.start();
    await until(() => runs === 2);
    await loop.stop();
    expect(runs).toBe(2);
  });

  it('survives a source that fails and a step that throws', async () => {
    const source = new Due();
    source.failing = 2; source.due.add('a');
    const errors: (string | undefined)[] = [];
    let runs = 0;
    const loop = new Reconciler({ name: 't', owner: 'o', source, pollMs: 5, onError: (_e, key) => errors.push(key), reconcile: async (key) => {
      runs += 1; source.leased.delete(key);
      if (runs < 3) throw new Error('step');
      source.done(key);
    } });
    loop.start();
    await until(() => source.due.size === 0);
    await loop.stop();
    expect(errors.filter((key) => key === undefined).length).toBe(2);
    expect(errors.filter((key) => key === 'a').length).toBe(2);
  });

  it('finds what nobody told it about, however busy it is with what it was told', async () => {
    const source = new Due();
    const seen = new Set<string>();
    source.due.add('untold'); source.due.add('a'); source.due.add('b');
    // Only asked for by name: they are never found by polling, as rows that are leased to us already.
    const lease = source.lease.bind(source);
    source.lease = async (limit, owner, ms, only) => (only ? lease(limit, owner, ms, only) : lease(limit, owner, ms, ['untold']));
    const loop = new Reconciler({ name: 't', owner: 'o', source, concurrency: 2, pollMs: 20, onError: () => undefined, reconcile: async (key) => {
      seen.add(key);
      await new Promise((r) => setTimeout(r, 1));
      source.leased.delete(key);
      if (key !== 'untold') loop.wake(key);
    } });
    loop.wake('a'); loop.wake('b');
    await until(() => seen.has('untold'));
    await loop.stop();
    expect(seen.has('untold')).toBe(true);
  });
});
