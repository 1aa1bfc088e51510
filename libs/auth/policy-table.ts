import type { Caller } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { COMPUTE_RULES } from './policy/compute.js';
import { holds, ownOf, type PolicyTarget, type Rule } from './policy/grants.js';
import { IDENTITY_RULES } from './policy/identity.js';
import { IMAGE_RULES } from './policy/image.js';
import { PLACEMENT_RULES } from './policy/placement.js';
import { SKYLITE_RULES } from './policy/skylite.js';

/**
 * Rule -> who: any one of its grants is enough, and a rule that is not here allows nobody. Rules of a service stand in
 * policy/<service>.ts; the whole table, spelled out for every role, scope and owner, in docs/policy-matrix.txt.
 */
export const POLICY_TABLE = { ...IDENTITY_RULES, ...IMAGE_RULES, ...COMPUTE_RULES, ...PLACEMENT_RULES, ...SKYLITE_RULES } as const;

export type PolicyRule = keyof typeof POLICY_TABLE;

export const isRule = (name: string): name is PolicyRule => Object.hasOwn(POLICY_TABLE, name);

const NOBODYS: PolicyTarget = {};

/**
 * May they, with this thing? What is not said of the thing counts as somebody else's: without a target only those are
 * allowed who may do it with anybody's.
 */
export function allows(rule: PolicyRule, caller: Caller, target: PolicyTarget = NOBODYS): boolean {
  if (!isRule(rule)) return false;
  const grants: Rule = POLICY_TABLE[rule];
  return grants.some((grant) => holds(grant, caller, target));
}

/** May they with what is their own? The question at the door, where whose a thing is is not known yet: the service that owns it asks again. */
export const mayTry = (rule: PolicyRule, caller: Caller): boolean => allows(rule, caller, ownOf(caller));

/** @throws SkyError `forbidden`, in Keystone's and Nova's common words. */
export function enforce(rule: PolicyRule, caller: Caller, target: PolicyTarget = NOBODYS): void {
  if (!allows(rule, caller, target)) throw forbidden(`You are not authorized to perform the requested action: ${rule}.`);
}
