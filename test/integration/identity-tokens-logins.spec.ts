import { hash } from '@node-rs/argon2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { Housekeeping } from '../../apps/identity/src/housekeeping.js';
import { SigningKeysRepository } from '../../apps/identity/src/keys/signing-keys.repository.js';
import { LoginsRepository } from '../../apps/identity/src/logins/logins.repository.js';
import { Logins } from '../../apps/identity/src/logins/logins.js';
import { RevocationFeedRepository } from '../../apps/identity/src/revocations/revocation-feed.repository.js';
import { ADMIN, byName, DEMO, IdentityUnderTest, project, tokenOf, type Answer } from '../support/identity.js';

let identity: IdentityUnderTest;
beforeAll(async () => {
  identity = await IdentityUnderTest.start({
    logins: { accountFailures: 3, everywhereFailures: 8, addressFailures: 6, delayS: 10, longestDelayS: 60, forgetS: 900 },
    passwords: { minLength: 8, minKinds: 2, history: 3, expiryDays: 90, minAgeDays: 0, changeAtFirstUse: true },
  });
});
afterAll(async () => { await identity.stop(); });
beforeEach(async () => { await identity.database.admin.query('DELETE FROM identity.login_failures'); });

const tryAs = (name: string, password: string, address: string): Promise<Answer> => identity.login(byName(name, password), undefined, '', address);
const waitOf = (answer: Answer): [number, number] => [answer.status, Number(answer.headers['retry-after'])];
/** The time that a wait takes passes at once. */
const later = (): Promise<unknown> => identity.database.admin.query("UPDATE identity.login_failures SET blocked_until = blocked_until - interval '1 hour'");

