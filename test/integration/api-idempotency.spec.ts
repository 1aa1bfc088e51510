/** Requests with an Idempotency-Key at the real door, over real PostgreSQL: the same answer once and for all, also after a crash; and nothing secret kept in clear. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createFlavor, createServers, readTimeline, stopServer } from '#libs/contracts';
import { conflict, unavailable } from '#libs/errors';
import type { IdempotencyStore } from '#libs/http';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { IdempotencyRepository } from '../../apps/api/src/idempotency/idempotency.repository.js';
import { IMAGE_ID, instance, SERVER_ID } from '../../apps/api/src/testing/samples.js';
import { ScriptedCloud } from '../../apps/api/src/testing/scripted-cloud.js';

let t: TestDatabase;
let cloud: ScriptedCloud;
/** As if the process died between performing and recording. */
let dies = false;
beforeAll(async () => {
  t = await startTestDatabase('api');
  const records = new IdempotencyRepository(t.db);
  const store: IdempotencyStore = {
    begin: (request) => records.begin(request),
    finish: async (...args) => { if (dies) throw new Error('the process is gone'); await records.finish(...args); },
    release: async (id) => { if (dies) throw new Error('the process is gone'); await records.release(id); },
  };
  cloud = await ScriptedCloud.start('http://cloud.test', { idempotency: { store, secret: Buffer.alloc(32, 5) } });
});
afterEach(() => { dies = false; cloud.reset(); });
afterAll(async () => {
  await cloud?.stop();
  await t?.stop();
});

const V = '/compute/v2.1';
const server = (name = 'web') => ({ server: { name, imageRef: IMAGE_ID, flavorRef: '1' } });
const post = (key: string, body: unknown, options: { path?: string; as?: 'member' | 'admin'; headers?: Record<string, string>; version?: string } = {}) =>
  cloud.call('POST', `${V}${options.path ?? '/servers'}`, { body, headers: { 'idempotency-key': key, ...options.headers }, ...(options.as && { as: options.as }), ...(options.version && { version: options.version }) });
/** The lock of a process that is gone ends. */
const lockEnds = () => t.admin.query("UPDATE api.idempotency SET locked_until = now() - interval '1 second' WHERE locked_until IS NOT NULL");

