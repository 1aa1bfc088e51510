import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TOKEN_LIMITS } from '#libs/auth';
import { ADMIN, byName, DEMO, IdentityUnderTest, project, tokenOf, UNAUTHORIZED } from '../support/identity.js';

let identity: IdentityUnderTest;
beforeAll(async () => { identity = await IdentityUnderTest.start(); });
afterAll(async () => { await identity.stop(); });

describe('discovery', () => {
  it.each(['', '/'])('answers 300 at /identity%s with links by which the client came', async (slash) => {
    const answer = await identity.call('GET', slash);
    expect(answer.status).toBe(300);
    expect(answer.headers['location']).toBe('http://cloud.test:8780/identity/v3/');
    expect(answer.body).toEqual({ versions: { values: [{
      id: 'v3.14', status: 'stable', updated: '2020-04-07T00:00:00Z', links: [{ rel: 'self', href: 'http://cloud.test:8780/identity/v3/' }],
      'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
    }] } });
  });

  it.each(['/v3', '/v3/', '//v3/'])('answers the version document at %s', async (path) => {
    const answer = await identity.call('GET', path);
    expect(answer.status).toBe(200);
    expect(answer.body.version.id).toBe('v3.14');
    expect(answer.headers['vary']).toContain('X-Auth-Token');
  });

  it('says 404 in Keystone\'s form for what there is not', async () => {
    const answer = await identity.call('GET', '/v3/nothing', { token: await identity.adminToken() });
    expect([answer.status, answer.body.error.code, answer.body.error.title]).toEqual([404, 404, 'Not Found']);
  });
});

