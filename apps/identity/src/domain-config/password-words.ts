/** What passwords must be like, as Keystone tells it: by an expression that a form can check, and in words. Pure. */
import type { PasswordRules } from '../identity.config.js';

export type OptionGroup = Readonly<Record<string, string | null>>;

/** The expression says the length alone: which kinds of characters there must be is for the words, and decided here. */
export function complianceOf({ minLength, minKinds }: Pick<PasswordRules, 'minLength' | 'minKinds'>): OptionGroup {
  const words = [
    ...(minLength > 0 ? [`at least ${minLength} characters`] : []),
    ...(minKinds > 1 ? [`${minKinds === 4 ? 'all' : `at least ${minKinds}`} of: lower case letters, upper case letters, digits, others`] : []),
  ];
  return {
    password_regex: minLength > 0 ? `^[\\s\\S]{${minLength},}$` : null,
    password_regex_description: words.length === 0 ? null : `A password has ${words.join(', and ')}.`,
  };
}
