import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { HostId, InstanceId, openDiskTransfer, sendDisk, type ReceivedBy } from '#libs/contracts';
import { conflict, forbidden } from '#libs/errors';
import { createDoor } from '#libs/http';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { ApiHttpModule } from '../../api.module.js';
import { LIMITS } from '../../limits.js';

const SOURCE = HostId.parse('22222222-2222-4222-8222-222222222222');
const INSTANCE = InstanceId.parse('0c1d2e3f-4a5b-4c6d-8e7f-000000000001');
const DISK = randomBytes(3 * 1024 * 1024 + 17);
const WHOLE = Buffer.concat([DISK, createHash('sha512').update(DISK).digest()]);

const bus = new InMemoryBus();
let app: NestFastifyApplication;
let url = '';
type Ask = ReceivedBy<typeof sendDisk>;
/** What the source host does when it is asked. */
let source: (ask: Ask) => void | Promise<void>;
let refuse: Error | undefined;
const asks: Ask[] = [];
const uploads: Promise<number>[] = [];

/** PUTs, as a host does; breaks off after so many bytes, once the door has begun to pass them on. @returns the door's status, 0 when it hung up */
const put = (ask: Ask, body: Buffer, change: { key?: string; length?: number; abortAfter?: number; once?: Promise<unknown> } = {}): void => {
  uploads.push(new Promise((resolve) => {
    const upload = request(ask.uploadUrl, { method: 'PUT', headers: { authorization: `Bearer ${change.key ?? ask.uploadKey}`, 'content-type': 'application/octet-stream', 'content-length': change.length ?? body.length } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    upload.once('error', () => resolve(0));
    if (change.abortAfter === undefined) upload.end(body);
    else upload.write(body.subarray(0, change.abortAfter), () => { void change.once?.then(() => upload.destroy()); });
  }));
};
const get = (transferId: string, headers: Record<string, string> = {}) => fetch(`${url}/v1/disk-transfers/${transferId}`, { headers: { authorization: 'Bearer the-key', ...headers } });

beforeAll(async () => {
  bus.handle(openDiskTransfer, async ({ key }) => {
    if (key !== 'the-key') throw forbidden('No disk waits for this key.');
    return { sourceHostId: SOURCE, instanceId: INSTANCE };
  }, { group: 'compute' });
  bus.handle(sendDisk, async (ask) => {
    if (refuse) throw refuse;
    asks.push(ask);
    await source(ask);
    return { sizeBytes: DISK.length };
  }, { group: 'agent', hostId: SOURCE });
  const logger = createLogger('test', 'silent');
  const config = { region: 'RegionOne', consoles: { get dialUrl() { return url; }, allowedOrigins: [] } };
  app = await createDoor(ApiHttpModule.register({ bus, config, logger }), { logger });
  await app.listen(0, '127.0.0.1');
  url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
});
afterAll(async () => {
  await app.close();
  await bus.close();
});
afterEach(async () => {
  await Promise.all(uploads.splice(0));
  asks.length = 0;
  refuse = undefined;
});

describe('a disk through the door', () => {
  it('passes whole, with its size and digest', async () => {
    source = (ask) => put(ask, WHOLE);
    const transferId = randomUUID();
    const answer = await get(transferId);
    expect([answer.status, answer.headers.get('x-skylite-disk-bytes'), answer.headers.get('content-length')]).toEqual([200, String(DISK.length), String(WHOLE.length)]);
    expect(Buffer.from(await answer.arrayBuffer()).equals(WHOLE)).toBe(true);
    expect(await uploads[0]).toBe(204);
    expect(asks[0]).toMatchObject({ instanceId: INSTANCE, transferId, offset: 0, uploadUrl: `${url}/v1/disk-transfers/${transferId}/content` });
  });

  it('passes from where the host was', async () => {
    source = (ask) => put(ask, WHOLE.subarray(ask.offset));
    const answer = await get(randomUUID(), { range: 'bytes=1000000-' });
    expect(answer.status).toBe(206);
    expect(Buffer.from(await answer.arrayBuffer()).equals(WHOLE.subarray(1_000_000))).toBe(true);
    expect((await get(randomUUID(), { range: `bytes=${DISK.length + 1}-` })).status).toBe(416);
    for (const range of ['bytes=1-2', 'bytes=-5', 'x']) expect((await get(randomUUID(), { range })).status).toBe(400);
  });

  it('keeps nobody waiting who dialled for nothing', async () => {
    source = async (ask) => {
      put(ask, WHOLE);
      await new Promise((resolve) => { setTimeout(resolve, 200); });
    };
    expect((await get(randomUUID(), { range: `bytes=${DISK.length + 1}-` })).status).toBe(416);
    expect(await uploads[0]).not.toBe(204);
  });

  it('is cut off when its source goes, so that nobody takes a part for the whole', async () => {
    const begun = Promise.withResolvers<void>();
    source = (ask) => put(ask, WHOLE, { abortAfter: 500_000, once: begun.promise });
    const answer = await get(randomUUID());
    begun.resolve();
    await expect(answer.arrayBuffer()).rejects.toThrow();
    source = (ask) => put(ask, WHOLE.subarray(0, -1));
    await expect((await get(randomUUID())).arrayBuffer()).rejects.toThrow();
  });

  it('is given to nobody without its keys, and taken from nobody without his', async () => {
    expect((await get(randomUUID(), { authorization: 'Bearer other' })).status).toBe(403);
    expect((await fetch(`${url}/v1/disk-transfers/${randomUUID()}`)).status).toBe(401);
    expect((await get('x')).status).toBe(404);
    const statuses: number[] = [];
    source = (ask) => {
      void (async () => {
        put(ask, WHOLE, { key: 'guessed' });
        statuses.push(await uploads.at(-1)!);
        put(ask, WHOLE);
        statuses.push(await uploads.at(-1)!);
        put(ask, WHOLE); // the key is good once
        statuses.push(await uploads.at(-1)!);
      })();
    };
    expect(Buffer.from(await (await get(randomUUID())).arrayBuffer()).equals(WHOLE)).toBe(true);
    for (let wait = 0; statuses.length < 3 && wait < 2_000; wait += 1) await new Promise((resolve) => { setTimeout(resolve, 20); });
    expect(statuses.map((status) => status === 204)).toEqual([false, true, false]);
  });

  it('is refused in the words of the host that has it, or of the one who cannot find it', async () => {
    refuse = conflict('The guest is not off yet.');
    const answer = await get(randomUUID());
    expect([answer.status, await answer.json()]).toEqual([409, { error: { kind: 'conflict', message: 'The guest is not off yet.', requestId: expect.any(String) } }]);
  });

  it('waits for the source no longer than is sensible', async () => {
    source = () => undefined;
    const answer = await get(randomUUID());
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, String(LIMITS.diskRelayRetryS)]);
  });

  it('begins anew when its host comes again', async () => {
    const transferId = randomUUID();
    source = (ask) => put(ask, WHOLE, { abortAfter: 100_000, length: WHOLE.length });
    const first = (await get(transferId)).arrayBuffer();
    first.catch(() => undefined);
    source = (ask) => put(ask, WHOLE);
    const second = await get(transferId);
    expect(Buffer.from(await second.arrayBuffer()).equals(WHOLE)).toBe(true);
    await expect(first).rejects.toThrow();
  });
});
