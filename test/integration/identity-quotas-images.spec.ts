import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, ImageStoreUnderTest, PROJECTS, type Answer, type ImageClient } from '../support/image-store.js';

/** Images against a project's limits, as identity tells them, on a real PostgreSQL and over real HTTP. */
const MIB = 1024 * 1024;
let store: ImageStoreUnderTest;
let client: ImageClient;

beforeAll(async () => {
  store = await ImageStoreUnderTest.start();
  client = store.client;
});
afterAll(() => store.stop());

/** Limits of a project from now on, and the moment from which they count. */
async function limit(who: 'one' | 'two', limits: Record<string, number>): Promise<void> {
  store.limits[PROJECTS[who]] = limits;
  store.limitsGeneration += 1;
  await eventually(async () => {
    const { body } = await client.call(who, 'GET', '/image/v2/info/usage');
    return Object.entries<{ limit: number }>(body.usage).every(([name, { limit: now }]) => now === (limits[name] ?? -1));
  });
}
const usage = async (who: 'one' | 'two'): Promise<Record<string, number>> =>
  Object.fromEntries(Object.entries((await client.call(who, 'GET', '/image/v2/info/usage')).body.usage as Record<string, { usage: number }>).map(([name, { usage: used }]) => [name, used]));
const counts = (answers: readonly Answer[]): Record<number, number> => Object.fromEntries([...new Set(answers.map(({ status }) => status))].sort().map((status) => [status, answers.filter((answer) => answer.status === status).length]));
const many = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: count }, (_, index) => make(index)));
const body = { name: 'x', disk_format: 'raw', container_format: 'bare' };
const removeAll = async (who: 'one' | 'two'): Promise<void> => {
  const { body: { images } } = await client.call(who, 'GET', '/image/v2/images?limit=200');
  for (const { id } of images) await client.call(who, 'DELETE', `/image/v2/images/${id}`);
};

/** An upload whose length nobody announces. */
function uploadInChunks(who: 'one' | 'two', id: string, data: Uint8Array): Promise<Answer> {
  const { request, answer } = client.open(who, 'PUT', `/image/v2/images/${id}/file`, { 'content-type': 'application/octet-stream', 'transfer-encoding': 'chunked' });
  request.on('error', () => undefined);
  request.end(data);
  return answer;
}

describe('the number of images', () => {
  it('is exactly its limit after 64 parallel creates, and says so in Glance\'s status', async () => {
    await limit('one', { image_count_total: 10 });
    const answers = await many(64, () => client.call('one', 'POST', '/image/v2/images', body));
    expect(counts(answers)).toEqual({ 201: 10, 413: 54 });
    expect(answers.find(({ status }) => status === 413)?.body.error.message).toBe('Resource image_count_total is over limit of 10 due to current usage 10 and delta 1');
    expect(await usage('one')).toMatchObject({ image_count_total: 10 });
    // Another project has its own.
    expect((await client.call('two', 'POST', '/image/v2/images', body)).status).toBe(201);
  });

  it('may be above a limit that came later: nothing is taken away, and nothing comes', async () => {
    await limit('one', { image_count_total: 3 });
    expect((await client.call('one', 'POST', '/image/v2/images', body)).status).toBe(413);
    expect((await client.call('one', 'GET', '/image/v2/images?limit=200')).body.images).toHaveLength(10);
    await removeAll('one');
    expect((await client.call('one', 'POST', '/image/v2/images', body)).status).toBe(201);
    await removeAll('one');
    await removeAll('two');
  });
});