describe('failed logins', () => {
  it.each([['a user', 'demo'], ['nobody', 'no-such-user']])('make %s wait, longer with every one', async (_, name) => {
    for (let n = 0; n < 3; n += 1) expect((await tryAs(name, 'wrong', '10.0.1.1')).status).toBe(401);
    const first = await tryAs(name, DEMO, '10.0.1.1');
    expect(waitOf(first)).toEqual([429, 10]);
    expect(first.body.error).toEqual({ code: 429, title: 'Too Many Requests', message: 'Too many failed logins. Wait before the next one.' });
    await later();
    expect((await tryAs(name, 'wrong', '10.0.1.1')).status).toBe(401);
    expect(waitOf(await tryAs(name, 'wrong', '10.0.1.1'))).toEqual([429, 20]);
    // The address' own count would make it wait too.
    await identity.database.admin.query("DELETE FROM identity.login_failures WHERE subject LIKE 'address/%'");
    for (const wait of [40, 60]) {
      await later();
      expect((await tryAs(name, 'wrong', '10.0.1.1')).status).toBe(401);
      expect(waitOf(await tryAs(name, 'wrong', '10.0.1.1'))).toEqual([429, wait]);
    }
    // Nobody else has to wait for it.
    expect((await tryAs(name, 'wrong', '10.0.1.2')).status).toBe(401);
  });

  const guess = (user: object, address: string): Promise<Answer> => identity.login({ methods: ['password'], password: { user: { ...user, password: 'wrong' } } }, undefined, '', address);
  it('do not tell who exists: a nobody waits by every way of writing its name, as somebody does', async () => {
    const { id } = (await tryAs('demo', DEMO, '10.5.9.9')).body.token.user;
    const waysOf = (name: string) => [{ name, domain: { id: 'default' } }, { name, domain: { name: 'Default' } }, { name, domain: { id: 'default', name: 'x' } }];
    for (const [at, users] of [waysOf('demo'), waysOf('no-such-user'), [{ id, name: 'n1' }, { id, name: 'n2' }, { id, domain: { id: 'x' } }], ['1', '2', '3'].map((name) => ({ id: 'f'.repeat(32), name }))].entries()) {
      const statuses: number[] = [];
      for (const user of [...users, ...users]) statuses.push((await guess(user, `10.5.0.${at}`)).status);
      expect([at, statuses]).toEqual([at, [401, 401, 401, 429, 429, 429]]);
    }
    const credential = (user: object) => identity.login({ methods: ['application_credential'], application_credential: { name: 'none', user, secret: 'x' } }, undefined, '', '10.5.1.1');
    for (const user of [{ id }, ...waysOf('demo').slice(1)]) expect((await credential(user)).status).toBe(401);
    expect((await credential({ id })).status).toBe(429);
  });

  it('of strangers do not keep the owner out, where they have logged in lately', async () => {
    expect((await tryAs('demo', DEMO, '10.6.0.1')).status).toBe(201);
    for (let n = 0; n < 8; n += 1) expect((await tryAs('demo', 'wrong', `10.6.1.${n}`)).status).toBe(401);
    expect((await tryAs('demo', DEMO, '10.6.2.1')).status).toBe(429);
    expect((await tryAs('demo', DEMO, '10.6.0.1')).status).toBe(201);
    // There, too, guesses are bounded.
    for (let n = 0; n < 3; n += 1) expect((await tryAs('demo', 'wrong', '10.6.0.1')).status).toBe(401);
    expect((await tryAs('demo', DEMO, '10.6.0.1')).status).toBe(429);
    await identity.database.admin.query("UPDATE identity.login_failures SET last_at = now() - interval '31 days' WHERE failures = 0");
    await identity.database.admin.query("DELETE FROM identity.login_failures WHERE subject LIKE 'pair/%'");
    expect((await tryAs('demo', DEMO, '10.6.0.1')).status).toBe(429);
  });

  it('are one account\'s by whatever name it is called', async () => {
    const { id } = (await tryAs('demo', DEMO, '10.0.0.1')).body.token.user;
    await tryAs('demo', 'wrong', '10.0.0.1');
    await guess({ id }, '10.0.0.1');
    await guess({ name: 'demo', domain: { name: 'Default' } }, '10.0.0.1');
    expect((await tryAs('demo', DEMO, '10.0.0.1')).status).toBe(429);
    expect((await tryAs('admin', ADMIN, '10.0.0.1')).status).toBe(201);
  });

  it('are forgotten by a good one, and after a while', async () => {
    for (let n = 0; n < 2; n += 1) await tryAs('demo', 'wrong', '10.0.0.1');
    expect((await tryAs('demo', DEMO, '10.0.0.1')).status).toBe(201);
    for (let n = 0; n < 2; n += 1) expect((await tryAs('demo', 'wrong', '10.0.0.1')).status).toBe(401);
    await identity.database.admin.query("UPDATE identity.login_failures SET last_at = now() - interval '901 s'");
    for (let n = 0; n < 2; n += 1) expect((await tryAs('demo', 'wrong', '10.0.0.1')).status).toBe(401);
    expect((await tryAs('demo', DEMO, '10.0.0.1')).status).toBe(201);
  });

  it('of one address make it wait, whoever it says it is; its network too, when that is IPv6', async () => {
    for (let n = 0; n < 6; n += 1) expect((await tryAs(`user-${n}`, 'wrong', `2001:db8:0:1::${n}`)).status).toBe(401);
    expect((await tryAs('demo', DEMO, '2001:db8:0:1:ffff::9')).status).toBe(429);
    expect((await tryAs('demo', DEMO, '2001:db8:0:2::1')).status).toBe(201);
    for (let n = 0; n < 6; n += 1) expect((await tryAs(`user-${n}`, 'wrong', '10.9.9.9')).status).toBe(401);
    expect((await tryAs('demo', DEMO, '10.9.9.9')).status).toBe(429);
    // A proxy on the same machine: it must not make everybody wait.
    for (let n = 0; n < 7; n += 1) expect((await tryAs(`user-${n}-b`, 'wrong', n % 2 ? '127.0.0.1' : '::ffff:127.0.0.1')).status).toBe(401);
    expect((await tryAs('demo', DEMO, '127.0.0.1')).status).toBe(201);
  });

  it('are removed when they are forgotten, with all else that is over', async () => {
    await tryAs('demo', 'wrong', '10.4.0.1');
    const { admin, db } = identity.database;
    await admin.query("UPDATE identity.login_failures SET last_at = now() - interval '1 day', blocked_until = NULL");
    await tryAs('demo-2', 'wrong', '10.4.0.2');
    await admin.query("INSERT INTO identity.revocations (user_id, expires_at) VALUES ('over', now() - interval '49 hours'), ('ended', now() - interval '47 hours'), ('alive', now() + interval '1 hour')");
    await admin.query("INSERT INTO identity.signing_keys (kid, private_jwk, public_jwk, retired_at) VALUES ('old', '{}', '{}', now() - interval '31 days'), ('recent', '{}', '{}', now() - interval '1 day')");
    const config = { region: 'r', tokenTtlS: 60 };
    await new Housekeeping(new RevocationFeedRepository(db, config), new Logins(new LoginsRepository(db), config), new SigningKeysRepository(db), pino({ enabled: false })).run();
    const left = async (query: string): Promise<unknown[]> => (await admin.query<{ it: unknown }>(query)).rows.map(({ it }) => it);
    expect(await left('SELECT count(*)::int AS it FROM identity.login_failures')).toEqual([3]);
    expect(await left("SELECT user_id AS it FROM identity.revocations WHERE user_id IN ('over', 'ended', 'alive') ORDER BY 1")).toEqual(['alive', 'ended']);
    expect(await left("SELECT kid AS it FROM identity.signing_keys WHERE kid IN ('old', 'recent')")).toEqual(['recent']);
    await admin.query("DELETE FROM identity.signing_keys WHERE kid = 'recent'");
  });

  it('that come all at once tell no more than the first few', async () => {
    const answers = await Promise.all(Array.from({ length: 24 }, (_, n) => tryAs('demo', 'wrong', `10.1.0.${n}`)));
    const told = answers.filter(({ status }) => status === 401).length;
    expect(told).toBe(8);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(16);
    expect((await tryAs('demo', DEMO, '10.1.1.1')).status).toBe(429);
    const alike = await Promise.all(Array.from({ length: 24 }, () => tryAs('admin', 'wrong', '10.1.2.1')));
    expect(alike.filter(({ status }) => status === 401)).toHaveLength(3);
  });

  it('of application credentials count as well', async () => {
    const proof = { methods: ['application_credential'], application_credential: { id: '0'.repeat(32), secret: 'x' } };
    for (let n = 0; n < 3; n += 1) expect((await identity.login(proof, undefined, '', '10.2.0.1')).status).toBe(401);
    expect((await identity.login(proof, undefined, '', '10.2.0.1')).status).toBe(429);
  });

  it('are written down, without what was tried', async () => {
    await identity.database.admin.query('SELECT 1');
    await tryAs('demo', 'not-the-password', '10.3.0.1');
    const { rows: [row] } = await identity.database.admin.query("SELECT user_name, address, outcome, request_id, detail::text FROM audit.records WHERE action = 'auth:login' ORDER BY id DESC LIMIT 1");
    expect(row).toMatchObject({ user_name: 'demo', address: '10.3.0.1', outcome: 'failure', request_id: expect.stringMatching(/^req-/), detail: expect.stringContaining('wrong password') });
    expect(JSON.stringify(row)).not.toContain('not-the-password');
    expect(identity.log.join()).not.toContain('not-the-password');
  });

  it('are written down once each, whatever they failed for', async () => {
    const { admin } = identity.database;
    const at = '10.7.0.1';
    const whys = async (): Promise<string[]> => (await admin.query("DELETE FROM audit.records WHERE action = 'auth:login' RETURNING detail ->> 'why' AS why")).rows.map(({ why }: { why: string }) => why);
    const token = tokenOf(await identity.login(byName('demo', DEMO), project('demo'), '', at));
    const { user: { id: userId } } = (await identity.call('GET', '/v3/auth/tokens', { token, subject: token })).body.token;
    const made = (await identity.call('POST', `/v3/users/${userId}/application_credentials`, { token, body: { application_credential: { name: 'audited' } } })).body.application_credential;
    const byCredential = () => identity.login({ methods: ['application_credential'], application_credential: { id: made.id, secret: made.secret } }, undefined, '', at);
    const byToken = (id: string, address = at) => identity.login({ methods: ['token'], token: { id } }, undefined, '', address);
    const cases: [string, () => Promise<Answer>, [string, string]?][] = [
      ['scope refused', () => identity.login(byName('demo', DEMO), project('admin'), '', at)],
      ['token refused', () => byToken('abc.def.ghi')],
      ['gone or disabled', () => byToken(token), ["UPDATE identity.users SET enabled = false WHERE name = 'demo'", 'UPDATE identity.users SET enabled = true']],
      ['must be changed', () => tryAs('demo', DEMO, at), ["UPDATE identity.users SET must_change_password = true WHERE name = 'demo'", 'UPDATE identity.users SET must_change_password = false']],
      ['credential has expired', byCredential, ["UPDATE identity.application_credentials SET expires_at = now()", 'UPDATE identity.application_credentials SET expires_at = NULL']],
      ['lost a role', byCredential, ["UPDATE identity.application_credential_roles SET role_id = (SELECT id FROM identity.roles WHERE name = 'service') WHERE role_id = (SELECT id FROM identity.roles WHERE name = 'member')",
        "UPDATE identity.application_credential_roles SET role_id = (SELECT id FROM identity.roles WHERE name = 'member') WHERE role_id = (SELECT id FROM identity.roles WHERE name = 'service')"]],
      ['more methods', () => tryAs('demo', DEMO, at), [`UPDATE identity.users SET options = '{"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [["password", "token"]]}' WHERE name = 'demo'`, "UPDATE identity.users SET options = '{}'"]],
      ['no such user', () => tryAs('nobody', 'x', at)],
      ['a token of an application credential', async () => byToken(tokenOf(await byCredential()))],
      ['wrong secret', () => identity.login({ methods: ['application_credential'], application_credential: { id: made.id, secret: 'x' } }, undefined, '', at)],
    ];
    await whys();
    for (const [why, login, [change, undo] = ['SELECT 1', 'SELECT 1']] of cases) {
      await identity.with(change, undo, async () => { expect([401, 403]).toContain((await login()).status); });
      expect(await whys()).toEqual([expect.stringContaining(why)]);
    }
    for (let n = 0; n < 3; n += 1) await tryAs('demo', 'wrong', '10.7.0.2');
    await whys();
    for (let n = 0; n < 5; n += 1) expect((await tryAs('demo', 'wrong', '10.7.0.2')).status).toBe(429);
    expect(await whys()).toEqual(['password: too many failed logins']);
  });
});

