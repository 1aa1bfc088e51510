import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { audit } from '#libs/audit';
import { explainPolicy, listAuditRecords, type AuditRecord, type Caller, type InputOf } from '#libs/contracts';
import { byName, DEMO, IdentityUnderTest, project } from '../support/identity.js';

let identity: IdentityUnderTest;
beforeAll(async () => { identity = await IdentityUnderTest.start(); });
afterAll(async () => { await identity.stop(); });

const admin: Caller = { userId: 'a', userName: 'admin', projectId: 'p', projectName: 'admin', domainId: 'default', roles: ['admin'], isAdmin: true, requestId: 'req-0', address: '192.0.2.1' };
const list = (input: Partial<InputOf<typeof listAuditRecords>> = {}) => identity.bus.ask(listAuditRecords, { caller: admin, filters: {}, limit: 100, ...input });

describe('the audit trail, read', () => {
  beforeAll(async () => {
    for (let n = 0; n < 12; n += 1) await audit(identity.database.db.pool, { ...admin, requestId: `req-${n}` }, { service: 'compute', action: n % 2 === 0 ? 'read-test:even' : 'read-test:odd', target: { kind: 'thing', id: String(n) } });
  });
  const mine = { action: 'read-test:' };
  const ids = (records: AuditRecord[]) => records.map(({ targetId }) => targetId);

  it('is for admins, wherever the question comes from', async () => {
    for (const other of [{ roles: ['member'] }, { scopeDomainId: 'default', projectId: null }]) await expect(list({ caller: { ...admin, ...other } })).rejects.toMatchObject({ kind: 'forbidden' });
    expect((await list({ caller: { ...admin, roles: ['reader'], isAdmin: false, isSystem: true, projectId: null } })).records.length).toBeGreaterThan(0);
  });

  it('comes newest first, in pages that meet', async () => {
    const first = await list({ filters: mine, limit: 5 });
    const second = await list({ filters: mine, limit: 5, marker: first.next as string });
    const third = await list({ filters: mine, limit: 5, marker: second.next as string });
    expect([first, second, third].map(({ records, more }) => [ids(records), more])).toEqual([[['11', '10', '9', '8', '7'], true], [['6', '5', '4', '3', '2'], true], [['1', '0'], false]]);
    expect(third.next).toBeNull();
  });

  it('is filtered by everything that a record has', async () => {
    expect(ids((await list({ filters: { action: 'read-test:odd' } })).records)).toEqual(['11', '9', '7', '5', '3', '1']);
    expect(ids((await list({ filters: { ...mine, requestId: 'req-4' } })).records)).toEqual(['4']);
    expect(ids((await list({ filters: { ...mine, user: 'admin', projectId: 'p', service: 'compute', targetKind: 'thing', targetId: '2', address: '192.0.2.1', outcome: 'success', since: '2026-01-01T00:00:00Z', before: '2999-01-01T00:00:00Z' } })).records)).toEqual(['2']);
    expect((await list({ filters: { ...mine, outcome: 'denied' } })).records).toEqual([]);
  });

  it('is followed in the order of commits: one that commits late is not skipped', async () => {
    const late = await identity.database.db.pool.connect();
    try {
      await late.query('BEGIN');
      await audit(late, admin, { service: 'compute', action: 'follow-test:late', target: { kind: 'thing', id: 'late' } });
      await audit(identity.database.db.pool, admin, { service: 'compute', action: 'follow-test:early', target: { kind: 'thing', id: 'early' } });
      const before = await list({ filters: { action: 'follow-test:' }, order: 'commits' });
      expect(before).toMatchObject({ records: [], next: null });
      await late.query('COMMIT');
      const after = await list({ filters: { action: 'follow-test:' }, order: 'commits' });
      expect(ids(after.records)).toEqual(['late', 'early']);
      expect(await list({ filters: { action: 'follow-test:' }, order: 'commits', marker: after.next as string })).toMatchObject({ records: [], next: after.next, more: false });
    } finally {
      late.release();
    }
  });

  it('has failed logins, and who they were tried as', async () => {
    expect((await identity.login(byName('demo', 'wrong-password'), project('demo'), '', '198.51.100.7')).status).toBe(401);
    const { records } = await list({ filters: { address: '198.51.100.7' } });
    expect(records).toMatchObject([{ service: 'identity', outcome: 'failure', userName: 'demo', address: '198.51.100.7', requestId: expect.stringMatching(/^req-/) }]);
    expect(JSON.stringify(records)).not.toContain('wrong-password');
  });
});