describe('issuing a token', () => {
  it('answers a project-scoped token as Keystone does', async () => {
    const answer = await identity.login(byName('admin', ADMIN), project('admin'));
    expect(answer.status).toBe(201);
    expect(answer.headers['vary']).toContain('X-Auth-Token');
    const { token } = answer.body;
    expect(Object.keys(token).sort()).toEqual(['audit_ids', 'catalog', 'expires_at', 'is_domain', 'issued_at', 'methods', 'project', 'roles', 'user']);
    expect(token.methods).toEqual(['password']);
    expect(token.user).toEqual({ domain: { id: 'default', name: 'Default' }, id: expect.stringMatching(/^[0-9a-f]{32}$/), name: 'admin', password_expires_at: null });
    expect(token.project).toEqual({ domain: { id: 'default', name: 'Default' }, id: expect.stringMatching(/^[0-9a-f]{32}$/), name: 'admin' });
    expect(token.is_domain).toBe(false);
    expect(token.audit_ids).toEqual([expect.stringMatching(/^[\w-]{22}$/)]);
    expect(token.expires_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z$/);
    expect(Math.floor(Date.parse(token.expires_at) / 1_000) - Math.floor(Date.parse(token.issued_at) / 1_000)).toBe(3_600);
    expect(token.issued_at).toMatch(/T\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(token.roles.map((role: { name: string }) => role.name)).toEqual(['admin', 'manager', 'member', 'reader']);
    expect(tokenOf(answer).length).toBeLessThan(1_000);
  });

  it('carries a catalog of what there is, with stable ids', async () => {
    const [first, second] = [await identity.login(byName('admin', ADMIN), project('admin')), await identity.login(byName('demo', DEMO), project('demo'))];
    const { catalog } = first.body.token;
    expect(second.body.token.catalog).toEqual(catalog);
    expect(catalog.map((entry: { type: string; name: string }) => [entry.type, entry.name])).toEqual([['identity', 'keystone'], ['compute', 'nova'], ['image', 'glance'], ['placement', 'placement']]);
    for (const entry of catalog) {
      expect(entry.id).toMatch(/^[0-9a-f]{32}$/);
      expect(entry.endpoints.map((endpoint: { interface: string }) => endpoint.interface)).toEqual(['public', 'internal', 'admin']);
      for (const endpoint of entry.endpoints) expect(Object.keys(endpoint).sort()).toEqual(['id', 'interface', 'region', 'region_id', 'url']);
    }
    expect(catalog.map((entry: { endpoints: { url: string }[] }) => entry.endpoints[0]?.url)).toEqual([
      'http://cloud.test:8780/identity/v3', 'http://cloud.test:8780/compute/v2.1', 'http://cloud.test:8780/image', 'http://cloud.test:8780/placement']);
    const ids = catalog.flatMap((entry: { id: string; endpoints: { id: string }[] }) => [entry.id, ...entry.endpoints.map(({ id }) => id)]);
    expect(new Set(ids).size).toBe(16);
  });

  it('leaves the catalog out on ?nocatalog, and scope, roles and catalog out of an unscoped token', async () => {
    expect((await identity.login(byName('admin', ADMIN), project('admin'), '?nocatalog')).body.token.catalog).toBeUndefined();
    for (const scope of [undefined, 'unscoped', { unscoped: {} }]) {
      const { status, body } = await identity.login(byName('demo', DEMO), scope);
      expect(status).toBe(201);
      expect(Object.keys(body.token).sort()).toEqual(['audit_ids', 'expires_at', 'issued_at', 'methods', 'user']);
    }
  });

  it('takes ids as well as names with domains by id or name', async () => {
    const { token } = (await identity.login(byName('demo', DEMO), project('demo'))).body;
    const byId = { methods: ['password'], password: { user: { id: token.user.id, password: DEMO } } };
    const byDomainName = { methods: ['password'], password: { user: { name: 'demo', domain: { name: 'Default' }, password: DEMO } } };
    expect((await identity.login(byId, { project: { id: token.project.id } })).body.token.project.name).toBe('demo');
    expect((await identity.login(byDomainName, { project: { name: 'demo', domain: { name: 'Default' } } })).body.token.project.name).toBe('demo');
  });

  it('scopes to the default project when there is one, unless told not to', async () => {
    const { token } = (await identity.login(byName('demo', DEMO), project('demo'))).body;
    await identity.with(`UPDATE identity.users SET default_project_id = '${token.project.id}' WHERE name = 'demo'`, 'UPDATE identity.users SET default_project_id = NULL', async () => {
      expect((await identity.login(byName('demo', DEMO))).body.token.project.name).toBe('demo');
      expect((await identity.login(byName('demo', DEMO), 'unscoped')).body.token.project).toBeUndefined();
    });
  });

  const nobody = '0'.repeat(32);
  it.each<[string, unknown, unknown]>([
    ['a wrong password', byName('admin', 'wrong'), project('admin')],
    ['an empty password', byName('admin', ''), project('admin')],
    ['an unknown user', byName('nobody', ADMIN), project('admin')],
    ['a user of another domain', { methods: ['password'], password: { user: { name: 'admin', domain: { id: 'other' }, password: ADMIN } } }, project('admin')],
    ['an unknown project', byName('admin', ADMIN), project('nothing')],
    ['an unknown project id', byName('admin', ADMIN), { project: { id: nobody } }],
    ['a project without a role', byName('demo', DEMO), project('admin')],
    ['a domain without a role', byName('demo', DEMO), { domain: { id: 'default' } }],
    ['the system without a role', byName('demo', DEMO), { system: { all: true } }],
    ['a bad token', { methods: ['token'], token: { id: 'gAAAA' } }, project('admin')],
  ])('refuses %s with Keystone\'s 401 and no hint why', async (_, proof, scope) => {
    const answer = await identity.login(proof, scope);
    expect([answer.status, answer.body]).toEqual([401, UNAUTHORIZED]);
    expect(answer.headers['www-authenticate']).toBe('Keystone uri="http://cloud.test:8780/identity/v3"');
    expect(answer.headers['x-subject-token']).toBeUndefined();
  });

  it.each<[string, string, string]>([
    ['disabled user', "UPDATE identity.users SET enabled = false WHERE name = 'demo'", "UPDATE identity.users SET enabled = true"],
    ['expired password', "UPDATE identity.users SET password_expires_at = now() - interval '1 s' WHERE name = 'demo'", 'UPDATE identity.users SET password_expires_at = NULL'],
    ['disabled project', "UPDATE identity.projects SET enabled = false WHERE name = 'demo'", 'UPDATE identity.projects SET enabled = true'],
    ['disabled domain', 'UPDATE identity.domains SET enabled = false', 'UPDATE identity.domains SET enabled = true'],
  ])('refuses a %s', async (_, change, undo) => {
    await identity.with(change, undo, async () => {
      expect((await identity.login(byName('demo', DEMO), project('demo'))).status).toBe(401);
    });
    expect((await identity.login(byName('demo', DEMO), project('demo'))).status).toBe(201);
  });

  it('takes as long for an unknown user as for a wrong password', async () => {
    const time = async (name: string): Promise<number> => {
      // Whoever fails so often has to wait otherwise.
      await identity.database.admin.query('DELETE FROM identity.login_failures');
      const started = performance.now();
      await identity.login(byName(name, 'wrong'), project('admin'));
      return performance.now() - started;
    };
    const [known, unknown]: [number[], number[]] = [[], []];
    // The fastest of several, of more in bad moments: what the machine's other work adds is no part of the answer.
    let ratio = 0;
    for (let i = 0; i < 60 && (i < 9 || ratio < 0.5 || ratio > 2); i += 1) {
      known.push(await time('admin'));
      unknown.push(await time('nobody'));
      ratio = Math.min(...unknown) / Math.min(...known);
    }
    expect(ratio).toBeGreaterThanOrEqual(0.5);
    expect(ratio).toBeLessThanOrEqual(2);
  });

  it('serves a burst of logins, and tells whoever is too many to come again', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => identity.login(byName('demo', DEMO), 'unscoped')));
    const statuses = answers.map((answer) => answer.status);
    expect(new Set(statuses)).toEqual(new Set([201, 429]));
    // Two at work and 64 waiting, and those that came when one was done already.
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(66);
    expect(answers.find((answer) => answer.status === 429)?.headers['retry-after']).toBe('1');
    expect((await identity.login(byName('demo', DEMO), 'unscoped')).status).toBe(201);
  });
});

