import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Caller } from '#libs/contracts';
import { allows, enforce, mayTry, POLICY_TABLE, type PolicyRule } from './policy-table.js';
import { explainRule } from './policy/explain.js';
import { ownOf, ROLES, type PolicyTarget, type Rule } from './policy/grants.js';

type Where = 'project' | 'domain' | 'system' | 'none';
const caller = (roles: string[], where: Where = 'project'): Caller => ({
  userId: 'u', userName: 'u', projectId: where === 'project' ? 'p' : null, projectName: null, domainId: 'd', roles, isAdmin: false, requestId: 'req-1',
  ...(where === 'domain' && { scopeDomainId: 'd' }), ...(where === 'system' && { isSystem: true }) });
const rules = Object.keys(POLICY_TABLE) as PolicyRule[];
const allowed = (roles: string[], where?: Where): PolicyRule[] => rules.filter((rule) => mayTry(rule, caller(roles, where)));

describe('the policy table', () => {
  it('allows an admin of a project everything', () => {
    expect(allowed(['admin'])).toEqual(rules);
  });

  it.each(['project', 'domain', 'system', 'none'] as const)('grows with every role (%s)', (where) => {
    const ladder = [[], ['reader'], ['member'], ['manager'], ['admin']].map((roles) => allowed(roles, where));
    ladder.forEach((upper, step) => expect(upper).toEqual(expect.arrayContaining(ladder[step - 1] ?? [])));
  });

  it('lets a reader change nothing of the project\'s', () => {
    const changes = allowed(['reader']).filter((rule) => /:(create|update|delete|upload|start|stop|reboot|add|remove|revoke)$/.test(rule));
    // All of these are the user's own, not the project's.
    expect(changes).toEqual([
      'identity:tokens:revoke', 'identity:credentials:create', 'identity:credentials:update', 'identity:credentials:delete',
      'identity:application-credentials:create', 'identity:application-credentials:delete', 'identity:access-rules:delete', 'compute:keypairs:create', 'compute:keypairs:delete',
    ]);
  });

  it('lets nobody but an admin beyond their own', () => {
    expect(allowed(['member', 'reader', 'manager']).filter((rule) => /-(all|any)$|any-user$|^skylite:(hosts|enrol|audit)/.test(rule))).toEqual([]);
  });

  it('gives a token without a project, or a role nobody knows, only what is about oneself', () => {
    for (const roles of [[], ['reader'], ['admin'], ['shoemaker']]) {
      expect(allowed(roles, 'none').filter((rule) => !/^identity:|^compute:(versions|extensions)|^skylite:policy:explain/.test(rule))).toEqual([]);
    }
    expect(allowed(['shoemaker'])).toEqual(allowed([]));
  });

  it('denies by default', () => {
    for (const name of ['compute:servers:explode', '', 'constructor', '__proto__', 'toString']) {
      expect(allows(name as PolicyRule, caller(['admin']))).toBe(false);
      expect(() => enforce(name as PolicyRule, caller(['admin']))).toThrow('You are not authorized');
    }
  });
});

describe('whose it is', () => {
  const manager = caller(['manager', 'member', 'reader'], 'domain');

  it('counts as somebody else\'s where it is not said', () => {
    expect(allows('identity:users:get', caller([], 'none'))).toBe(false);
    expect(allows('identity:users:get', caller([], 'none'), { userId: 'u' })).toBe(true);
    expect(allows('identity:users:update', manager, { userId: 'u' })).toBe(false);
    expect(allows('identity:users:update', manager, { domainId: null })).toBe(false);
    expect(allows('identity:users:update', manager, { domainId: [] })).toBe(false);
    expect(allows('identity:projects:get', { ...caller([], 'none'), projectId: null }, { projectId: null })).toBe(false);
  });

  it('is the domain of everything that is touched', () => {
    expect(allows('identity:group-members:add', manager, { domainId: ['d', 'd'] })).toBe(true);
    expect(allows('identity:group-members:add', manager, { domainId: ['d', 'other'] })).toBe(false);
    expect(allows('identity:group-members:add', manager, { domainId: ['d', undefined] })).toBe(false);
    expect(allows('identity:users:create', caller(['manager']), { domainId: 'd' })).toBe(false); // a project's manager
  });

  it('keeps the roles above their own from domain managers, whatever implies what', () => {
    for (const rule of ['identity:grants:create', 'identity:grants:revoke'] as const) {
      expect(allows(rule, manager, { domainId: 'd', roleNames: ['member', 'reader'] })).toBe(true);
      for (const roleNames of [['admin'], ['member', 'admin'], ['service'], ['own'], undefined]) {
        expect(allows(rule, manager, { domainId: 'd', roleNames })).toBe(false);
        expect(allows(rule, caller(['admin'], 'domain'), { domainId: 'd', roleNames })).toBe(false);
        expect(allows(rule, caller(['admin'], 'system'), { domainId: 'd', roleNames })).toBe(true);
      }
      expect(allows(rule, manager, { domainId: 'other', roleNames: ['member'] })).toBe(false);
    }
  });

  it('never helps anybody to more than their own does', () => {
    const text = fc.constantFrom('u', 'p', 'd', 'x', '', null, undefined);
    const target: fc.Arbitrary<PolicyTarget> = fc.record({ userId: text, projectId: text, domainId: fc.oneof(text, fc.array(text, { maxLength: 3 })), roleNames: fc.constantFrom(undefined, [], ['reader'], ['admin']) });
    fc.assert(fc.property(fc.constantFrom(...rules), fc.subarray([...ROLES, 'shoemaker']), fc.constantFrom('project', 'domain', 'system', 'none'), target, (rule, roles, where, some) => {
      const who = caller(roles, where as Where);
      if (allows(rule, who, some)) expect(mayTry(rule, who)).toBe(true);
      if (allows(rule, who)) expect(allows(rule, who, some)).toBe(true);
      expect(explainRule(rule, who, some).allowed).toBe(allows(rule, who, some));
    }), { numRuns: 2_000 });
  });
});

describe('an explanation', () => {
  it('says by which grant, or what each one lacks', () => {
    expect(explainRule('compute:servers:delete', caller(['member']), ownOf(caller(['member'])))).toMatchObject({ allowed: true, because: 'Allowed as member by project token, of that project.' });
    const no = explainRule('compute:servers:delete', caller(['reader']), { projectId: 'x' });
    expect(no.allowed).toBe(false);
    expect(no.grants).toEqual([
      { who: 'member by project token, of that project', holds: false, missing: ['needs the role member, and the token has reader', "it is not the token's project's"] },
      { who: 'admin by project token', holds: false, missing: ['needs the role admin, and the token has reader'] },
    ]);
    expect(explainRule('skylite:hosts:list', caller(['admin'], 'domain'), {}).grants[0]?.missing).toEqual(['needs a token for a project or the system, and this one is for a domain']);
    expect(explainRule('compute:servers:explode', caller(['admin']), {})).toMatchObject({ allowed: false, grants: [] });
  });

  it('has no rule without a grant', () => {
    expect(rules.filter((rule) => (POLICY_TABLE[rule] as Rule).length === 0)).toEqual([]);
  });
});