describe('an explanation', () => {
  const explain = (input: Omit<InputOf<typeof explainPolicy>, 'caller'>, caller = admin) => identity.bus.ask(explainPolicy, { caller, ...input });

  it('says yes or no as a token of theirs would, and how they come to their roles', async () => {
    const yes = await explain({ rule: 'compute:servers:create', user: { name: 'demo' }, scope: { project: { name: 'demo' } } });
    expect(yes).toMatchObject({ allowed: true, user: { name: 'demo', enabled: true }, scope: { kind: 'project', name: 'demo' } });
    expect(yes.roles).toContainEqual({ name: 'member', through: 'assigned to the user on the project demo' });
    const { roles } = await explain({ rule: 'compute:servers:create', user: { name: 'admin' }, scope: { project: { name: 'admin' } } });
    expect(roles.find(({ name }) => name === 'manager')?.through).toBe('implied: admin → manager; the first assigned to the user on the project admin');
    const no = await explain({ rule: 'compute:hypervisors:list', user: { name: 'demo' }, scope: { project: { name: 'demo' } } });
    expect([no.allowed, no.grants]).toEqual([false, [{ who: 'admin by project token', holds: false, missing: ['needs the role admin, and the token has member, reader'] }]]);
    expect((await explain({ rule: 'compute:servers:delete', user: { name: 'demo' }, scope: { project: { name: 'demo' } }, target: { projectId: 'another' } })).allowed).toBe(false);
    expect((await explain({ rule: 'identity:domains:create', user: { name: 'admin' }, scope: { system: true } })).allowed).toBe(true);
    expect((await explain({ rule: 'no:such:rule', user: { name: 'admin' }, scope: { system: true } })).because).toContain('no such rule');
  });

  it('says so of roles on domains and on the system too', async () => {
    const { rows: [demo] } = await identity.database.admin.query("SELECT id FROM identity.users WHERE name = 'demo'");
    const give = (where: string) => `INSERT INTO identity.role_assignments (user_id, ${where === 'system' ? 'system' : 'domain_id'}, role_id) SELECT '${demo.id}', ${where === 'system' ? 'true' : "'default'"}, id FROM identity.roles WHERE name = 'manager'`;
    await identity.with(`${give('domain')}; ${give('system')}`, `DELETE FROM identity.role_assignments WHERE user_id = '${demo.id}' AND project_id IS NULL`, async () => {
      for (const [scope, place] of [[{ domain: { id: 'default' } }, 'the domain Default'], [{ system: true }, 'the system']] as const) {
        expect((await explain({ rule: 'identity:users:list', user: { name: 'demo' }, scope })).roles).toEqual([
          { name: 'manager', through: `assigned to the user on ${place}` }, { name: 'member', through: `implied: manager → member; the first assigned to the user on ${place}` },
          { name: 'reader', through: `implied: manager → member → reader; the first assigned to the user on ${place}` },
        ]);
      }
    });
  });

  it('knows where there would be no token at all', async () => {
    expect(await explain({ rule: 'compute:servers:list', user: { name: 'demo' }, scope: { project: { name: 'admin' } } })).toMatchObject({ allowed: false, because: expect.stringContaining('no role on this project') });
    await identity.with("UPDATE identity.users SET enabled = false WHERE name = 'demo'", "UPDATE identity.users SET enabled = true WHERE name = 'demo'", async () => {
      expect(await explain({ rule: 'identity:auth:catalog', user: { name: 'demo' }, scope: {} })).toMatchObject({ allowed: false, because: expect.stringContaining('disabled') });
    });
  });

  it('is for admins, and for everybody about themselves; others learn nothing', async () => {
    const demo = (await identity.login(byName('demo', DEMO), project('demo'))).body.token.user.id as string;
    const self: Caller = { ...admin, userId: demo, roles: ['member'], isAdmin: false };
    expect((await explain({ rule: 'compute:servers:list', user: { id: demo }, scope: { project: { name: 'demo' } } }, self)).allowed).toBe(true);
    // What they have no part in is as if it were not there.
    for (const scope of [{ project: { name: 'admin' } }, { project: { name: 'none' } }, { domain: { id: 'default' } }, { domain: { id: 'none' } }]) {
      await expect(explain({ rule: 'compute:servers:list', user: { id: demo }, scope }, self)).rejects.toMatchObject({ kind: 'not-found', message: `There is no such ${'project' in scope ? 'project' : 'domain'}.` });
    }
    for (const user of [{ name: 'admin' }, { name: 'nobody-at-all' }]) await expect(explain({ rule: 'compute:servers:list', user, scope: {} }, self)).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(explain({ rule: 'x', user: { name: 'nobody-at-all' }, scope: {} })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(explain({ rule: 'x', user: {}, scope: {} })).rejects.toMatchObject({ kind: 'bad-request' });
    await expect(explain({ rule: 'x', user: { name: 'demo' }, scope: { system: true, project: { name: 'demo' } } })).rejects.toMatchObject({ kind: 'bad-request' });
  });
});
