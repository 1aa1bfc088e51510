import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { grantToken, refuseCredential, refuseScope, type GrantFacts, type ProjectStanding, type Standing, type UsedCredential } from './grant-token.js';

const domain = { id: 'default', name: 'Default' };
const standing: ProjectStanding = { kind: 'project', id: 'p', name: 'demo', domain, enabled: true, domainEnabled: true, roles: [{ id: 'r', name: 'member' }] };
const facts: GrantFacts = { user: { id: 'u', name: 'demo', domain, passwordExpiresAt: null }, methods: ['password'], parent: null, standing, credential: null, snapshot: '7:9:8', now: 1_000, ttlS: 3_600, auditId: 'new' };

describe('granting a token', () => {
  it('gives a life of its own to a token from a password', () => {
    expect(grantToken(facts)).toMatchObject({ auditId: 'new', parentAuditId: null, issuedAt: 1_000, expiresAt: 4_600, methods: ['password'], project: { id: 'p' }, roles: [{ name: 'member' }] });
  });

  it('says by what it was made, in fractions of a second', () => {
    expect(grantToken({ ...facts, now: 1_000.25 })).toMatchObject({ issuedAt: 1_000.25, expiresAt: 4_600, snapshot: '7:9:8' });
  });

  it('knows of the transactions that ran, of as many as it can carry', () => {
    const snapshotOf = (running: number): string => `987654321:${987654321 + running}:${Array.from({ length: running }, (_, n) => 987654321 + n).join()}`;
    for (const running of [0, 11, 60]) expect(grantToken({ ...facts, snapshot: snapshotOf(running) }).snapshot).toBe(snapshotOf(running));
    const [oldest, next, kept = ''] = grantToken({ ...facts, snapshot: snapshotOf(500) }).snapshot?.split(':') ?? [];
    // Everything from the first that does not fit counts as not seen.
    expect([oldest, Number(next)]).toEqual(['987654321', 987654321 + kept.split(',').length]);
    expect(kept.split(',').length).toBeGreaterThan(60);
  });

  it('is for a domain or the system', () => {
    expect(grantToken({ ...facts, standing: { kind: 'domain', ...domain, enabled: true, roles: standing.roles } })).toMatchObject({ project: null, scopeDomain: domain, roles: standing.roles });
    const system = grantToken({ ...facts, standing: { kind: 'system', roles: standing.roles } });
    expect(system).toMatchObject({ project: null, system: true, roles: standing.roles });
    expect(system.scopeDomain).toBeUndefined();
  });

  it('gives no roles without a scope', () => {
    expect(grantToken({ ...facts, standing: null })).toMatchObject({ project: null, roles: [] });
  });

  it('never lets a chain of tokens outlive its first, and names that one', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 10_000 }), fc.array(fc.tuple(fc.nat({ max: 500 }), fc.integer({ min: 1, max: 10_000 })), { minLength: 1, maxLength: 8 }), (ttlS, steps) => {
      const first = grantToken({ ...facts, ttlS, auditId: 'first' });
      let [last, now] = [first, facts.now];
      for (const [later, ttl] of steps) {
        now += later;
        last = grantToken({ ...facts, methods: ['token'], parent: last, now, ttlS: ttl, auditId: `at ${now}` });
        expect(last.expiresAt).toBeLessThanOrEqual(first.expiresAt);
        expect(last.parentAuditId).toBe('first');
        expect(last.methods).toEqual(['password', 'token']);
      }
    }));
  });
});

describe('a scope is refused', () => {
  it.each<[string, Standing | null, string | undefined]>([
    ['when there is none', null, 'no such project or domain'],
    ['when the domain is disabled', { kind: 'domain', ...domain, enabled: false, roles: standing.roles }, 'the domain is disabled'],
    ['when the user has no role on the domain', { kind: 'domain', ...domain, enabled: true, roles: [] }, 'the user has no role on the domain'],
    ['when the user has no role on the system', { kind: 'system', roles: [] }, 'the user has no role on the system'],
    ['not on the system otherwise', { kind: 'system', roles: standing.roles }, undefined],
    ['when the project is disabled', { ...standing, enabled: false }, 'the project is disabled'],
    ["when the project's domain is disabled", { ...standing, domainEnabled: false }, "the project's domain is disabled"],
    ['when the user has no role there', { ...standing, roles: [] }, 'the user has no role on the project'],
    ['not otherwise', standing, undefined],
  ])('%s', (_, given, reason) => {
    expect(refuseScope(given)).toBe(reason);
  });
});

describe('an application credential', () => {
  const credential: UsedCredential = { id: 'c', name: 'ci', restricted: true, ruled: false, roleIds: ['r'], expiresAt: 2_000.5 };
  const two = { ...standing, roles: [...standing.roles, { id: 's', name: 'reader' }] };

  it('gives its own roles alone, and for as long as it lives itself', () => {
    expect(grantToken({ ...facts, standing: two, credential })).toMatchObject({
      roles: standing.roles, expiresAt: 2_000, applicationCredential: { id: 'c', name: 'ci', restricted: true, ruled: false } });
  });

  it.each<[string, Partial<UsedCredential>, number, string | undefined]>([
    ['has expired', { expiresAt: 1_000 }, 1_000, 'the application credential has expired'],
    ['has a role that its owner has lost', { roleIds: ['r', 'x'] }, 1_000, 'its owner has lost a role of the application credential'],
    ['has no role any more', { roleIds: [] }, 1_000, 'its owner has lost a role of the application credential'],
    ['has all of it', {}, 1_000, undefined],
    ['never expires', { expiresAt: null }, 9e9, undefined],
  ])('that %s', (_, over, now, reason) => {
    expect(refuseCredential({ ...credential, ...over }, two, now)).toBe(reason);
  });
});