describe('rescoping', () => {
  it('keeps the end of the parent and names it, and adds the method', async () => {
    const parent = await identity.login(byName('admin', ADMIN), 'unscoped');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const child = await identity.login({ methods: ['token'], token: { id: tokenOf(parent) } }, project('demo'));
    expect(child.status).toBe(201);
    expect(child.body.token.expires_at).toBe(parent.body.token.expires_at);
    expect(child.body.token.issued_at).not.toBe(parent.body.token.issued_at);
    expect(child.body.token.methods).toEqual(['password', 'token']);
    expect(child.body.token.audit_ids).toEqual([expect.any(String), parent.body.token.audit_ids[0]]);
    const grandchild = await identity.login({ methods: ['token'], token: { id: tokenOf(child) } }, project('admin'));
    expect(grandchild.body.token.expires_at).toBe(parent.body.token.expires_at);
    expect(grandchild.body.token.audit_ids[1]).toBe(parent.body.token.audit_ids[0]);
  });

  it('refuses a project without a role, and a user who was disabled since', async () => {
    const token = tokenOf(await identity.login(byName('demo', DEMO), 'unscoped'));
    expect((await identity.login({ methods: ['token'], token: { id: token } }, project('admin'))).status).toBe(401);
    await identity.with("UPDATE identity.users SET enabled = false WHERE name = 'demo'", 'UPDATE identity.users SET enabled = true', async () => {
      expect((await identity.login({ methods: ['token'], token: { id: token } }, project('demo'))).status).toBe(401);
    });
  });

  it('refuses two methods that prove two users', async () => {
    const token = tokenOf(await identity.login(byName('demo', DEMO), 'unscoped'));
    const both = { ...byName('admin', ADMIN), methods: ['password', 'token'], token: { id: token } };
    expect((await identity.login(both, 'unscoped')).body).toEqual(UNAUTHORIZED);
  });
});