describe('the bytes of images', () => {
  it.each([['announced', (id: string, data: Buffer) => client.upload('one', id, data)], ['not announced', (id: string, data: Buffer) => uploadInChunks('one', id, data)]] as const)(
    'are within their limit after parallel uploads, their length %s', async (_, upload) => {
      await limit('one', {});
      const ids = await many(16, () => client.create('one'));
      await limit('one', { image_size_total: 5 });
      const answers = await many(16, (index) => upload(ids[index] as string, randomBytes(MIB)));
      expect(counts(answers)).toEqual({ 204: 5, 413: 11 });
      expect(answers.find(({ status }) => status === 413)?.body.error.message).toBe('Resource image_size_total is over limit of 5 due to current usage 5 and delta 1');
      expect(await usage('one')).toMatchObject({ image_size_total: 5, image_count_uploading: 0, image_count_total: 16 });
      // Whoever was refused may try again, and has room when somebody has made some.
      const { body: { images } } = await client.call('one', 'GET', '/image/v2/images?limit=200');
      const waiting = images.find(({ status }: { status: string }) => status === 'queued').id as string;
      expect((await upload(waiting, randomBytes(10))).status).toBe(413);
      await client.call('one', 'DELETE', `/image/v2/images/${images.find(({ status }: { status: string }) => status === 'active').id}`);
      expect((await upload(waiting, randomBytes(MIB))).status).toBe(204);
      expect((await upload(images.filter(({ status }: { status: string }) => status === 'queued')[1].id, randomBytes(1))).status).toBe(413);
      await removeAll('one');
    });

  it('of an upload that is under way are reserved, and given back when it breaks off', async () => {
    await limit('one', { image_size_total: 4, image_count_uploading: 1 });
    const [first, second] = [await client.create('one'), await client.create('one')];
    const slow = client.open('one', 'PUT', `/image/v2/images/${first}/file`, { 'content-type': 'application/octet-stream', 'content-length': String(3 * MIB) });
    slow.request.on('error', () => undefined);
    slow.request.write(randomBytes(100));
    await eventually(async () => await client.status(first) === 'saving');
    expect(await usage('one')).toMatchObject({ image_size_total: 3, image_count_uploading: 1 });
    expect((await client.upload('one', second, randomBytes(10))).body.error.message).toBe('Resource image_count_uploading is over limit of 1 due to current usage 1 and delta 1');
    await limit('one', { image_size_total: 4 });
    expect((await client.upload('one', second, randomBytes(2 * MIB))).body.error.message).toBe('Resource image_size_total is over limit of 4 due to current usage 3 and delta 2');
    slow.request.destroy();
    await eventually(async () => await client.status(first) === 'queued');
    expect((await client.upload('one', second, randomBytes(2 * MIB))).status).toBe(204);
    expect(await usage('one')).toMatchObject({ image_size_total: 2, image_count_uploading: 0 });
    await removeAll('one');
  });
});

describe('an image that becomes another project\'s', () => {
  it('needs room among theirs, by number and by bytes, also when several come at once', async () => {
    await limit('one', {});
    await limit('two', { image_count_total: 3, image_size_total: 4 });
    const ids = await many(5, () => client.createActive('one', randomBytes(MIB)));
    const give = (id: string): Promise<Answer> => client.patch('admin', id, [{ op: 'replace', path: '/owner', value: PROJECTS.two }]);
    const answers = await Promise.all(ids.map(give));
    expect(counts(answers)).toEqual({ 200: 3, 413: 2 });
    expect(answers.find(({ status }) => status === 413)?.body.error.message).toBe('Resource image_count_total is over limit of 3 due to current usage 3 and delta 1');
    expect([await usage('one'), await usage('two')]).toMatchObject([{ image_count_total: 2, image_size_total: 2 }, { image_count_total: 3, image_size_total: 3 }]);
    await limit('two', { image_count_total: 9, image_size_total: 4 });
    const large = await client.createActive('one', randomBytes(2 * MIB));
    expect((await give(large)).body.error.message).toBe('Resource image_size_total is over limit of 4 due to current usage 3 and delta 2');
    // Other changes by an administrator count nothing.
    expect((await client.patch('admin', large, [{ op: 'replace', path: '/name', value: 'y' }])).status).toBe(200);
    await removeAll('one');
    await removeAll('two');
  });

  it('has no upload under way', async () => {
    await limit('two', {});
    const id = await client.create('one');
    const slow = client.open('one', 'PUT', `/image/v2/images/${id}/file`, { 'content-type': 'application/octet-stream', 'content-length': '1000' });
    slow.request.on('error', () => undefined);
    slow.request.write(randomBytes(100));
    await eventually(async () => await client.status(id) === 'saving');
    expect((await client.patch('admin', id, [{ op: 'replace', path: '/owner', value: PROJECTS.two }])).status).toBe(409);
    slow.request.destroy();
    await eventually(async () => await client.status(id) === 'queued');
    await removeAll('one');
  });
});
