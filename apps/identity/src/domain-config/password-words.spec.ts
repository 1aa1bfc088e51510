import { expect, it } from '@jest/globals';
import { complianceOf } from './password-words.js';

it('says of passwords what is asked of them', () => {
  expect(complianceOf({ minLength: 8, minKinds: 0 })).toEqual({ password_regex: '^[\\s\\S]{8,}$', password_regex_description: 'A password has at least 8 characters.' });
  expect(complianceOf({ minLength: 12, minKinds: 3 }).password_regex_description).toBe('A password has at least 12 characters, and at least 3 of: lower case letters, upper case letters, digits, others.');
  expect(complianceOf({ minLength: 0, minKinds: 4 })).toEqual({ password_regex: null, password_regex_description: 'A password has all of: lower case letters, upper case letters, digits, others.' });
  expect(complianceOf({ minLength: 0, minKinds: 0 })).toEqual({ password_regex: null, password_regex_description: null });
});
