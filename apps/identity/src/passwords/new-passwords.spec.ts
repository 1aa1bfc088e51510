import { describe, expect, it } from '@jest/globals';
import { DEFAULT_PASSWORD_RULES, type PasswordRules } from '../identity.config.js';
import { NewPasswords, type NewPasswordFacts } from './new-passwords.js';
import type { PasswordHasher } from './password-hasher.js';

/** Hashes that can be read, for the rules are what is tried here. */
const hasher = { hash: async (password: string) => `#${password}`, matches: async (encoded: string | null, password: string) => encoded === `#${password}` } as unknown as PasswordHasher;
const prepare = (password: string, rules: Partial<PasswordRules> = {}, facts: Partial<NewPasswordFacts> = {}) =>
  new NewPasswords(hasher, { region: 'r', tokenTtlS: 60, passwords: { ...DEFAULT_PASSWORD_RULES, ...rules } }).prepare(password, { userName: 'demo', history: [], byOwner: true, options: {}, ...facts });

describe('a new password', () => {
  it('by default needs eight characters and nothing else', async () => {
    expect(await prepare('aaaaaaaa', {}, { history: ['#aaaaaaaa'] })).toEqual({ hash: '#aaaaaaaa', expiresAt: null, mustChange: false, historyKept: 0 });
    await expect(prepare('aaaaaaa')).rejects.toMatchObject({ kind: 'bad-request' });
  });

  it('is none of the last ones, for its owner', async () => {
    const history = ['#password-1', '#password-2', '#password-3'];
    await expect(prepare('password-1', { history: 2 }, { history })).rejects.toMatchObject({ kind: 'bad-request', message: expect.stringContaining('previous password') });
    await expect(prepare('password-2', { history: 2 }, { history })).rejects.toMatchObject({ kind: 'bad-request' });
    expect(await prepare('password-3', { history: 2 }, { history })).toMatchObject({ historyKept: 1 });
    expect(await prepare('password-1', { history: 2 }, { history, byOwner: false })).toMatchObject({ hash: '#password-1' });
  });

  it('stays for a while, so that nobody runs through the history', async () => {
    const changedAt = new Date(Date.now() - 3_600_000);
    await expect(prepare('password-1', { minAgeDays: 1 }, { changedAt })).rejects.toMatchObject({ kind: 'bad-request', message: expect.stringContaining('minimum age of 1 day') });
    expect(await prepare('password-1', { minAgeDays: 1 }, { changedAt, byOwner: false })).toBeDefined();
    expect(await prepare('password-1', { minAgeDays: 1 }, { changedAt: new Date(Date.now() - 2 * 86_400_000) })).toBeDefined();
  });

  it('expires, unless its user is exempt', async () => {
    const { expiresAt } = await prepare('password-1', { expiryDays: 2 });
    expect(Math.abs((expiresAt?.getTime() ?? 0) - Date.now() - 2 * 86_400_000)).toBeLessThan(60_000);
    expect((await prepare('password-1', { expiryDays: 2 }, { options: { ignore_password_expiry: true } })).expiresAt).toBeNull();
  });

  it('that an admin has set is changed first, where that is the rule', async () => {
    const of = async (facts: Partial<NewPasswordFacts>) => (await prepare('password-1', { changeAtFirstUse: true }, facts)).mustChange;
    expect([await of({ byOwner: false }), await of({ byOwner: true }), await of({ byOwner: false, options: { ignore_change_password_upon_first_use: true } })]).toEqual([true, false, false]);
  });
});
