import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { grantToken, refuseProject, type GrantFacts, type ProjectStanding } from './grant-token.js';

const domain = { id: 'default', name: 'Default' };
const standing: ProjectStanding = { id: 'p', name: 'demo', domain, enabled: true, domainEnabled: true, roles: [{ id: 'r', name: 'member' }] };
const facts: GrantFacts = { user: { id: 'u', name: 'demo', domain, passwordExpiresAt: null }, methods: ['password'], parent: null, standing, now: 1_000, ttlS: 3_600, auditId: 'new' };

describe('granting a token', () => {
  it('gives a life of its own to a token from a password', () => {
    expect(grantToken(facts)).toMatchObject({ auditId: 'new', parentAuditId: null, issuedAt: 1_000, expiresAt: 4_600, methods: ['password'], project: { id: 'p' }, roles: [{ name: 'member' }] });
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

describe('a project is refused', () => {
  it.each<[string, ProjectStanding | null, string | undefined]>([
    ['when there is none', null, 'no such project'],
    ['when it is disabled', { ...standing, enabled: false }, 'the project is disabled'],
    ['when its domain is disabled', { ...standing, domainEnabled: false }, "the project's domain is disabled"],
    ['when the user has no role there', { ...standing, roles: [] }, 'the user has no role on the project'],
    ['not otherwise', standing, undefined],
  ])('%s', (_, given, reason) => {
    expect(refuseProject(given)).toBe(reason);
  });
});
