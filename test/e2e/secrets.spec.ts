import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { api, credentials, home, script, settings, type Api } from '../support/cloud.js';

/** Every secret is its own text, so that one that is found says where it came from. */
const said = new Map<string, string>();
const secret = (what: string): string => {
  const text = `geheim-${what}-${Math.random().toString(36).slice(2)}-Aa1!`;
  said.set(what, text);
  return text;
};

/** All files below the home's logs, whatever process wrote them. */
function logs(dir = join(home, 'logs')): { path: string; text: string }[] {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? logs(path) : [{ path, text: readFileSync(path, 'latin1') }];
  });
}

/** By hand: also with what no client would send. The status is not looked at: whatever comes of it, nothing may be logged. */
async function send(method: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`${base}${path}`, { method, headers: { 'content-type': 'application/json', ...headers }, ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }) });
  return { status: response.status, text: await response.text(), headers: response.headers };
}
const base = credentials().OS_AUTH_URL?.replace(/\/identity\/v3\/?$/, '') ?? '';
const login = (user: object, password: string, scope?: object) => send('POST', '/identity/v3/auth/tokens', { auth: { identity: { methods: ['password'], password: { user: { ...user, password } } }, ...(scope !== undefined && { scope }) } });

describe('a run in which secrets come by every door', () => {
  let cloud: Api;
  let token = '';

  beforeAll(async () => {
    cloud = await api();
    const { OS_USERNAME: name = '', OS_PASSWORD: password = '', OS_PROJECT_NAME: project = '' } = credentials();
    said.set('the admin\'s password', password);
    token = (await login({ name, domain: { id: 'default' } }, password, { project: { name: project, domain: { id: 'default' } } })).headers.get('x-subject-token') ?? '';
    said.set('a token\'s signature', token.split('.')[2] ?? 'none');
    expect(token.length).toBeGreaterThan(100);
  });

  it('takes them', async () => {
    const mine = { 'x-auth-token': token };
    const name = `secretive-${Date.now()}`;
    const first = secret('password-of-a-user');
    const user = (await cloud.call('POST', '/identity/v3/users', { user: { name, password: first } })).body.user as { id: string };
    await login({ id: user.id }, first);
    await login({ id: user.id }, secret('wrong-password'));
    await login({ name: 'nobody-of-that-name', domain: { id: 'default' } }, secret('password-of-nobody'));
    // Passwords in wrong places and broken bodies: what is refused is explained, and must not be repeated into a log.
    await send('POST', '/identity/v3/auth/tokens', `{"auth": {"identity": {"password": "${secret('broken-json')}"`);
    await send('POST', '/identity/v3/auth/tokens', { auth: { identity: { methods: ['password'], password: secret('password-as-text') } } });
    await send('POST', '/identity/v3/users', { user: { name: `${name}-2`, password: { text: secret('password-as-object') } } }, mine);
    await send('POST', `/identity/v3/users/${user.id}/password`, { user: { original_password: first, password: secret('changed-password') } }, mine);
    await send('PATCH', `/identity/v3/users/${user.id}`, { user: { password: secret('password-set-by-admin') } }, mine);
    await send('GET', '/compute/v2.1/servers', undefined, { 'x-auth-token': `eyJhbGciOiJFZERTQSJ9.${secret('forged-token')}.x` });
    await send('GET', '/identity/v3/auth/tokens', undefined, { ...mine, 'x-subject-token': secret('subject-token') });
    const made = await send('POST', `/identity/v3/users/${(JSON.parse((await send('GET', '/identity/v3/auth/tokens', undefined, { ...mine, 'x-subject-token': token })).text) as { token: { user: { id: string } } }).token.user.id}/application_credentials`,
      { application_credential: { name: `app-${Date.now()}`, secret: secret('application-credential') } }, mine);
    const { application_credential: credential } = JSON.parse(made.text) as { application_credential?: { id: string } };
    expect(credential).toBeDefined();
    await send('POST', '/identity/v3/auth/tokens', { auth: { identity: { methods: ['application_credential'], application_credential: { id: credential?.id, secret: secret('wrong-application-credential') } } } });
    await send('POST', '/identity/v3/credentials', { credential: { type: 'ec2', user_id: user.id, project_id: 'none', blob: JSON.stringify({ access: 'a', secret: secret('ec2-blob') }) } }, mine);
    await send('POST', '/compute/v2.1/servers', { server: { name: 'x', imageRef: 'none', flavorRef: 'none', adminPass: secret('admin-pass'), user_data: Buffer.from(secret('user-data')).toString('base64') } }, mine);
    const key = JSON.parse((await send('POST', '/compute/v2.1/os-keypairs', { keypair: { name: `k-${Date.now()}` } }, mine)).text) as { keypair?: { private_key?: string } };
    said.set('a private key', key.keypair?.private_key?.split('\n')[2] ?? 'none');
    await send('PUT', `/v1/hosts/${settings().hosts[0]?.name ?? ''}/power`, { kind: 'redfish', address: '127.0.0.1:1', username: 'u', password: secret('power-password') }, mine);
    await send('DELETE', `/v1/hosts/${settings().hosts[0]?.name ?? ''}/power`, undefined, mine);
    const { tokens } = JSON.parse((await send('POST', '/v1/hosts/enrol-tokens', { count: 1 }, mine)).text) as { tokens: string[] };
    said.set('an enrolment token', tokens[0] ?? 'none');
    await send('POST', '/v1/hosts/join', { token: secret('join-token'), hostId: 'x' });
    await send('DELETE', `/identity/v3/users/${user.id}`, undefined, mine);
  });

  it('has none of them in any log, of any process', () => {
    for (const value of said.values()) expect(value.length).toBeGreaterThan(11);
    const found = logs().flatMap(({ path, text }) => [...said].filter(([, value]) => text.includes(value)).map(([what]) => `${what} in ${path}`));
    expect(found).toEqual([]);
    expect(logs().length).toBeGreaterThan(2);
  });

  it('has none of them in the audit trail, which knows of it all', () => {
    const trail = script('skylite', ['audit', '--jsonl']);
    expect([trail.status, trail.stderr]).toEqual([0, '']);
    expect([...said].filter(([, value]) => trail.stdout.includes(value)).map(([what]) => what)).toEqual([]);
    const actions = new Set(trail.stdout.trimEnd().split('\n').map((line) => { const { action, outcome } = JSON.parse(line) as { action: string; outcome: string }; return `${action} ${outcome}`; }));
    for (const action of ['users:create success', 'users:delete success', 'application-credentials:create success', 'credentials:create success', 'keypairs:create success', 'hosts:tokens-created success']) expect(actions).toContain(action);
    expect([...actions].some((action) => action.endsWith(' failure'))).toBe(true);
  });

  it('explains to the operator who may what', () => {
    const yes = script('skylite', ['policy', 'explain', '--user', 'admin', '--project', 'admin', '--rule', 'compute:hypervisors:list']);
    expect([yes.status, yes.stdout.split('\n')[0]]).toEqual([0, expect.stringMatching(/^YES: admin /)]);
    const no = script('skylite', ['policy', 'explain', '--user', 'demo', '--project', 'demo', '--rule', 'compute:hypervisors:list']);
    expect([no.status, no.stdout]).toEqual([1, expect.stringMatching(/^NO: demo [\s\S]*needs the role admin/)]);
    expect(script('skylite', ['policy', 'rules', 'servers:delete']).stdout).toContain('member by project token, of that project');
  });
});
