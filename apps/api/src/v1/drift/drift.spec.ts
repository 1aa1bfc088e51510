import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { adoptOrphan, cleanOrphan, HostId, listDrift, type InputOf } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { HOST_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
const asked: { list: InputOf<typeof listDrift>[]; clean: InputOf<typeof cleanOrphan>[] } = { list: [], clean: [] };
const orphan = randomUUID();
let refuse = false;
beforeAll(async () => {
  cloud = await ScriptedCloud.start();
  cloud.bus.handle(listDrift, async (input) => {
    asked.list.push(input);
    const at = '2026-01-02T03:04:05.000Z';
    return { drift: [{ hostId: HostId.parse(HOST_ID), hostName: null, kind: 'orphan-domain', id: orphan, what: 'x', since: at, firstSeenAt: at, orphan: true }], more: false };
  }, { group: 'test' });
  cloud.bus.handle(cleanOrphan, async (input) => {
    if (refuse) throw conflict('It is a server.');
    asked.clean.push(input);
    return {};
  }, { group: 'test' });
});
afterAll(() => cloud.stop());

describe('/v1/drift', () => {
  it('lists what differs, with the hosts\' names, for admins', async () => {
    expect((await cloud.call('GET', '/v1/drift', { as: 'admin' })).body).toMatchObject({ drift: [{ hostName: 'alpha', kind: 'orphan-domain', orphan: true }], more: false });
    await cloud.call('GET', '/v1/drift?host=alpha', { as: 'admin' });
    expect(asked.list.map(({ hostId }) => hostId)).toEqual([undefined, HOST_ID]);
    expect((await cloud.call('GET', '/v1/drift?host=beta', { as: 'admin' })).status).toBe(404);
    expect((await cloud.call('GET', '/v1/drift?x=1', { as: 'admin' })).status).toBe(400);
    expect((await cloud.call('GET', '/v1/drift')).status).toBe(403);
  });

  it('makes a server of an orphan, with a reason, for admins', async () => {
    const adopted: InputOf<typeof adoptOrphan>[] = [];
    cloud.bus.handle(adoptOrphan, async (input) => { adopted.push(input); return {}; }, { group: 'test' });
    const body = { host: 'alpha', id: orphan, confirm: 'it is the shop' };
    expect((await cloud.call('POST', '/v1/drift/adopt', { as: 'admin', body })).status).toBe(202);
    expect(adopted).toMatchObject([{ hostId: HOST_ID, id: orphan, statement: 'it is the shop' }]);
    expect((await cloud.call('POST', '/v1/drift/adopt', { as: 'admin', body: { host: 'alpha', id: orphan } })).status).toBe(400);
    expect((await cloud.call('POST', '/v1/drift/adopt', { body })).status).toBe(403);
  });

  it('removes an orphan with a reason only', async () => {
    const body = { host: 'alpha', id: orphan, confirm: 'nobody knows it' };
    expect((await cloud.call('POST', '/v1/drift/clean', { as: 'admin', body })).status).toBe(202);
    expect(asked.clean).toMatchObject([{ hostId: HOST_ID, id: orphan, statement: 'nobody knows it', caller: { isAdmin: true } }]);
    for (const wrong of [{ ...body, confirm: 'x' }, { ...body, id: 'x' }, { host: 'alpha', id: orphan }, { ...body, more: 1 }]) expect((await cloud.call('POST', '/v1/drift/clean', { as: 'admin', body: wrong })).status).toBe(400);
    expect((await cloud.call('POST', '/v1/drift/clean', { body })).status).toBe(403);
    refuse = true;
    expect((await cloud.call('POST', '/v1/drift/clean', { as: 'admin', body })).status).toBe(409);
  });
});
