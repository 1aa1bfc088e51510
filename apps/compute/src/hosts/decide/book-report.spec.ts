import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ObservedInstance } from '#libs/contracts';
import type { InstanceFacts } from '../../lifecycle/decide/facts.js';
import { nextStep } from '../../lifecycle/decide/next-step.js';
import { tempoOf } from '../../tempo.js';
import { bookReport, type Verdict } from './book-report.js';

const building: InstanceFacts = {
  intent: 'running', generation: 2, specGeneration: 1, rebootCount: 0, step: 'wait-host', launched: false, finished: false, withdrawn: false, diskGeneration: 1, rebuilding: false, hold: null, move: null, elsewhere: 0, attachments: [],
  host: { id: 'h', name: 'host-1' }, observed: { state: null, generation: 0, rebootCount: 0, doing: null, error: null }, waitedMs: 0, attempts: 0, lastError: null, now: {},
};
const saw = (change: Partial<ObservedInstance>): ObservedInstance => ({
  id: '11111111-1111-4111-8111-111111111111' as ObservedInstance['id'], generation: 2, state: 'running', rebootCount: 0, startedAtMs: null, doing: null, error: null, ...change,
});
const book = (facts: Partial<InstanceFacts>, seen: Partial<ObservedInstance>): Verdict => bookReport({ ...building, ...facts }, { frozen: undefined }, saw(seen));
const settled = { step: 'settled', launched: true, observed: { state: 'running', generation: 2, rebootCount: 0, doing: null, error: null } } as const;
const gaveUp = { code: 'no-image', message: 'the image is gone', attempts: 5, final: true };