describe('a password', () => {
  it('is hashed anew when that costs more today', async () => {
    const cheap = await hash(DEMO, { memoryCost: 8_192, timeCost: 1, parallelism: 1 });
    await identity.database.admin.query("UPDATE identity.users SET password_hash = $1 WHERE name = 'demo'", [cheap]);
    expect((await tryAs('demo', DEMO, '10.0.0.1')).status).toBe(201);
    const { rows: [row] } = await identity.database.admin.query("SELECT password_hash FROM identity.users WHERE name = 'demo'");
    expect(row.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect((await tryAs('demo', DEMO, '10.0.0.1')).status).toBe(201);
  });

  it('that has expired, or is to be changed first, says so to who knows it, and to nobody else', async () => {
    const { id } = (await tryAs('demo', DEMO, '10.0.0.1')).body.token.user;
    for (const change of ["password_expires_at = now() - interval '1 s'", 'must_change_password = true']) {
      await identity.with(`UPDATE identity.users SET ${change} WHERE name = 'demo'`, "UPDATE identity.users SET password_expires_at = NULL, must_change_password = false", async () => {
        const right = await tryAs('demo', DEMO, '10.0.0.1');
        expect([right.status, right.body.error.message]).toEqual([401, `The password is expired and needs to be changed for user: ${id}.`]);
        expect((await tryAs('demo', 'wrong', '10.0.0.1')).body.error.message).toBe('The request you have made requires authentication.');
      });
    }
    await identity.with("UPDATE identity.users SET password_expires_at = now(), options = '{\"ignore_password_expiry\": true}' WHERE name = 'demo'", "UPDATE identity.users SET password_expires_at = NULL, options = '{}' WHERE name = 'demo'",
      async () => { expect((await tryAs('demo', DEMO, '10.0.0.1')).status).toBe(201); });
  });

  it('alone is not enough where more is prescribed', async () => {
    const options = JSON.stringify({ multi_factor_auth_enabled: true, multi_factor_auth_rules: [['password', 'application_credential'], ['password', 'totp']] });
    await identity.with(`UPDATE identity.users SET options = '${options}' WHERE name = 'demo'`, "UPDATE identity.users SET options = '{}' WHERE name = 'demo'",
      async () => { expect((await identity.login(byName('demo', DEMO), project('demo'))).status).toBe(401); });
  });
});