describe('an Idempotency-Key', () => {
  it('gives the same answer to the same request, and performs it once', async () => {
    const key = randomUUID();
    const first = await post(key, server());
    const again = await post(`"${key}"`, { server: { flavorRef: '1', imageRef: IMAGE_ID, name: 'web' } });
    expect(first.status).toBe(202);
    expect(again.body).toEqual(first.body);
    expect([again.status, again.text, again.headers['idempotent-replayed'], first.headers['idempotent-replayed']]).toEqual([202, first.text, 'true', undefined]);
    for (const name of ['location', 'content-type', 'x-openstack-request-id', 'x-compute-request-id', 'openstack-api-version', 'x-openstack-nova-api-version', 'vary']) {
      expect([name, again.headers[name]]).toEqual([name, first.headers[name]]);
    }
    expect(cloud.questions(createServers)).toHaveLength(1);
    // A new key is a new request.
    expect((await post(randomUUID(), server())).body.server.id).not.toBe(first.body.server.id);
  });

  it('keeps refusals too; an answer without a body has none again', async () => {
    const refused = randomUUID();
    const first = await post(refused, { server: { name: '' } });
    expect([first.status, (await post(refused, { server: { name: '' } })).text]).toEqual([400, first.text]);
    const stop = randomUUID();
    for (let n = 0; n < 2; n += 1) expect([(await post(stop, { 'os-stop': null }, { path: `/servers/${SERVER_ID}/action` })).status]).toEqual([202]);
    expect(cloud.questions(stopServer)).toHaveLength(1);
  });

  it('is refused with another body, path or version: 422 in the service’s words; and when it is no key: 400', async () => {
    const key = randomUUID();
    await post(key, server());
    for (const other of [await post(key, server('other')), await post(key, server(), { version: '2.30' }), await post(key, { 'os-stop': null }, { path: `/servers/${SERVER_ID}/action` })]) {
      expect([other.status, Object.values(other.body)[0]]).toEqual([422, { code: 422, message: expect.stringMatching(/Idempotency-Key was used with another request/) }]);
    }
    const own = await cloud.call('POST', '/v1/hosts/enrol-tokens', { as: 'admin', body: {}, headers: { 'idempotency-key': 'a b' } });
    expect([own.status, own.body.error]).toEqual([400, expect.objectContaining({ kind: 'bad-request', message: expect.stringMatching(/Idempotency-Key must be 1 to 255/) })]);
  });

  it('belongs to whoever sent it', async () => {
    const key = randomUUID();
    const mine = await post(key, server());
    const other = await cloud.call('POST', `${V}/servers`, { body: server(), headers: { 'idempotency-key': key, 'x-auth-token': cloud.token('member', 'f'.repeat(32)) } });
    expect([other.status, other.body.server.id === mine.body.server.id]).toEqual([202, false]);
  });

  it('lets a duplicate that comes meanwhile know: 409 with Retry-After', async () => {
    const key = randomUUID();
    let go = (): void => undefined;
    const waiting = new Promise<void>((done) => { go = done; });
    cloud.answer(createServers, (async ({ instanceIds }: { instanceIds: string[] }) => { await waiting; return { instances: instanceIds.map((id) => instance({ id: id as never })) }; }) as never);
    const first = post(key, server());
    while (cloud.asked.length === 0) await new Promise((done) => setTimeout(done, 5));
    const many = await Promise.all(Array.from({ length: 5 }, () => post(key, server())));
    expect(many.map(({ status, headers }) => [status, Number(headers['retry-after']) >= 1])).toEqual(Array.from({ length: 5 }, () => [409, true]));
    expect(many[0]?.body.conflictingRequest.message).toMatch(/being processed/);
    expect((await post(key, server('other'))).status).toBe(422);
    go();
    const { text } = await first;
    expect((await post(key, server())).text).toBe(text);
    expect(cloud.questions(createServers)).toHaveLength(1);
  });

  it('of ten at once lets exactly one through', async () => {
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(key, server())));
    expect(cloud.questions(createServers)).toHaveLength(1);
    expect(new Set(answers.filter(({ status }) => status === 202).map(({ text }) => text)).size).toBe(1);
    expect(answers.every(({ status }) => status === 202 || status === 409)).toBe(true);
  });
});

