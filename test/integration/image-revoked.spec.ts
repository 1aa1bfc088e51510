import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually, ImageStoreUnderTest } from '../support/image-store.js';

/** Uploads and downloads whose login is taken away while they run. */
let store: ImageStoreUnderTest;
beforeAll(async () => { store = await ImageStoreUnderTest.start(); });
afterAll(() => store.stop());

it('an upload ends with its login, and leaves nothing; another user\'s goes on', async () => {
  const { client } = store;
  const begin = async (who: 'one' | 'two', headers: Record<string, string>) => {
    const id = await client.create(who);
    const upload = client.open(who, 'PUT', `/image/v2/images/${id}/file`, { 'content-type': 'application/octet-stream', ...headers });
    upload.request.on('error', () => undefined).write(randomBytes(300_000));
    await eventually(async () => (await client.status(id)) === 'saving');
    return { id, ...upload };
  };
  const [announced, chunked, other] = [await begin('one', { 'content-length': '1000000' }), await begin('one', {}), await begin('two', { 'content-length': '600000' })];
  store.revoke('one');
  for (const { id, answer } of [announced, chunked]) {
    expect(await answer).toMatchObject({ status: 401 });
    await eventually(async () => (await client.status(id)) === 'queued');
    expect(await store.filesOf(id)).toEqual([]);
  }
  other.request.end(randomBytes(300_000));
  expect((await other.answer).status).toBe(204);
});

it('an upload that came whole while its login ended is not kept', async () => {
  const { client } = store;
  const id = await client.create('two');
  const upload = client.open('two', 'PUT', `/image/v2/images/${id}/file`, { 'content-type': 'application/octet-stream', 'content-length': '20' });
  upload.request.on('error', () => undefined).write(randomBytes(10));
  await eventually(async () => (await client.status(id)) === 'saving');
  store.revoke('two');
  await eventually(async () => (await client.call('two', 'GET', '/image/v2/images')).status === 401);
  upload.request.end(randomBytes(10));
  expect((await upload.answer).status).toBe(401);
  await eventually(async () => (await client.status(id)) === 'queued');
  expect(await store.filesOf(id)).toEqual([]);
});

it('a download breaks off with its login', async () => {
  const data = randomBytes(50_000_000);
  const { client } = store;
  const id = await client.createActive('admin', data);
  const request = client.request('admin', 'GET', `/image/v2/images/${id}/file`).on('error', () => undefined).end();
  const [response] = await once(request, 'response') as [IncomingMessage];
  let bytes = 0;
  const closed = once(response.on('error', () => undefined).on('data', (chunk: Buffer) => { bytes += chunk.length; }), 'close').catch(() => undefined);
  // It reads no further until nobody trusts it any more: more than sockets hold is still to come then.
  await once(response, 'data');
  response.pause();
  store.revoke('admin');
  await eventually(() => store.log.some((line) => line['msg'] === 'download ended'));
  response.resume();
  await closed;
  expect(bytes).toBeLessThan(data.length);
});
