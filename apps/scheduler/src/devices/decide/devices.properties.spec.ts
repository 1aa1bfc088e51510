import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { HostDevice } from '#libs/contracts';
import { fn, pf, PF0, vf, vfPool } from '../testing/devices.js';
import { reasonOf, stateOf } from './state.js';
import { heldBy, isClean, type StockDevice } from './stock.js';
import { takeAbsence, takeReport } from './take-report.js';
import { holdsOf, pageOf } from './wishes.js';

const A = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
const B = 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb';
const generation = fc.nat(4);
const said = fc.record({
  address: fc.constantFrom('0000:01:10.0', '0000:01:10.2'), product: fc.constantFrom('10ca', '10ca', '10ca', '1520'),
  usedBy: fc.constantFrom(null, A, B), cleanAt: fc.option(generation), condition: fc.option(fc.constantFrom({ code: 'aer-errors', sentence: 'Errors.' }, { code: 'not-ready', sentence: 'Wait.' })),
  dirty: fc.option(generation.map((at) => ({ generation: at, code: 'x', sentence: 'X' }))),
}).map((change): HostDevice => ({ ...vf(PF0, 0), ...change } as HostDevice));
const stock = fc.record({
  facts: fc.option(said, { freq: 9 }), generation, clean: fc.option(generation), released: fc.option(generation), quarantined: fc.boolean(), missing: fc.boolean(),
  holder: fc.constantFrom(null, null, A, B), holds: generation, role: fc.constantFrom('offered', 'companion', 'keeper', 'withheld', null), protectedBy: fc.constantFrom(null, null, 'boot-disk'),
}).map((one): StockDevice => ({
  id: 'd', identity: vf(PF0, 0).identity, facts: one.facts && { ...one.facts, protectedBy: one.protectedBy }, nativeDriver: null, poolId: one.role === null ? null : vfPool().id, className: one.role === null ? null : 'fast-net', role: one.role as StockDevice['role'],
  note: null, unit: 'u', generation: one.generation, cleanAt: one.clean === null ? null : Math.min(one.clean, one.generation), releasedAt: one.released === null ? null : Math.min(one.released, one.generation),
  quarantine: one.quarantined ? { generation: one.generation, code: 'q', sentence: 'Q' } : null, missing: one.missing, fenced: false, vouched: 0, forgotten: false, lastHolder: null, lastClass: null,
  holder: one.holder === null || one.generation === 0 ? null : { instanceId: one.holder, generation: Math.max(1, Math.min(one.holds, one.generation)), className: 'fast-net', purpose: 'run' },
}));
const reporter = fc.record({ informed: fc.boolean(), adopted: fc.boolean() });

describe('whatever a host says', () => {
  it('no generation falls, nothing held becomes free, nobody is called clean beyond his generation, no quarantine ends', () => {
    fc.assert(fc.property(stock, fc.array(fc.tuple(said, reporter, fc.boolean()), { maxLength: 6 }), (first, words) => {
      let row = first;
      for (const [word, who, absent] of words) {
        const taken = absent ? takeAbsence(row) : takeReport(row, word, who);
        if (taken === null) continue;
        const next: StockDevice = { ...row, ...taken.row };
        expect(next.generation).toBeGreaterThanOrEqual(row.generation);
        expect(Math.max(next.cleanAt ?? -1, next.releasedAt ?? -1, next.quarantine?.generation ?? -1)).toBeLessThanOrEqual(next.generation);
        expect(next.releasedAt).toBe(row.releasedAt);
        expect(next.holder).toBe(row.holder);
        if (row.quarantine !== null) expect(next.quarantine).not.toBeNull();
        // When the hold ends now, its device is not clean.
        if (next.holder !== null && !absent) expect((next.cleanAt ?? -1) < next.holder.generation).toBe(true);
        if (heldBy(next) !== null) expect(stateOf(next)).not.toBe('available');
        expect(next.missing).toBe(absent);
        row = next;
      }
    }), { numRuns: 500 });
  });

  it('the same twice changes nothing the second time, and tells nothing', () => {
    fc.assert(fc.property(stock, said, reporter, (row, word, who) => {
      const once = { ...row, ...takeReport(row, word, who).row };
      const twice = takeReport(once, word, who);
      expect(twice.row).toEqual(takeReport({ ...once, ...twice.row }, word, who).row);
      if (once.generation === twice.row.generation) expect(twice.happened).toEqual([]);
    }), { numRuns: 300 });
  });

  it('of a device that it has never named: clean as found, or not until it says so', () => {
    expect(takeReport(null, pf(PF0), { informed: true, adopted: true })).toMatchObject({ row: { generation: 0, cleanAt: 0, quarantine: null, nativeDriver: 'igb' }, happened: [{ kind: 'seen' }] });
    expect(takeReport(null, pf(PF0, { cleanAt: 5 }), { informed: true, adopted: true }).row).toMatchObject({ generation: 5, cleanAt: 5 });
    expect(takeReport(null, fn('slot:1', { driver: 'vfio-pci' }), { informed: false, adopted: true }).row).toMatchObject({ nativeDriver: null });
  });
});

describe('a state', () => {
  it('is available only of what is there, clean, in a pool, with nobody, and then needs no reason', () => {
    fc.assert(fc.property(stock, (row) => {
      const state = stateOf(row);
      if (state === 'available') {
        expect([heldBy(row), row.quarantine, row.missing, isClean(row), row.poolId === null, row.facts?.condition, row.facts?.protectedBy]).toEqual([null, null, false, true, false, null, null]);
        expect(reasonOf(row, 'h', null)).toBeNull();
      } else if (!['in-use', 'claimed'].includes(state)) expect(reasonOf(row, 'h', null)).toEqual(expect.stringMatching(/^.{10,}$/));
    }));
  });
});

describe('wishes', () => {
  it('name each hold once, and come whole in pages of any size', () => {
    fc.assert(fc.property(fc.array(stock, { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), (rows, size) => {
      const named = rows.map((row, at) => ({ ...row, identity: `slot:${String.fromCharCode(97 + at)}` }));
      const holds = holdsOf(named, new Map());
      expect(holds.map(({ identity }) => identity)).toEqual(named.filter((row) => row.holder !== null || (row.generation > 0 && (row.cleanAt ?? -1) < row.generation)).map(({ identity }) => identity));
      const all: string[] = [];
      let after: string | null = null;
      do {
        const page = pageOf({ pools: [], holds }, after, { entries: size, bytes: 1e6 }, () => 1);
        expect(page.holds.length).toBeLessThanOrEqual(size);
        all.push(...page.holds.map(({ identity }) => identity));
        after = page.next;
      } while (after !== null);
      expect(all).toEqual(holds.map(({ identity }) => identity));
    }));
  });
});
