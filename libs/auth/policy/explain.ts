import type { Caller } from '#libs/contracts';
import { isRule, POLICY_TABLE } from '../policy-table.js';
import { grantWords, scopeOf, unmet, type PolicyTarget, type Rule } from './grants.js';

/** Why a rule says yes or no: every grant of it, and what each one lacks. */
export interface PolicyExplanation {
  rule: string;
  allowed: boolean;
  /** One sentence for people. */
  because: string;
  grants: { who: string; holds: boolean; missing: string[] }[];
}

/** The same decision as `allows`, with its reasons. */
export function explainRule(rule: string, caller: Caller, target: PolicyTarget): PolicyExplanation {
  if (rule === 'public') return { rule, allowed: true, because: 'No token is needed for it.', grants: [] };
  if (!isRule(rule)) return { rule, allowed: false, because: 'There is no such rule, and what no rule allows is denied.', grants: [] };
  const table: Rule = POLICY_TABLE[rule];
  const grants = table.map((grant) => {
    const missing = unmet(grant, caller, target);
    return { who: grantWords(grant), holds: missing.length === 0, missing };
  });
  const met = grants.filter((grant) => grant.holds);
  const held = `${caller.roles.length === 0 ? 'no role' : caller.roles.join(', ')} on ${{ project: 'the project', domain: 'the domain', system: 'the system', none: 'nothing' }[scopeOf(caller)]}`;
  return {
    rule, allowed: met.length > 0, grants,
    because: met.length > 0 ? `Allowed as ${met.map((grant) => grant.who).join('; ')}.` : `Denied: ${held} is none of: ${grants.map((grant) => grant.who).join('; ')}.`,
  };
}
