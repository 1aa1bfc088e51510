import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { audit, audited } from '#libs/audit';
import { SCHEMA_OWNERS } from '#libs/db';
import { startTestDatabase, type TestDatabase } from '#libs/testing';

const caller = { userId: 'u1', userName: 'demo', projectId: 'p1', domainId: 'default', address: '192.0.2.7', requestId: 'req-1' };
interface Row { id: string; action: string; outcome: string; detail: Record<string, unknown>; [column: string]: unknown }

describe('the audit trail', () => {
  let t: TestDatabase;
  beforeAll(async () => { t = await startTestDatabase('compute'); });
  afterAll(async () => { await t.stop(); });
  const rows = async (where = 'true') => (await t.admin.query<Row>(`SELECT * FROM audit.records WHERE ${where} ORDER BY id`)).rows;

  it('has who, what, on what, from where, with what outcome, in which request', async () => {
    await t.db.transaction((client) => audit(client, caller, { service: 'compute', action: 'servers:delete', target: { kind: 'server', id: 's1' }, detail: { name: 'vm', password: 'hunter2' } }));
    expect(await rows()).toEqual([expect.objectContaining({
      service: 'compute', action: 'servers:delete', outcome: 'success', user_id: 'u1', user_name: 'demo', project_id: 'p1', domain_id: 'default',
      target_kind: 'server', target_id: 's1', address: '192.0.2.7', request_id: 'req-1', detail: { name: 'vm', password: '***' },
    })]);
  });

  it('has what was written with a change exactly when the change is there', async () => {
    await expect(t.db.transaction(async (client) => {
      await audit(client, caller, { service: 'compute', action: 'servers:rolled-back' });
      throw new Error('no');
    })).rejects.toThrow('no');
    expect(await rows("action = 'servers:rolled-back'")).toEqual([]);
  });

  it('takes several in one statement, and somebody who is nobody', async () => {
    await audit(t.db.pool, { userName: 'x'.repeat(1_000), address: '192.0.2.9' }, [
      { service: 'identity', action: 'auth:login', outcome: 'failure' }, { service: 'identity', action: 'auth:login', outcome: 'denied', detail: { nul: '\u0000' } }]);
    await audit(t.db.pool, {}, []);
    expect((await rows("action = 'auth:login'")).map((row) => [row.outcome, row.user_id, String(row.user_name).length])).toEqual([['failure', null, 255], ['denied', null, 255]]);
  });

  it('takes the record in the statement of the change, and none when nothing changed', async () => {
    const change = (name: string) => t.db.pool.query<{ name: string }>(...audited(caller, { service: 'compute', action: 'keypairs:delete', target: { kind: 'keypair', id: name } },
      'DELETE FROM compute.keypairs WHERE user_id = $1 AND name = $2 RETURNING name', ['u1', name]));
    await t.admin.query("INSERT INTO compute.keypairs (user_id, name, type, fingerprint, public_key) VALUES ('u1', 'laptop', 'ssh', 'f', 'k')");
    expect((await change('laptop')).rows).toEqual([{ name: 'laptop' }]);
    expect((await change('laptop')).rowCount).toBe(0);
    expect((await rows("action = 'keypairs:delete'")).map((row) => [row.target_id, row.user_name, row.address])).toEqual([['laptop', 'demo', '192.0.2.7']]);
  });

  it('follows the events of servers and hosts that somebody asked for, and no others', async () => {
    await t.db.pool.query(`INSERT INTO compute.instance_events (instance_id, project_id, kind, message, request_id, user_id, user_name, address)
      VALUES ('00000000-0000-4000-8000-000000000001', 'p1', 'stop', '', 'req-9', 'u1', 'demo', '192.0.2.7'), ('00000000-0000-4000-8000-000000000001', 'p1', 'launched', 'by itself', 'req-9', NULL, NULL, NULL)`);
    const scheduler = await t.open('scheduler', 1);
    await scheduler.pool.query("INSERT INTO scheduler.host_events (host_id, kind, message, request_id, user_id) VALUES (NULL, 'tokens-created', '3 for zone nova', 'req-10', 'u1'), (NULL, 'session-began', '', NULL, NULL), (NULL, 'joined', 'as alpha', 'req-10', NULL)");
    expect((await rows("request_id IN ('req-9', 'req-10')")).map((row) => [row.service, row.action, row.user_name, row.address, row.target_id, row.detail])).toEqual([
      ['compute', 'servers:stop', 'demo', '192.0.2.7', '00000000-0000-4000-8000-000000000001', {}], ['scheduler', 'hosts:tokens-created', null, null, null, { message: '3 for zone nova' }], ['scheduler', 'hosts:joined', null, null, null, { message: 'as alpha' }]]);
  });

  it('lets every service add, and none change, remove or number a record, nor any but identity read them', async () => {
    for (const owner of SCHEMA_OWNERS) {
      const { pool } = await t.open(owner, 1);
      await audit(pool, caller, { service: 'api', action: `mine:${owner}` });
      for (const statement of ['UPDATE audit.records SET action = $$x$$', 'DELETE FROM audit.records', 'TRUNCATE audit.records', 'DROP TABLE audit.records']) {
        await expect(pool.query(statement)).rejects.toThrow(/permission denied|must be owner/);
      }
      await expect(pool.query("INSERT INTO audit.records (id, service, action, outcome) VALUES (1, 'api', 'x', 'success')")).rejects.toThrow(/non-DEFAULT value/);
      if (owner === 'identity') {
        expect((await pool.query('SELECT 1 FROM audit.records')).rowCount).toBeGreaterThan(0);
      } else {
        await expect(pool.query('SELECT 1 FROM audit.records')).rejects.toThrow(/permission denied/);
        await expect(pool.query('SELECT audit.keep_record_partitions(1, 1)')).rejects.toThrow(/permission denied/);
      }
    }
  });

  it('forgets whole months by age, and never the last week', async () => {
    const { pool } = await t.open('identity', 1);
    await t.admin.query("INSERT INTO audit.records (service, action, outcome, at) VALUES ('api', 'old', 'success', now() - interval '400 days'), ('api', 'recent', 'success', now() - interval '3 days')");
    await pool.query('SELECT audit.keep_record_partitions(3, 0)');
    expect((await rows("action IN ('old', 'recent')")).map((row) => row.action)).toEqual(['recent']);
  });
});
