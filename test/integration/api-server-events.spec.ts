/** The distribution's own client reads a server's history from the door. */
import { execFile } from 'node:child_process';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readTimeline, type TimelineEntry } from '#libs/contracts';
import { SERVER_ID } from '../../apps/api/src/testing/samples.js';
import { ScriptedCloud } from '../../apps/api/src/testing/scripted-cloud.js';

const entry = (requestId: string, action: string, at: string): TimelineEntry => ({
  requestId, action, userId: 'u', projectId: 'p', startedAt: at, updatedAt: at, finishedAt: at, failed: false,
  lines: [{ name: 'claim-host', what: 'step', startedAt: at, finishedAt: at, durationMs: 0, outcome: 'success', ended: 'assigned', message: '', detail: null, hostId: null, hostName: 'alpha' }],
});

describe('the openstack client', () => {
  let cloud: ScriptedCloud;
  let base: string;
  let home: string;
  beforeAll(async () => {
    await access('/usr/bin/openstack');
    cloud = await ScriptedCloud.start();
    await cloud.app.listen(0, '127.0.0.1');
    base = `http://127.0.0.1:${(cloud.app.getHttpServer().address() as { port: number }).port}`;
    home = await mkdtemp(join(tmpdir(), 'skylite-events-'));
    const all = [entry('req-2', 'revert-resize', '2026-01-01T00:00:02.000Z'), entry('req-1', 'create', '2026-01-01T00:00:01.000Z')];
    cloud.answer(readTimeline, ({ requestId, marker, limit }) => ({ entries: all.filter((each) => (requestId === undefined || each.requestId === requestId) && (marker === undefined || each.requestId === 'req-1')).slice(0, limit), more: false }));
  });
  afterAll(async () => {
    await cloud?.stop();
    await rm(home, { recursive: true, force: true });
  });
  const events = async (as: 'member' | 'admin', version: string, ...command: string[]) => {
    const { stdout } = await promisify(execFile)('openstack', ['--os-auth-type', 'admin_token', '--os-endpoint', `${base}/compute/v2.1`, '--os-token', cloud.token(as), '--os-compute-api-version', version, 'server', 'event', ...command, '-f', 'json'],
      { env: { PATH: process.env['PATH'] ?? '', HOME: home, LANG: 'C.UTF-8' }, timeout: 180_000 });
    return JSON.parse(stdout) as any; // eslint-disable-line @typescript-eslint/no-explicit-any -- answers as people see them
  };

  it('lists what was asked, in pages too', async () => {
    expect(await events('member', '2.1', 'list', SERVER_ID)).toEqual([
      { 'Request ID': 'req-2', 'Server ID': SERVER_ID, Action: 'revertResize', 'Start Time': '2026-01-01T00:00:02.000000' },
      { 'Request ID': 'req-1', 'Server ID': SERVER_ID, Action: 'create', 'Start Time': '2026-01-01T00:00:01.000000' },
    ]);
    expect((await events('member', '2.66', 'list', '--limit', '1', '--marker', 'req-2', '--changes-since', '2026-01-01T00:00:00Z', '--changes-before', '2027-01-01T00:00:00Z', SERVER_ID)).map((each: Record<string, string>) => each['Request ID'])).toEqual(['req-1']);
  });

  it('shows one with its steps: to admins always, to everyone from 2.51 on', async () => {
    expect((await events('admin', '2.1', 'show', SERVER_ID, 'req-1')).events).toEqual([{ event: 'claim-host', start_time: '2026-01-01T00:00:01.000000', finish_time: '2026-01-01T00:00:01.000000', result: 'Success', traceback: null }]);
    expect((await events('member', '2.51', 'show', SERVER_ID, 'req-1')).events).toEqual([{ event: 'claim-host', start_time: '2026-01-01T00:00:01.000000', finish_time: '2026-01-01T00:00:01.000000', result: 'Success' }]);
  });
});
