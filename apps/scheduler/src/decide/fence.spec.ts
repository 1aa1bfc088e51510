import { describe, expect, it } from '@jest/globals';
import { mayFence, type FenceFacts } from './fence.js';

const facts = (change: Partial<FenceFacts>): FenceFacts => ({
  method: 'statement', name: 'h1', certain: true, condition: { state: 'lost', reason: 'it sends no beats' }, hosts: 20, othersLost: 0, hasPower: true, force: false, lostShare: 0.1, ...change,
});

describe('mayFence', () => {
  it('by statement: only who looks dead to one who could hear', () => {
    expect(mayFence(facts({}))).toEqual({ may: true });
    expect(mayFence(facts({ condition: { state: 'unknown', reason: '' } }))).toEqual({ may: true });
    expect(mayFence(facts({ certain: false }))).toMatchObject({ kind: 'unavailable' });
    for (const state of ['alive', 'unresponsive', 'hypervisor-down']) expect(mayFence(facts({ condition: { state, reason: 'x' } }))).toMatchObject({ may: false, kind: 'conflict' });
    // A person may, however many are lost.
    expect(mayFence(facts({ othersLost: 19 }))).toEqual({ may: true });
  });

  it('by machine: also the living, not the many, unless forced', () => {
    const machine = { method: 'machine', condition: { state: 'alive', reason: '' } } as const;
    expect(mayFence(facts(machine))).toEqual({ may: true });
    expect(mayFence(facts({ ...machine, certain: false }))).toEqual({ may: true });
    expect(mayFence(facts({ ...machine, hasPower: false }))).toMatchObject({ kind: 'bad-request' });
    expect(mayFence(facts({ ...machine, othersLost: 1 }))).toEqual({ may: true });
    expect(mayFence(facts({ ...machine, othersLost: 2 }))).toMatchObject({ may: false, kind: 'conflict', why: expect.stringContaining('2 of the other 19') });
    expect(mayFence(facts({ ...machine, othersLost: 2, force: true }))).toEqual({ may: true });
    expect(mayFence(facts({ ...machine, hosts: 2, othersLost: 0 }))).toEqual({ may: true });
    expect(mayFence(facts({ ...machine, hosts: 2, othersLost: 1 }))).toMatchObject({ may: false });
  });
});
