import { describe, expect, it } from '@jest/globals';
import type { Caller } from '#libs/contracts';
import { allows, enforce, POLICY_TABLE, type PolicyRule } from './policy-table.js';

const caller = (roles: string[], projectId: string | null = 'p'): Caller => ({
  userId: 'u', userName: 'u', projectId, projectName: projectId, domainId: 'default', roles, isAdmin: roles.includes('admin'), requestId: 'req-1' });
const rules = Object.keys(POLICY_TABLE) as PolicyRule[];
const allowed = (roles: string[], projectId?: string | null): PolicyRule[] => rules.filter((rule) => allows(rule, caller(roles, projectId)));

describe('the policy table', () => {
  it('allows an admin everything', () => {
    expect(allowed(['admin'])).toEqual(rules);
  });

  it('grows with every role', () => {
    const ladder = [[], ['reader'], ['member'], ['manager'], ['admin']].map((roles) => allowed(roles));
    ladder.forEach((upper, step) => expect(upper).toEqual(expect.arrayContaining(ladder[step - 1] ?? [])));
    const sizes = ladder.map((step) => step.length);
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    expect(new Set(sizes).size).toBe(4); // a manager may what a member may, so far
  });

  it('lets a reader change nothing of the project\'s', () => {
    const changes = allowed(['reader']).filter((rule) => /:(create|update|delete|upload|start|stop|reboot)$/.test(rule));
    // Keypairs are the user's own, not the project's.
    expect(changes).toEqual(['compute:keypairs:create', 'compute:keypairs:delete']);
  });

  it('lets nobody but an admin beyond their own', () => {
    expect(allowed(['member', 'reader', 'manager']).filter((rule) => /-(all|any)$|any-user$|^skylite:(hosts|enrol)/.test(rule))).toEqual([]);
  });

  it('gives a token without a project, or a role nobody knows, only what is about oneself', () => {
    const expected = rules.filter((rule) => allows(rule, caller([], null)));
    expect(allowed(['reader'], null)).toEqual(expected);
    expect(allowed(['member'], null)).toEqual(expected);
    expect(allowed(['shoemaker'])).toEqual(expected);
    expect(expected.filter((rule) => rule.startsWith('compute:servers') || rule.startsWith('image:'))).toEqual([]);
  });

  it('denies by default', () => {
    for (const name of ['compute:servers:explode', '', 'constructor', '__proto__', 'toString']) {
      expect(allows(name as PolicyRule, caller(['admin']))).toBe(false);
      expect(() => enforce(name as PolicyRule, caller(['admin']))).toThrow('You are not authorized');
    }
  });
});