describe('bad input', () => {
  const user = { name: 'admin', domain: { id: 'default' }, password: ADMIN };
  const auth = (proof: unknown, scope?: unknown) => ({ auth: { identity: proof, ...(scope !== undefined && { scope }) } });
  it.each<[string, unknown, string]>([
    ['no auth', {}, "'auth' is a required property"],
    ['no identity', { auth: {} }, "'identity' is a required property"],
    ['no methods', auth({}), "'methods' is a required property"],
    ['methods of a wrong type', auth({ methods: 'password' }), "is not of type 'array'"],
    ['an empty list of methods', auth({ methods: [] }), 'too short'],
    ['a method without its part', auth({ methods: ['password'] }), "'password' is a required property"],
    ['a user without a password', auth({ methods: ['password'], password: { user: { name: 'a', domain: { id: 'default' } } } }), "'password' is a required property"],
    ['a user name without a domain', auth({ methods: ['password'], password: { user: { name: 'a', password: 'b' } } }), 'a name needs its domain'],
    ['an empty domain', auth({ methods: ['password'], password: { user: { ...user, domain: {} } } }), 'Expecting to find id or name'],
    ['a password that is a number', auth({ methods: ['password'], password: { user: { ...user, password: 12345678 } } }), "is not of type 'string'"],
    ['a password too long', auth({ methods: ['password'], password: { user: { ...user, password: 'x'.repeat(5_000) } } }), 'too long'],
    ['a name too long', auth({ methods: ['password'], password: { user: { ...user, name: 'x'.repeat(256) } } }), 'too long'],
    ['an unknown attribute', { auth: { identity: byName('admin', ADMIN) }, extra: 1 }, "'extra' was unexpected"],
    ['an unknown attribute of the user', auth({ methods: ['password'], password: { user: { ...user, shoe: 44 } } }), "'shoe' was unexpected"],
    ['a part of a method that is not named', auth({ ...byName('admin', ADMIN), token: { id: 'x' } }), "'token' was unexpected"],
    ['two scopes', auth(byName('admin', ADMIN), { ...project('admin'), domain: { id: 'default' } }), 'exactly one of'],
    ['an unknown scope', auth(byName('admin', ADMIN), { galaxy: {} }), "'galaxy' was unexpected"],
    ['a scope of a wrong type', auth(byName('admin', ADMIN), 7), "is not of type 'object'"],
    ['a project name without a domain', auth(byName('admin', ADMIN), { project: { name: 'admin' } }), 'a name needs its domain'],
    ['a token that is no text', auth({ methods: ['token'], token: { id: 5 } }), "is not of type 'string'"],
    ['a list', [], "is not of type 'object'"],
    ['a name with a NUL', auth(byName('ad\0min', ADMIN)), 'U+0000'],
    ['a name with half a character', auth(byName('\ud800', ADMIN)), 'half a surrogate'],
  ])('answers %s with 400 and what would be right', async (_, body, words) => {
    const answer = await identity.call('POST', '/v3/auth/tokens', { body });
    expect([answer.status, answer.body.error.code, answer.body.error.title]).toEqual([400, 400, 'Bad Request']);
    expect(answer.body.error.message).toContain(words);
    expect(answer.text).not.toContain(ADMIN);
    expect(answer.text).not.toContain('12345678');
  });

  it('answers malformed JSON 400, a huge body 413, an unknown method 401 with the offered ones', async () => {
    expect((await identity.call('POST', '/v3/auth/tokens', { raw: '{"auth":' })).status).toBe(400);
    expect((await identity.call('POST', '/v3/auth/tokens', { raw: '' })).status).toBe(400);
    expect((await identity.call('POST', '/v3/auth/tokens', { raw: JSON.stringify({ auth: 'x'.repeat(2 << 20) }) })).status).toBe(413);
    const answer = await identity.login({ methods: ['kerberos'], kerberos: {} });
    expect([answer.status, answer.body.error.message]).toEqual([401, 'Attempted to authenticate with an unsupported method: kerberos. Offered: password, token, application_credential.']);
  });

  it('answers a page size that is none with 400', async () => {
    const answer = await identity.call('GET', '/v3/projects?limit=many', { token: await identity.adminToken() });
    expect([answer.status, answer.body.error.message]).toEqual([400, expect.stringContaining('whole number')]);
  });
});