describe('after a crash between performing and recording', () => {
  it('a create is the same write again: same ids, same password, same request id, and knows that it repeats', async () => {
    const key = randomUUID();
    dies = true;
    const lost = await post(key, { server: { ...server().server, max_count: 3 } });
    expect((await post(key, { server: { ...server().server, max_count: 3 } })).status).toBe(409);
    dies = false;
    await lockEnds();
    const again = await post(key, { server: { ...server().server, max_count: 3 } });
    expect([again.status, again.body, again.headers['x-openstack-request-id']]).toEqual([202, lost.body, lost.headers['x-openstack-request-id']]);
    const [first, second] = cloud.questions(createServers);
    expect(second).toMatchObject({ instanceIds: first?.instanceIds, reservationId: first?.reservationId, caller: { requestId: first?.caller.requestId, repeat: true } });
    expect(first?.caller.repeat).toBeUndefined();
    // And from now on it is recorded.
    expect((await post(key, { server: { ...server().server, max_count: 3 } })).headers['idempotent-replayed']).toBe('true');
  });

  it('an action that the server’s timeline knows is not performed again; one it does not know is', async () => {
    const key = randomUUID();
    const stop = () => post(key, { 'os-stop': null }, { path: `/servers/${SERVER_ID}/action` });
    dies = true;
    await stop();
    await lockEnds();
    cloud.questions(stopServer);
    await stop();
    expect(cloud.questions(stopServer)).toHaveLength(1);
    dies = false;
    await lockEnds();
    cloud.answer(readTimeline, ({ requestId }) => ({ entries: [{ requestId: requestId ?? '', action: 'stop', userId: 'u', projectId: 'p', startedAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z', finishedAt: null, failed: false, lines: [] }], more: false }));
    expect((await stop()).status).toBe(202);
    expect(cloud.asked.map(({ subject }) => subject)).toEqual([readTimeline.subject]);
  });

  it('a create whose id is taken by its own first try is answered, not refused', async () => {
    const key = randomUUID();
    const create = () => post(key, { flavor: { name: 'm1.nano', ram: 64, vcpus: 1, disk: 1, id: '1' } }, { path: '/flavors', as: 'admin' });
    dies = true;
    expect((await create()).status).toBe(200);
    dies = false;
    await lockEnds();
    cloud.answer(createFlavor, () => { throw conflict('Flavor with ID 1 already exists.'); });
    const again = await create();
    expect([again.status, again.body.flavor?.id]).toEqual([200, '1']);
    // Another key's is refused.
    expect((await post(randomUUID(), { flavor: { name: 'm1.nano', ram: 64, vcpus: 1, disk: 1, id: '1' } }, { path: '/flavors', as: 'admin' })).status).toBe(409);
  });

  it('what failed without an outcome is not recorded: the repeat performs it, with the same ids, at once', async () => {
    const key = randomUUID();
    cloud.answer(createServers, () => { throw unavailable('The database is away.'); });
    expect((await post(key, server())).status).toBe(503);
    const [first] = cloud.questions(createServers);
    cloud.reset();
    expect((await post(key, server())).status).toBe(202);
    expect(cloud.questions(createServers)[0]).toMatchObject({ instanceIds: first?.instanceIds, caller: { repeat: true } });
  });
});

describe('what is kept', () => {
  it('shows neither keys nor passwords nor bodies', async () => {
    const key = `secret-key-${randomUUID()}`;
    const answer = await post(key, { server: { ...server().server, adminPass: 'correct-horse-battery' } });
    expect(answer.body.server.adminPass).toBe('correct-horse-battery');
    const { rows } = await t.admin.query<Record<string, unknown>>('SELECT * FROM api.idempotency');
    const dump = rows.map((row) => Object.values(row).map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value))).join(' ')).join('\n');
    expect(rows.length).toBeGreaterThan(0);
    for (const secret of [key, 'correct-horse', answer.body.server.id as string]) expect(dump).not.toContain(secret);
    const keypair = await post(key.slice(7), { keypair: { name: 'k2' } }, { path: '/os-keypairs' });
    expect(keypair.body.keypair.private_key).toBe('SECRET');
    expect((await post(key.slice(7), { keypair: { name: 'k2' } }, { path: '/os-keypairs' })).body).toEqual(keypair.body);
  });

  it('ends after a day: the key is a new one then, with ids of its own; and is swept', async () => {
    const key = randomUUID();
    const first = await post(key, server());
    await t.admin.query("UPDATE api.idempotency SET expires_at = now() - interval '1 second'");
    const later = await post(key, server());
    expect([later.status, later.headers['idempotent-replayed'], later.body.server.id === first.body.server.id]).toEqual([202, undefined, false]);
    const records = new IdempotencyRepository(t.db);
    const { rows: [before] } = await t.admin.query<{ n: number }>('SELECT count(*)::int AS n FROM api.idempotency');
    expect(await records.sweep(1_000)).toBe((before?.n ?? 0) - 1);
    expect((await post(key, server())).body).toEqual(later.body);
  });

  it('is bounded per project: 429, while keys that are there go on', async () => {
    const records = new IdempotencyRepository(t.db);
    await t.admin.query(`INSERT INTO api.idempotency (id, scope, fingerprint, request_id, expires_at)
      SELECT sha256(n::text::bytea), 'busy', sha256(''::bytea), 'req', now() + interval '1 day' FROM generate_series(1, 100000) n`);
    const begin = (id: Buffer) => records.begin({ id, scope: 'busy', fingerprint: Buffer.alloc(32), requestId: 'req-x' });
    expect(await begin(Buffer.alloc(32, 1))).toEqual({ state: 'full' });
    const { rows: [one] } = await t.admin.query<{ id: Buffer; fingerprint: Buffer }>("SELECT id, fingerprint FROM api.idempotency WHERE scope = 'busy' LIMIT 1");
    expect(await records.begin({ id: one?.id as Buffer, scope: 'busy', fingerprint: one?.fingerprint as Buffer, requestId: 'req-y' })).toEqual({ state: 'mine', requestId: 'req', repeat: true });
    expect((await records.begin({ id: Buffer.alloc(32, 2), scope: 'quiet', fingerprint: Buffer.alloc(32), requestId: 'req-z' })).state).toBe('mine');
  });
});