describe('bookReport', () => {
  it('books a running server as done, in one go', () => {
    expect(book({}, {})).toMatchObject({ forget: false, book: { step: 'settled', loop: 'never', launched: true, event: { kind: 'launched' } } });
  });
  it('ignores answers to older wishes, and news that are none', () => {
    expect(book({}, { generation: 1 })).toEqual({ ignore: 'old', forget: false });
    expect(book({}, { generation: 3 })).toEqual({ ignore: 'old', forget: false });
    expect(book(settled, {})).toEqual({ ignore: 'unchanged', forget: false });
    const off = { ...settled, intent: 'stopped', observed: { ...settled.observed, state: 'stopped' } } as const;
    expect(book(off, { state: 'stopped' })).toEqual({ ignore: 'unchanged', forget: false });
    expect(book(off, { state: 'stopped', savedMemory: true })).toMatchObject({ book: { step: 'settled', observed: { savedMemory: true } } });
    expect(book({ ...off, observed: { ...off.observed, savedMemory: true } }, { state: 'stopped' })).toMatchObject({ book: { step: 'settled' } });
  });
  it('takes absence as proof only in answer to the deletion itself', () => {
    expect(book({ intent: 'deleted' }, { generation: 1, state: 'absent' })).toEqual({ ignore: 'old', forget: false });
    expect(book({ intent: 'deleted' }, { state: 'absent' })).toMatchObject({ forget: true, book: { loop: 'now' } });
    expect(book({ withdrawn: true, step: 'failed' }, { state: 'absent' })).toMatchObject({ forget: true, book: { loop: 'now', step: 'failed' } });
    expect(book({}, { state: 'absent' })).toMatchObject({ forget: false, book: { step: 'wait-host' } });
  });
  it('lets a host forget what was booked before', () => {
    expect(book({ intent: 'deleted', observed: { ...settled.observed, state: 'absent' } }, { state: 'absent' })).toEqual({ ignore: 'unchanged', forget: true });
  });
  it('makes a failed build an explained fault and wakes the loop to take it back', () => {
    expect(book({}, { state: 'failed', error: gaveUp })).toMatchObject({ book: { step: 'failed', loop: 'now', fault: { message: 'Build of the server failed on its host: the image is gone' } } });
    expect(book({ launched: true }, { state: 'stopped', error: gaveUp })).toMatchObject({ book: { step: 'failed', loop: 'never' } });
  });
  it('keeps errors that are not final as what is being waited for', () => {
    expect(book({}, { state: 'building', doing: 'fetch-image', error: { ...gaveUp, final: false } })).toMatchObject({
      book: { step: 'wait-host', loop: 'keep', lastError: 'the image is gone', waitingFor: 'host host-1: fetch-image (went wrong 5 times: the image is gone)' },
    });
  });
  it('wakes the loop when a guest switched itself off, and watches what was changed by hand', () => {
    expect(book(settled, { state: 'stopped' })).toMatchObject({ book: { step: 'settled', loop: 'now' } });
    expect(book(settled, { state: 'crashed' })).toMatchObject({ book: { loop: 'now' } });
    expect(book(settled, { state: 'absent' })).toMatchObject({ book: { step: 'wait-host', loop: 'later', event: { kind: 'drift' } } });
    expect(book({ ...settled, intent: 'stopped', observed: { ...settled.observed, state: 'stopped' } }, { state: 'running' })).toMatchObject({ book: { step: 'wait-host', loop: 'later' } });
    expect(book(settled, { state: 'paused' })).toMatchObject({ book: { step: 'settled', loop: 'keep' } });
  });
  it('a reboot is done when it was performed', () => {
    const rebooting = { ...settled, step: 'wait-host', rebootCount: 1, generation: 3 } as const;
    expect(book(rebooting, { generation: 3 })).toMatchObject({ book: { step: 'wait-host' } });
    expect(book(rebooting, { generation: 3, rebootCount: 1 })).toMatchObject({ book: { step: 'settled', event: { kind: 'rebooted' } } });
  });
  it('takes an error back when the server came right by itself', () => {
    expect(book({ step: 'failed', launched: true }, {})).toMatchObject({ book: { step: 'settled', fault: null } });
  });

  it('leaves to the loop what a report means for a move, and wakes it when a phase may be over', () => {
    const moving = (phase: 'stop' | 'arrive' | 'revert' | 'verify', hold: 'off' | 'gone' | null = null): Partial<InstanceFacts> => ({ launched: true, hold, move: { kind: 'resize', phase } });
    const built = { specGeneration: 1, diskGeneration: 1 };
    expect(book(moving('stop', 'off'), { state: 'running', built, doing: 'power-off' })).toMatchObject({ book: { loop: 'keep', step: 'wait-host' } });
    expect(book(moving('stop', 'off'), { state: 'stopped', built })).toMatchObject({ book: { loop: 'now', step: 'wait-host', event: null } });
    expect(book(moving('arrive'), { built })).toMatchObject({ book: { loop: 'now', step: 'wait-host', launched: false } });
    expect(book(moving('arrive'), { state: 'failed', built: null, error: gaveUp })).toMatchObject({ book: { loop: 'now', step: 'wait-host', fault: undefined } });
    expect(book(moving('revert', 'gone'), { state: 'absent', built: null })).toMatchObject({ forget: true, book: { loop: 'now' } });
    expect(book({ ...moving('verify'), step: 'settled' }, { state: 'stopped', built })).toMatchObject({ book: { loop: 'now' } });
    // Deleted meanwhile: as any deletion.
    expect(book({ ...moving('arrive'), intent: 'deleted' }, { state: 'absent', built: null })).toMatchObject({ forget: true, book: { loop: 'now' } });
  });

  it('leaves nothing waiting for nobody: after any report the loop sleeps only where it would rest', () => {
    const seen = fc.record({
      state: fc.constantFrom('absent', 'building', 'running', 'stopped', 'paused', 'crashed', 'failed'), rebootCount: fc.integer({ min: 0, max: 1 }),
      doing: fc.constantFrom(null, 'start'), error: fc.constantFrom(null, gaveUp, { ...gaveUp, final: false }),
    });
    fc.assert(fc.property(seen, fc.constantFrom('running', 'stopped', 'deleted'), fc.constantFrom('wait-host', 'settled', 'failed'), fc.boolean(), fc.boolean(), (observed, intent, step, launched, withdrawn) => {
      const facts: InstanceFacts = { ...building, intent, step, launched: launched || step === 'settled', withdrawn: withdrawn && step === 'failed' && !launched };
      const verdict = bookReport(facts, { frozen: undefined }, saw(observed));
      if (!('book' in verdict) || verdict.book.loop !== 'never') return;
      const then = { ...facts, step: verdict.book.step, launched: facts.launched || verdict.book.launched, observed: { ...observed, generation: 2 } };
      expect(nextStep(then, tempoOf()).do).toBe('rest');
    }));
  });
});