describe('validating', () => {
  it('answers what the issue answered, from the token alone', async () => {
    const issued = await identity.login(byName('demo', DEMO), project('demo'));
    const token = tokenOf(issued);
    const checked = await identity.call('GET', '/v3/auth/tokens', { token, subject: token });
    expect([checked.status, checked.body]).toEqual([200, issued.body]);
    expect(checked.headers['x-subject-token']).toBe(token);
    expect((await identity.call('GET', '/v3/auth/tokens?nocatalog', { token, subject: token })).body.token.catalog).toBeUndefined();
    const head = await identity.call('HEAD', '/v3/auth/tokens', { token, subject: token });
    expect([head.status, head.text, head.headers['x-subject-token']]).toEqual([200, '', token]);
  });

  it('lets admins ask about anybody, and others about themselves', async () => {
    const [admin, demo] = [await identity.adminToken(), await identity.demoToken()];
    expect((await identity.call('GET', '/v3/auth/tokens', { token: admin, subject: demo })).status).toBe(200);
    const refused = await identity.call('GET', '/v3/auth/tokens', { token: demo, subject: admin });
    expect([refused.status, refused.body.error.title]).toEqual([403, 'Forbidden']);
  });

  it('says 404 for a subject that is no good token, and 401 for a caller without one', async () => {
    const token = await identity.adminToken();
    for (const subject of ['nonsense', `${token}x`, 'x'.repeat(TOKEN_LIMITS.maxTokenChars + 1)]) {
      const answer = await identity.call('GET', '/v3/auth/tokens', { token, subject });
      expect([answer.status, answer.body.error.message]).toEqual([404, 'Could not recognize the token.']);
    }
    expect((await identity.call('GET', '/v3/auth/tokens', { token })).status).toBe(404);
    for (const caller of [{}, { token: '' }, { token: 'nonsense' }, { token: `${token.slice(0, -4)}AAAA` }]) {
      const answer = await identity.call('GET', '/v3/auth/tokens', { ...caller, subject: token });
      expect([answer.status, answer.body]).toEqual([401, UNAUTHORIZED]);
    }
  });

  it('ends a token at once', async () => {
    const token = await identity.demoToken();
    expect((await identity.call('DELETE', '/v3/auth/tokens', { token, subject: token })).status).toBe(204);
    expect((await identity.call('GET', '/v3/auth/projects', { token })).status).toBe(401);
    expect((await identity.call('GET', '/v3/auth/tokens', { token: await identity.adminToken(), subject: token })).status).toBe(404);
  });

  it('asks neither the database nor the bus for a token it knows', async () => {
    const token = await identity.demoToken();
    await identity.call('GET', '/v3/auth/tokens', { token, subject: token });
    const lastStatement = async (): Promise<unknown> => (await identity.database.admin.query(
      "SELECT max(query_start) FROM pg_stat_activity WHERE usename = 'app_identity' AND query <> 'SELECT 1'")).rows[0].max;
    const before = await lastStatement();
    identity.bus.setConnected(false);
    try {
      for (let i = 0; i < 20; i += 1) expect((await identity.call('GET', '/v3/auth/tokens', { token, subject: token })).status).toBe(200);
    } finally {
      identity.bus.setConnected(true);
    }
    expect(await lastStatement()).toEqual(before);
  });
});

it('logs no password and no token', () => {
  const log = identity.log.join('');
  for (const secret of [ADMIN, DEMO, 'argon2', 'eyJ']) expect(log).not.toContain(secret);
});
