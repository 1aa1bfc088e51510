import { expect, it } from '@jest/globals';
import { randomIds } from '#libs/http';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { CredentialSecrets } from './credential-secrets.js';

it('costs a password hash for every wrong secret, of whatever credential, and for none', async () => {
  let hashes = 0;
  class Counting extends PasswordHasher {
    override matches(encoded: string | null, password: string): Promise<boolean> { hashes += 1; return super.matches(encoded, password); }
  }
  const secrets = new CredentialSecrets(new Counting());
  const made = await secrets.make(undefined, randomIds);
  const chosen = await secrets.make('a word', randomIds);
  for (const stored of [null, made.hash, chosen.hash]) expect(await secrets.matches(stored, 'wrong')).toBe(false);
  expect(hashes).toBe(3);
  // Machines that know their secret log in by thousands a second.
  expect([await secrets.matches(made.hash, made.secret), hashes]).toEqual([true, 3]);
  expect(await secrets.matches(chosen.hash, 'a word')).toBe(true);
});
