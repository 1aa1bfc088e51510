import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readTimeline, type TimelineEntry } from '#libs/contracts';
import { instanceActionName, MAX_VERSION, Microversion } from '#libs/openstack';
import { SERVER_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';
import { ActionAnswer, ActionList } from './instance-actions.schema.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start('http://cloud.test'); });
afterAll(async () => { await cloud.stop(); });

const line = (change: Partial<TimelineEntry['lines'][number]>): TimelineEntry['lines'][number] => ({
  name: 'wait-host', what: 'step', startedAt: '2026-01-01T00:00:00.123Z', finishedAt: '2026-01-01T00:00:01.000Z', durationMs: 877, outcome: 'success', ended: 'launched', message: 'to host alpha', detail: null,
  hostId: '6a1b5f10-5b1e-4a0e-8f0e-2c7f6a9d1e00', hostName: 'alpha', ...change,
});
const entry: TimelineEntry = {
  requestId: 'req-1', action: 'confirm-resize', userId: 'u', projectId: 'p', startedAt: '2026-01-01T00:00:00.123Z', updatedAt: '2026-01-01T00:00:02.000Z', finishedAt: '2026-01-01T00:00:02.000Z', failed: true,
  lines: [line({}), line({ outcome: 'error', message: 'the disk is full', detail: 'Host alpha gave up.' })],
};
beforeEach(() => {
  cloud.reset();
  cloud.answer(readTimeline, ({ requestId, withLines }) => ({ entries: requestId === undefined || requestId === 'req-1' ? [{ ...entry, lines: withLines ? entry.lines : [] }] : [], more: false }));
});
const BASE = `/compute/v2.1/servers/${SERVER_ID}/os-instance-actions`;
const atLeast = (text: string): boolean => Number(MAX_VERSION.slice(2)) >= Number(text.slice(2));

describe('os-instance-actions', () => {
  it('has the shape of each microversion', async () => {
    for (let minor = 1; minor <= Microversion.max.minor; minor += 1) {
      const version = `2.${minor}` as const;
      for (const as of ['member', 'admin'] as const) {
        expect(ActionList(Microversion.of(version)).safeParse((await cloud.call('GET', BASE, { version, as })).body).error).toBeUndefined();
        const { body } = await cloud.call('GET', `${BASE}/req-1`, { version, as });
        expect(ActionAnswer(Microversion.of(version)).safeParse(body).error).toBeUndefined();
        const events = body.instanceAction.events as Record<string, unknown>[] | undefined;
        expect([version, as, events !== undefined]).toEqual([version, as, as === 'admin' || minor >= 51]);
        if (events !== undefined) expect('traceback' in (events[0] ?? {})).toBe(as === 'admin');
      }
    }
  });

  it('speaks Nova’s words and dates', async () => {
    const { body } = await cloud.call('GET', BASE, { version: '2.51' });
    expect(body).toEqual({ instanceActions: [{
      action: 'confirmResize', instance_uuid: SERVER_ID, request_id: 'req-1', user_id: 'u', project_id: 'p', start_time: '2026-01-01T00:00:00.123000', message: 'Error', updated_at: '2026-01-01T00:00:02.000000',
    }] });
    const { body: detail } = await cloud.call('GET', `${BASE}/req-1`, { version: '2.51', as: 'admin' });
    expect(detail.instanceAction.events[1]).toEqual({ event: 'wait-host', start_time: '2026-01-01T00:00:00.123000', finish_time: '2026-01-01T00:00:01.000000', result: 'Error', traceback: 'Host alpha gave up.' });
  });

  it('names every operation as Nova does', () => {
    expect(['create', 'stop', 'reboot', 'revert-resize', 'force-delete', 'cold-migrate', 'rebuild', 'unpause'].map(instanceActionName)).toEqual(['create', 'stop', 'reboot', 'revertResize', 'forceDelete', 'migrate', 'rebuild', 'unpause']);
  });

  it('asks with paging and times from 2.58 on, and refuses what it does not know then', async () => {
    const { body } = await cloud.call('GET', `${BASE}?limit=1&changes-since=2026-01-01T00:00:00Z`, { version: '2.58' });
    expect(body.links).toEqual([{ rel: 'next', href: `http://cloud.test${BASE}?changes-since=2026-01-01T00%3A00%3A00Z&limit=1&marker=req-1` }]);
    expect(cloud.questions(readTimeline)[0]).toMatchObject({ limit: 1, changesSince: '2026-01-01T00:00:00.000Z', requestsOnly: true, deletedToo: true });
    expect((await cloud.call('GET', `${BASE}?changes-since=yesterday`, { version: '2.58' })).status).toBe(400);
    for (const wrong of [`marker=${'x'.repeat(65)}`, 'changes-since=9999-12-31T23:59:59-12:00', 'changes-since=0000-01-01T00:00:00Z']) expect((await cloud.call('GET', `${BASE}?${wrong}`, { version: '2.58' })).status).toBe(400);
    expect((await cloud.call('GET', `${BASE}?nonsense=1`, { version: '2.58' })).status).toBe(400);
    expect((await cloud.call('GET', `${BASE}?limit=x&nonsense=1`, { version: '2.57' })).status).toBe(200);
    await cloud.call('GET', BASE, { version: '2.20' });
    expect(cloud.questions(readTimeline).at(-1)?.deletedToo).toBe(false);
    if (atLeast('2.66')) {
      expect((await cloud.call('GET', `${BASE}?changes-before=2026-01-01T00:00:00Z`, { version: '2.65' })).status).toBe(400);
      expect((await cloud.call('GET', `${BASE}?changes-before=2026-01-01T00:00:00Z`, { version: '2.66' })).status).toBe(200);
      expect((await cloud.call('GET', `${BASE}?changes-since=2027-01-01&changes-before=2026-01-01`, { version: '2.66' })).status).toBe(400);
    }
  });

  it('shows tenants no host, and 404 for a request that is none', async () => {
    const version = atLeast('2.62') ? '2.62' : '2.51';
    const tenant = await cloud.call('GET', `${BASE}/req-1`, { version });
    expect(tenant.text).not.toContain('alpha');
    expect(tenant.text).not.toContain('gave up');
    if (version === '2.62') expect((await cloud.call('GET', `${BASE}/req-1`, { version, as: 'admin' })).body.instanceAction.events[0]).toMatchObject({ host: 'alpha', hostId: tenant.body.instanceAction.events[0].hostId });
    const missing = await cloud.call('GET', `${BASE}/req-2`);
    expect([missing.status, missing.body.itemNotFound.message]).toEqual([404, `Action for request_id req-2 on instance ${SERVER_ID} not found`]);
  });
});

describe('GET /v1/servers/{id}/timeline', () => {
  it('shows admins everything and tenants no hosts', async () => {
    expect((await cloud.call('GET', `/v1/servers/${SERVER_ID}/timeline`, { as: 'admin' })).body.timeline).toEqual([entry]);
    const tenant = await cloud.call('GET', `/v1/servers/${SERVER_ID}/timeline`);
    expect(tenant.body.timeline[0].lines.map(({ message, hostName, hostId, detail }: Record<string, unknown>) => [message, hostName, hostId, detail])).toEqual([['', null, null, null], ['the disk is full', null, null, null]]);
  });
});
