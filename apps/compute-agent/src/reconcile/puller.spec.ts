import { describe, expect, it } from '@jest/globals';
import type { HostId } from '#libs/contracts';
import type { Clock } from '../clock.js';
import { LIMITS } from '../limits.js';
import { Puller } from './puller.js';

/** A puller whose ledger knows nothing and whose answers say `changed` entries; time passes by hand. */
function world() {
  const timers: { at: number; task: () => void }[] = [];
  const waits: number[] = [];
  let now = 0;
  let changed: string[] = [];
  let failing = false;
  let connected = true;
  let pulls = 0;
  const clock: Clock = {
    nowMs: () => now, wallMs: () => now,
    after: (ms, task) => {
      const timer = { at: now + ms, task };
      timers.push(timer);
      waits.push(ms);
      return () => { const at = timers.indexOf(timer); if (at >= 0) timers.splice(at, 1); };
    },
  };
  const ledger = { host: { incarnation: 1, reportOnly: false }, pullingAll: false, since: () => 0, beginFullPull: () => undefined, accept: async () => changed };
  const puller = new Puller({
    hostId: 'h' as HostId, bootId: 'b', ledger: ledger as never, lease: { nowMs: () => now, renew: async () => undefined } as never, clock, random: () => 0.5,
    logger: { debug: () => undefined, info: () => undefined, warn: () => undefined } as never, limits: LIMITS, pullEveryMs: LIMITS.pullEveryMs,
    bus: { get connected() { return connected; }, ask: async () => { pulls += 1; if (failing) throw new Error('no'); return { incarnation: 1, upTo: 0, more: false, entries: [] }; } } as never,
    onChanged: () => undefined, onNewWorld: () => undefined, onRefused: () => undefined,
  });
  const settle = async (): Promise<void> => { for (let n = 0; n < 20; n += 1) await Promise.resolve(); };
  /** The next pull that nobody asks for. @returns how long it was waited for */
  const next = async (): Promise<number> => {
    const timer = timers.shift();
    if (timer === undefined) throw new Error('no pull is planned');
    const waited = timer.at - now;
    now = timer.at;
    timer.task();
    await settle();
    return waited;
  };
  return { puller, next, settle, waits, set: (change: { changed?: string[]; failing?: boolean; connected?: boolean }) => { changed = change.changed ?? []; failing = change.failing ?? false; connected = change.connected ?? true; }, pulls: () => pulls };
}

describe('pulls that nobody asks for', () => {
  it('become fewer at rest, and never too few for the lease', async () => {
    const { puller, next, settle } = world();
    puller.open();
    await settle();
    const waits: number[] = [];
    for (let n = 0; n < 6; n += 1) waits.push(await next());
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 40_000, 40_000]);
    // What a pull's answer lets a host do lasts two minutes.
    expect(LIMITS.pullAtRestMs * (1 + LIMITS.jitter) * 2).toBeLessThan(120_000);
    await puller.stop();
  });

  it('are frequent again after a ring and after news, and repeated soon after a failure', async () => {
    const { puller, next, settle, set } = world();
    puller.open();
    await settle();
    for (let n = 0; n < 4; n += 1) await next();
    puller.pull();
    await settle();
    expect(await next()).toBe(5_000);
    expect(await next()).toBe(10_000);
    set({ changed: ['i'] });
    expect(await next()).toBe(20_000);
    set({});
    expect(await next()).toBe(5_000);
    set({ failing: true });
    expect(await next()).toBe(10_000);
    expect(await next()).toBe(LIMITS.askAgainMs);
    await puller.stop();
  });

  it('do not rest while nobody can be asked: rings are lost then', async () => {
    const { puller, next, settle, set } = world();
    puller.open();
    await settle();
    for (let n = 0; n < 4; n += 1) await next();
    set({ connected: false });
    expect(await next()).toBe(40_000);
    for (let n = 0; n < 5; n += 1) expect(await next()).toBe(5_000);
    set({});
    expect(await next()).toBe(5_000);
    expect(await next()).toBe(10_000);
    await puller.stop();
  });
});
