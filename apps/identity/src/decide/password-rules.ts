/**
 * Which passwords are good enough. Simple rules in words, no patterns: whoever is refused is told what would be accepted.
 * Pure: it sees a password and keeps nothing.
 */
export interface SimpleRules { minLength: number; minKinds: number }

const KINDS: readonly RegExp[] = [/\p{Ll}/u, /\p{Lu}/u, /\p{Nd}/u, /[^\p{Ll}\p{Lu}\p{Nd}]/u];

/** @returns what is wrong with it, in words for its owner; undefined: nothing. */
export function brokenRule(password: string, { minLength, minKinds }: SimpleRules, userName: string): string | undefined {
  if (password === '') return 'The password may not be empty.';
  if ([...password].length < minLength) return `The password does not meet the requirements: it must have at least ${minLength} characters.`;
  if (KINDS.filter((kind) => kind.test(password)).length < minKinds) {
    return `The password does not meet the requirements: it must have at least ${minKinds} of lower case letters, upper case letters, digits and other characters.`;
  }
  if (minLength > 0 && userName !== '' && password.toLowerCase() === userName.toLowerCase()) return "The password does not meet the requirements: it may not be the user's name.";
  return undefined;
}
