import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { brokenRule } from './password-rules.js';

const rules = { minLength: 8, minKinds: 3 };

describe('a password', () => {
  it.each([['Abcdefg1'], ['abcdefg-1'], ['пароль-Я1'], ['ABCDEFG 1x']])("'%s' is good enough", (password) => {
    expect(brokenRule(password, rules, 'demo')).toBeUndefined();
  });

  it.each<[string, string]>([
    ['', 'may not be empty'], ['Abcd-1', 'at least 8 characters'], ['abcdefgh', 'at least 3 of'], ['abcdefg1', 'at least 3 of'], ['😀😀😀😀', 'at least 8 characters'],
  ])("'%s' is not", (password, words) => {
    expect(brokenRule(password, rules, 'demo')).toContain(words);
  });

  it("is not its owner's name, in any spelling", () => {
    expect(brokenRule('Firstname.Lastname1', rules, 'firstname.lastname1')).toContain("the user's name");
  });

  it('may be anything but empty where there are no rules', () => {
    fc.assert(fc.property(fc.string({ minLength: 1 }), (password) => { expect(brokenRule(password, { minLength: 0, minKinds: 0 }, password)).toBeUndefined(); }));
  });
});
