import { describe, expect, it } from '@jest/globals';
import { changeOf, tooMany, type AggregateState, type MemberHost } from './aggregate-change.js';

const host = (name: string, change: Partial<MemberHost> = {}): MemberHost => ({ id: `id-${name}`, name, instances: 0, otherZone: null, homeZone: 'nova', ...change });
const state = (change: Partial<AggregateState> = {}): AggregateState => ({ id: 7, name: 'fast', metadata: {}, hosts: [], ...change });
const nextOf = (outcome: ReturnType<typeof changeOf>) => ('next' in outcome ? outcome.next : outcome);
const problemOf = (outcome: ReturnType<typeof changeOf>) => ('problem' in outcome ? `${outcome.kind}: ${outcome.problem}` : 'done');

describe('a change of an aggregate', () => {
  it('sets, replaces and removes metadata', () => {
    const before = state({ metadata: { ssd: 'true', old: 'x' } });
    expect(nextOf(changeOf(before, { do: 'set-metadata', metadata: { ssd: 'false', old: null, gone: null, new: 'y' } }, undefined))).toMatchObject({ metadata: { ssd: 'false', new: 'y' } });
  });

  it('takes hosts in and lets them go', () => {
    const a = host('a');
    expect(nextOf(changeOf(state(), { do: 'add-host', host: 'a' }, a))).toMatchObject({ hosts: [a] });
    expect(nextOf(changeOf(state({ hosts: [a] }), { do: 'remove-host', host: 'a' }, a))).toMatchObject({ hosts: [] });
    expect(problemOf(changeOf(state({ hosts: [a] }), { do: 'add-host', host: 'a' }, a))).toBe('conflict: Aggregate 7 already has host a.');
    expect(problemOf(changeOf(state(), { do: 'add-host', host: 'b' }, undefined))).toBe('not-found: Compute host b could not be found.');
    expect(problemOf(changeOf(state(), { do: 'remove-host', host: 'a' }, a))).toBe('not-found: Cannot remove host a in aggregate 7');
  });

  it('is deleted only empty', () => {
    expect(nextOf(changeOf(state(), { do: 'delete' }, undefined))).toBe('gone');
    expect(problemOf(changeOf(state({ hosts: [host('a')] }), { do: 'delete' }, undefined))).toBe('bad-request: Cannot remove host from aggregate 7. Reason: Host aggregate is not empty.');
  });

  it.each([
    ['an empty zone', state(), { do: 'update', availabilityZone: null } as const, undefined, /^bad-request: Cannot update aggregate 7\. .*empty named availability zone/],
    ['an empty zone as metadata', state(), { do: 'set-metadata', metadata: { availability_zone: null } } as const, undefined, /^bad-request: Cannot update metadata of aggregate 7\. .*empty named/],
    ['a second zone for a host', state({ hosts: [host('a', { otherZone: 'east' })] }), { do: 'update', availabilityZone: 'west' } as const, undefined, /^bad-request: .*already in availability zone\(s\) east/],
    ['another zone for servers', state({ hosts: [host('a', { instances: 1 })] }), { do: 'update', availabilityZone: 'west' } as const, undefined, /^bad-request: .*contain instances in this zone/],
    ['a host of another zone', state({ metadata: { availability_zone: 'west' } }), { do: 'add-host', host: 'a' } as const, host('a', { otherZone: 'east' }), /^conflict: .*already in availability zone\(s\) east/],
    ['a host whose servers would change zone', state({ metadata: { availability_zone: 'west' } }), { do: 'add-host', host: 'a' } as const, host('a', { instances: 2 }), /^conflict: .*from 'nova' to 'west', but it has 2 instance/],
    ['to let go a host whose servers would', state({ metadata: { availability_zone: 'west' }, hosts: [host('a', { instances: 2 })] }), { do: 'remove-host', host: 'a' } as const, host('a', { instances: 2 }), /^conflict: .*from 'west' to 'nova'/],
  ])('refuses %s', (_what, before, change, named, problem) => {
    expect(problemOf(changeOf(before, change, named))).toMatch(problem);
  });

  it('allows what leaves servers in their zone', () => {
    const full = host('a', { instances: 3, homeZone: 'west' });
    expect(problemOf(changeOf(state({ metadata: { availability_zone: 'west' } }), { do: 'add-host', host: 'a' }, full))).toBe('done');
    expect(problemOf(changeOf(state({ hosts: [full] }), { do: 'update', availabilityZone: 'west' }, undefined))).toBe('done');
    expect(problemOf(changeOf(state({ hosts: [host('a', { instances: 3 })] }), { do: 'add-host', host: 'b' }, host('b', { instances: 9 })))).toBe('done');
  });
});

describe('how much there may be of aggregates', () => {
  const most = { count: 3, bytes: 100 };
  const of = (count: number, bytes: number): typeof most => ({ count, bytes });
  it.each([
    ['one more', of(2, 50), of(0, 0), of(1, 2), null],
    ['one too many', of(3, 50), of(0, 0), of(1, 2), 'There may be 3 aggregates, and there are as many. Delete one that is not needed.'],
    ['more, up to the limit', of(1, 60), of(1, 10), of(1, 40), null],
    ['more than the limit', of(1, 60), of(1, 10), of(1, 41), "The names, metadata and hosts' names of all aggregates may be 100 bytes together, and this would make it 101. Remove metadata or hosts that are not needed."],
    ['less of too much', of(1, 160), of(1, 50), of(1, 49), null],
    ['as much above all limits', of(9, 900), of(1, 5), of(1, 5), null],
  ])('%s', (_what, others, before, next, expected) => { expect(tooMany(others, before, next, most)).toBe(expected); });
});
