import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { allows, ownOf, POLICY_TABLE, type PolicyRule, type PolicyTarget } from '#libs/auth';
import type { Caller } from '#libs/contracts';

const file = join(resolve(import.meta.dirname, '../..'), 'docs/policy-matrix.txt');
const rules = (Object.keys(POLICY_TABLE) as PolicyRule[]).sort();

const SCOPES = ['project', 'domain', 'system', 'unscoped'] as const;
type Where = (typeof SCOPES)[number];
/** What a token of each role holds, as identity writes it out. */
const HELD: Record<string, string[]> = {
  '-': [], r: ['reader'], m: ['member', 'reader'], g: ['manager', 'member', 'reader'], a: ['admin', 'manager', 'member', 'reader'], s: ['service'],
};
const FOREIGN: PolicyTarget = { userId: 'another', projectId: 'another', domainId: 'another', roleNames: ['reader'] };

const caller = (where: Where, role: string): Caller => ({
  userId: 'me', userName: 'me', projectId: where === 'project' ? 'mine' : null, projectName: null, domainId: 'home', roles: HELD[role] ?? [], isAdmin: role === 'a', requestId: 'req-1',
  ...(where === 'domain' && { scopeDomainId: 'home' }), ...(where === 'system' && { isSystem: true }),
});
/** `A`: with anybody's; `o`: with one's own alone; `.`: not at all. */
function cell(rule: PolicyRule, where: Where, role: string): string {
  const who = caller(where, role);
  if (allows(rule, who, FOREIGN)) return allows(rule, who, ownOf(who)) ? 'A' : '!';
  return allows(rule, who, ownOf(who)) ? 'o' : '.';
}
const rolesOf = (where: Where): string[] => (where === 'unscoped' ? ['-'] : Object.keys(HELD));

describe('the policy matrix', () => {
  it('is the one that is checked in: every rule, for every role, scope and owner', () => {
    const width = Math.max(...rules.map((rule) => rule.length)) + 2;
    const head = [
      'Who may do what (libs/auth/policy; this file is written by `npm run generate`).',
      'Columns: the scope of the token; within it the role: - none, r reader, m member, g manager, a admin, s service.',
      'A: with anybody\'s.  o: with what is one\'s own alone (project, user, or domain).  . : denied.  Own and foreign are judged where the thing is owned.',
      '', `${''.padEnd(width)}${SCOPES.map((scope) => scope.padEnd(9)).join('')}`.trimEnd(), `${''.padEnd(width)}${SCOPES.map((scope) => rolesOf(scope).join('').padEnd(9)).join('')}`.trimEnd(),
    ];
    const text = `${[...head, ...rules.map((rule) => `${rule.padEnd(width)}${SCOPES.map((scope) => rolesOf(scope).map((role) => cell(rule, scope, role)).join('').padEnd(9)).join('')}`.trimEnd())].join('\n')}\n`;
    if (process.env.SKYLITE_GENERATE === '1') writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });

  describe('keeps the house rules:', () => {
    const where = (scopes: readonly Where[], roles: string[], what: RegExp, which: (rule: PolicyRule) => boolean = () => true): PolicyRule[] =>
      rules.filter((rule) => which(rule) && scopes.some((scope) => roles.some((role) => rolesOf(scope).includes(role) && what.test(cell(rule, scope, role)))));
    const isChange = (rule: string): boolean => !/:(list|get|check|validate|explain|download|model|catalog|projects|domains|groups|system|fit|capacity|timeline|scheduling|inspect|detail|run|history|topology)(-all|-any|-tree|-hidden)?$/.test(rule);

    it('what is allowed with others\' is allowed with one\'s own', () => {
      expect(where(SCOPES, Object.keys(HELD), /!/)).toEqual([]);
    });

    it('nobody but an admin, or a part of the cloud, changes anything of others', () => {
      // One's own token; which things of others these mean, their owners ask with a rule of its own.
      expect(where(SCOPES, ['-', 'r', 'm', 'g', 's'], /A/, isChange)).toEqual(['identity:tokens:revoke']);
    });

    it('a token for a project reaches into no other without admin, except for what has no owner', () => {
      expect(where(['project'], ['r', 'm', 'g'], /A/).filter((rule) => !where(['project'], ['-'], /A/).includes(rule))).toEqual([
        'compute:availability-zones:list', 'compute:flavor-extra-specs:get', 'compute:flavor-extra-specs:list', 'compute:flavors:get', 'compute:flavors:list',
        'image:images:download', 'image:images:get', 'image:images:list', 'image:info:get', 'image:members:get', 'image:members:list', 'image:schemas:get', 'image:stores:list', 'image:tasks:list',
        'skylite:placement:capacity', 'skylite:placement:fit', 'skylite:zones:list',
      ]);
    });

    it('a token for a domain reaches into no other, with whatever role', () => {
      expect(where(['domain'], ['r', 'm', 'g', 'a', 's'], /A/).filter((rule) => !where(['unscoped'], ['-'], /A/).includes(rule))).toEqual(['identity:roles:get', 'identity:roles:list']);
    });

    it('only identity and Skylite\'s own take tokens for anything but a project', () => {
      expect(where(['domain', 'system', 'unscoped'], Object.keys(HELD), /[Ao]/, (rule) => !/^(identity|skylite):/.test(rule))).toEqual(['compute:extensions:list', 'compute:versions:get']);
    });

    it('without a role one sees oneself, and what everybody may know', () => {
      expect(where(SCOPES, ['-'], /A/)).toEqual([
        'compute:extensions:list', 'compute:versions:get', 'identity:auth:catalog', 'identity:auth:domains', 'identity:auth:projects', 'identity:auth:system', 'identity:limits:list', 'identity:limits:model', 'identity:not-offered:get', 'identity:password-rules:get',
        'identity:regions:get', 'identity:regions:list', 'identity:registered-limits:get', 'identity:registered-limits:list', 'identity:tokens:revoke', 'identity:tokens:validate',
      ]);
    });

    it('the service role asks about tokens and limits, and nothing else', () => {
      expect(where(SCOPES, ['s'], /A/).filter((rule) => !where(SCOPES, ['-'], /A/).includes(rule))).toEqual(['identity:limits:get', 'identity:limits:get-any', 'identity:tokens:validate-any']);
    });

    it('nobody makes an application credential for somebody else', () => {
      expect(where(SCOPES, Object.keys(HELD), /A/, (rule) => rule === 'identity:application-credentials:create')).toEqual([]);
    });
  });
});
