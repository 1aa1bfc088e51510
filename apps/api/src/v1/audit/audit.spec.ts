import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { explainPolicy, listAuditRecords, type AuditRecord } from '#libs/contracts';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const record = (id: number): AuditRecord => ({
  id: String(id), at: '2026-11-21T12:00:00.000Z', service: 'identity', action: 'users:create', outcome: 'success', userId: 'u', userName: 'admin', projectId: 'p', domainId: 'default',
  targetKind: 'user', targetId: 'x', address: '192.0.2.1', requestId: 'req-1', detail: {},
});

describe('/v1/audit', () => {
  it('is for admins', async () => {
    for (const as of ['reader', 'member'] as const) expect((await cloud.call('GET', '/v1/audit', { as })).status).toBe(403);
    expect((await cloud.call('GET', '/v1/audit', { as: 'nobody' })).status).toBe(401);
    expect(cloud.asked).toEqual([]);
  });

  it('asks for what is asked for, page by page', async () => {
    cloud.answer(listAuditRecords, () => ({ records: [record(7)], next: '7', more: true }));
    const { status, body } = await cloud.call('GET', '/v1/audit?user=admin&project=p&action=users:&outcome=denied&target=x&since=2026-11-01&before=2026-11-21T12:00:00%2B02:00&limit=1&marker=9', { as: 'admin' });
    expect([status, body]).toEqual([200, { records: [record(7)], next: '7', more: true }]);
    expect(cloud.questions(listAuditRecords)).toMatchObject([{
      filters: { user: 'admin', projectId: 'p', action: 'users:', outcome: 'denied', targetId: 'x', since: '2026-11-01T00:00:00.000Z', before: '2026-11-21T10:00:00.000Z' }, order: 'newest', limit: 1, marker: '9',
    }]);
  });

  it('streams all of it as JSON lines', async () => {
    const pages = [{ records: [record(1), record(2)], next: '10.2', more: true }, { records: [record(3)], next: '11.3', more: false }];
    cloud.answer(listAuditRecords, () => pages.shift() ?? { records: [], next: null, more: false });
    const answer = await cloud.call('GET', '/v1/audit?format=jsonl&order=commits', { as: 'admin' });
    expect(answer.headers['content-type']).toContain('jsonl');
    expect(answer.text.trimEnd().split('\n').map((line) => (JSON.parse(line) as AuditRecord).id)).toEqual(['1', '2', '3']);
    expect(cloud.questions(listAuditRecords).map(({ marker, order }) => [marker, order])).toEqual([[undefined, 'commits'], ['10.2', 'commits']]);
  });

  it.each(['limit=0', 'limit=1001', 'limit=x', 'since=yesterday', 'order=random', 'marker=;', 'outcome=maybe', 'colour=red', `user=${'x'.repeat(256)}`])('%s: 400', async (query) => {
    expect((await cloud.call('GET', `/v1/audit?${query}`, { as: 'admin' })).status).toBe(400);
    expect(cloud.asked).toEqual([]);
  });
});

describe('/v1/policy', () => {
  it('lists the rules with who may', async () => {
    const { body } = await cloud.call('GET', '/v1/policy/rules', { as: 'reader' });
    expect(body.rules).toContainEqual({ rule: 'compute:servers:delete', who: ['member by project token, of that project', 'admin by project token'] });
  });

  it('passes a question on, and leaves to identity whom one may ask about', async () => {
    const answer = { rule: 'compute:servers:delete', allowed: false, because: 'No.', user: { id: 'u', name: 'demo', domainId: 'default', enabled: true }, scope: { kind: 'none' as const, id: null, name: null }, roles: [], grants: [] };
    cloud.answer(explainPolicy, () => answer);
    expect(await cloud.call('POST', '/v1/policy/explain', { as: 'reader', body: { rule: 'compute:servers:delete', user: { name: 'demo' } } })).toMatchObject({ status: 200, body: answer });
    expect(cloud.questions(explainPolicy)).toMatchObject([{ rule: 'compute:servers:delete', user: { name: 'demo' }, scope: {}, caller: { roles: ['reader'] } }]);
    for (const body of [{}, { rule: 'x' }, { rule: 'x', user: {}, scope: { all: true } }, { rule: '', user: { id: 'u' } }]) expect((await cloud.call('POST', '/v1/policy/explain', { as: 'admin', body })).status).toBe(400);
  });
});
