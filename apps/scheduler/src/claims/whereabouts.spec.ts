import { describe, expect, it } from '@jest/globals';
import type { ClaimRequest, GroupWish } from '#libs/contracts';
import { Whereabouts, type Place } from './whereabouts.js';

const place = (instance: string, host: string, group: string | null = null, fenced = false): Place => ({ instance_id: instance, host_id: host, group_id: group, fenced });
const wish = (policy: GroupWish['policy'] = 'affinity'): GroupWish => ({ id: 'g', policy, maxServerPerHost: 1 });
const request = (instanceId: string, change: { sameHost?: string[]; differentHost?: string[]; group?: GroupWish } = {}): ClaimRequest => ({
  instanceId, group: change.group ?? null, hints: change.sameHost || change.differentHost ? { sameHost: change.sameHost ?? [], differentHost: change.differentHost ?? [] } : null,
} as never);

describe('where others are', () => {
  it('nobody asks: nothing is asked', () => {
    expect(Whereabouts.named([request('a')])).toEqual({ groups: [], instances: [] });
    expect(new Whereabouts([]).company(request('a'))).toEqual({ sameHosts: null, differentHosts: [], group: null });
  });

  it('of hints: every host of the servers named; none at all is not the same as not asked', () => {
    const there = new Whereabouts([place('x', 'h1'), place('x', 'h2'), place('y', 'h3')]);
    expect(there.company(request('a', { sameHost: ['x', 'y'] })).sameHosts).toEqual(['h1', 'h2', 'h3']);
    expect(there.company(request('a', { sameHost: ['z'] })).sameHosts).toEqual([]);
    expect(there.company(request('a', { differentHost: ['y', 'z'] }))).toMatchObject({ sameHosts: null, differentHosts: ['h3'] });
  });

  it('of a batch, earlier choices count: in hints, and in the one map of a group', () => {
    const there = new Whereabouts([place('x', 'h1', 'g')]);
    const first = there.company(request('a', { group: wish() })).group!;
    first.members.set('h1', first.members.get('h1')! + 1);
    expect(there.company(request('b', { group: wish() })).group!.members).toEqual(new Map([['h1', 2]]));
    there.chose('a', 'h9');
    expect(there.company(request('c', { sameHost: ['a'] })).sameHosts).toEqual(['h9']);
  });

  it('a server that moves counts once on each host, and not for itself', () => {
    const there = new Whereabouts([place('x', 'h1', 'g'), place('x', 'h2', 'g'), place('x', 'h2', 'g'), place('y', 'h2', 'g')]);
    expect(there.company(request('a', { group: wish() })).group!.members).toEqual(new Map([['h1', 1], ['h2', 2]]));
    expect(there.company(request('x', { group: wish() })).group!.members).toEqual(new Map([['h2', 1]]));
  });

  it('of affinity, hosts where only those are that are being moved: not for themselves, nor where somebody stays', () => {
    const group = (of: string, ...places: Place[]): unknown => new Whereabouts(places).company(request(of, { group: wish() })).group!.leaving;
    const moving = [place('x', 'h1', 'g'), place('x', 'h2', 'g')];
    expect(group('a', ...moving)).toEqual(new Set(['h1', 'h2']));
    expect(group('a', ...moving, place('y', 'h2', 'g'))).toEqual(new Set(['h1']));
    expect(group('x', ...moving)).toBeUndefined();
    expect(group('a', place('x', 'h1', 'g', true), place('x', 'h2', 'g'))).toBeUndefined();
  });

  it('who is left on a fenced host binds no group', () => {
    expect(new Whereabouts([place('x', 'h1', 'g', true)]).company(request('a', { group: wish() })).group!.members).toEqual(new Map());
  });

  it('two readings are equal for a request as far as nobody it names has moved, whatever others do', () => {
    const before = new Whereabouts([place('x', 'h1', 'g'), place('y', 'h2')]);
    const same = (ask: ClaimRequest, ...places: Place[]): boolean => before.knownOf(ask) === new Whereabouts(places).knownOf(ask);
    const [ofGroup, byHint, alone] = [request('a', { group: wish() }), request('a', { differentHost: ['y'] }), request('a')];
    expect([ofGroup, byHint, alone].map((ask) => same(ask, place('y', 'h2'), place('x', 'h1', 'g')))).toEqual([true, true, true]);
    expect([ofGroup, byHint, alone].map((ask) => same(ask, place('x', 'h3', 'g'), place('y', 'h2')))).toEqual([false, true, true]);
    expect([ofGroup, byHint, alone].map((ask) => same(ask, place('x', 'h1', 'g'), place('y', 'h3')))).toEqual([true, false, true]);
    expect(same(ofGroup, place('x', 'h1', 'g', true))).toBe(false);
    expect(same(ofGroup, place('x', 'h1', 'g'), place('z', 'h1', 'g'))).toBe(false);
  });
});
