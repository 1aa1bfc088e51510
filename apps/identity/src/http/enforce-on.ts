import { enforce, type PolicyRule, type PolicyTarget } from '#libs/auth';
import type { Caller } from '#libs/contracts';

/** What a rule is asked about: the domain that owns it, and whose it is. */
export type Target = PolicyTarget;

/** The rule, for one thing. */
export const enforceOn = (rule: PolicyRule, caller: Caller, target: Target): void => enforce(rule, caller, target);
