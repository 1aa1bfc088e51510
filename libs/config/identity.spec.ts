import { describe, expect, it } from '@jest/globals';
import { loadIdentityConfig } from './identity.js';
import { launcherTunables } from './launcher.js';

describe("identity's settings", () => {
  it('lock accounts and addresses by default, and ask eight characters of a password', () => {
    expect(loadIdentityConfig({})).toEqual({
      allowExpiredS: 172_800,
      logins: { accountFailures: 5, everywhereFailures: 100, addressFailures: 50, delayS: 1, longestDelayS: 300, forgetS: 900 },
      passwords: { minLength: 8, minKinds: 0, history: 0, expiryDays: 0, minAgeDays: 0, changeAtFirstUse: false },
    });
  });

  it('come through `up`, with the proxies that are believed: addresses count for nothing without them', () => {
    const said = { SKYLITE_IDENTITY_LOCKOUT_EVERYWHERE_FAILURES: '50', SKYLITE_TRUSTED_PROXIES: '127.0.0.1' };
    expect(launcherTunables(said)).toEqual(said);
  });

  it('are what the operator says', () => {
    expect(loadIdentityConfig({ SKYLITE_IDENTITY_LOCKOUT_FAILURES: '0', SKYLITE_IDENTITY_PASSWORD_HISTORY: '3', SKYLITE_IDENTITY_PASSWORD_CHANGE_FIRST: 'true' }))
      .toMatchObject({ logins: { accountFailures: 0 }, passwords: { history: 3, changeAtFirstUse: true } });
  });

  it.each([['SKYLITE_IDENTITY_PASSWORD_MIN_KINDS', '5'], ['SKYLITE_IDENTITY_LOCKOUT_DELAY_S', '0'], ['SKYLITE_IDENTITY_PASSWORD_CHANGE_FIRST', 'perhaps']])('refuse %s=%s by name', (name, value) => {
    expect(() => loadIdentityConfig({ [name]: value })).toThrow(name);
  });
});
