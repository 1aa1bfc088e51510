import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getImage, ImageId, signImageUrl } from '#libs/contracts';
import { callerOf, eventually, filesIn, ImageStoreUnderTest, kill, md5, sha512, type ImageClient } from '../support/image-store.js';

/** The bytes: broken, parallel and refused uploads, kills, a full disk, signed URLs, and what the sweep leaves. */
let store: ImageStoreUnderTest;
let client: ImageClient;

beforeAll(async () => {
  store = await ImageStoreUnderTest.start();
  client = store.client;
});
afterAll(() => store.stop());

/** Begins an upload and waits until the store has taken it; the caller ends it. */
async function begun(id: string, length: number, sent: Uint8Array, at = client) {
  const upload = at.open('one', 'PUT', `/image/v2/images/${id}/file`, { 'content-type': 'application/octet-stream', 'content-length': String(length) });
  upload.request.write(sent);
  await eventually(async () => (await at.status(id)) === 'saving');
  return upload;
}

const active = (data: Uint8Array, body: Record<string, unknown> = {}): Promise<string> => client.createActive('one', data, body);
const filesOf = (id: string): Promise<string[]> => store.filesOf(id);

describe('uploads', () => {
  it('are taken once, by one', async () => {
    const id = await client.create('one');
    const data = randomBytes(200_000);
    const answers = await Promise.all(Array.from({ length: 4 }, () => client.upload('one', id, data)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([204, 409, 409, 409]);
    expect(await filesOf(id)).toHaveLength(1);
    expect((await client.upload('one', id, data)).body.error.message).toBe('Image status transition from active to saving is not allowed');
  });

  it('refuse what the content is not, and can be repeated', async () => {
    const file = join(store.dir, 'backed.qcow2');
    const alone = join(store.dir, 'alone.qcow2');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', alone, '8M']);
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', alone, '-F', 'qcow2', file]);
    const id = await client.create('one', { disk_format: 'qcow2' });
    const refused = await client.upload('one', id, await readFile(file));
    expect([refused.status, refused.body.error.message]).toEqual([400, expect.stringContaining('names a backing file')]);
    expect((await client.upload('one', id, randomBytes(1000))).body.error.message).toContain("disk_format is 'qcow2', but the content is not");
    const whole = await readFile(alone);
    expect((await client.upload('one', id, whole.subarray(0, whole.length - 70_000))).body.error.message).toContain('cut off');
    expect([await client.status(id), await filesOf(id)]).toEqual(['queued', []]);
    expect((await client.upload('one', id, whole)).status).toBe(204);
    expect((await client.call('one', 'GET', `/image/v2/images/${id}`)).body).toMatchObject({ status: 'active', virtual_size: 8 * 1024 * 1024, size: whole.length });
    const raw = await client.create('one');
    expect((await client.upload('one', raw, whole)).body.error.message).toContain("the content is 'qcow2'");
  });

  it('refuse what is too large, known or not, empty, or of another type', async () => {
    const id = await client.create('one');
    const path = `/image/v2/images/${id}/file`;
    expect((await client.upload('one', id, Buffer.alloc(64 * 1024 * 1024 + 1))).status).toBe(413);
    const chunked = client.open('one', 'PUT', path, { 'content-type': 'application/octet-stream' });
    for (let i = 0; i < 70; i += 1) chunked.request.write(Buffer.alloc(1024 * 1024));
    chunked.request.end();
    expect((await chunked.answer).status).toBe(413);
    expect((await client.upload('one', id, Buffer.alloc(0))).status).toBe(400);
    expect((await client.call('one', 'PUT', path, { a: 1 })).status).toBe(415);
    expect((await client.upload('one', await client.create('one', { disk_format: null }), Buffer.from('x'))).body.error.message).toBe('Properties disk_format must be set prior to saving data.');
    expect([await client.status(id), await filesOf(id)]).toEqual(['queued', []]);
  });

  it('that break off leave the image queued and no bytes', async () => {
    const id = await client.create('one');
    const { request } = await begun(id, 1_000_000, randomBytes(300_000));
    request.destroy();
    await eventually(async () => (await client.status(id)) === 'queued');
    expect(await filesOf(id)).toEqual([]);
    expect((await client.upload('one', id, randomBytes(100))).status).toBe(204);
  });

  it('end when their image is deleted', async () => {
    const id = await client.create('one');
    const { request, answer } = await begun(id, 1_000_000, randomBytes(300_000));
    expect((await client.call('one', 'DELETE', `/image/v2/images/${id}`)).status).toBe(204);
    await eventually(async () => (await filesOf(id)).length === 0);
    request.end(randomBytes(700_000));
    expect((await answer).status).toBe(410);
  });

  it('do not stop a reader when the image is deleted meanwhile', async () => {
    const data = randomBytes(20_000_000);
    const id = await active(data);
    const { request, answer } = client.open('one', 'GET', `/image/v2/images/${id}/file`);
    const deleted = new Promise<unknown>((done) => { request.once('response', () => { done(client.call('one', 'DELETE', `/image/v2/images/${id}`)); }); });
    request.end();
    expect(md5((await answer).bytes)).toBe(md5(data));
    await deleted;
    await eventually(() => store.log.some((line) => line['msg'] === 'request' && line['url'] === `/image/v2/images/${id}/file` && line['method'] === 'GET' && line['status'] === 200));
    expect((await client.call('one', 'GET', `/image/v2/images/${id}/file`)).status).toBe(404);
  });
});

describe('downloads', () => {
  it('that break off leave nothing open', async () => {
    const open = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
    const id = await active(randomBytes(30_000_000));
    const before = await open();
    for (let i = 0; i < 5; i += 1) {
      const { request } = client.open('one', 'GET', `/image/v2/images/${id}/file`);
      request.once('response', (response) => { response.once('data', () => request.destroy()); });
      request.end();
      await new Promise((done) => { request.once('close', done); });
    }
    await eventually(async () => await open() <= before);
  });

  it('at once get the same bytes', async () => {
    const data = randomBytes(5_000_000);
    const id = await active(data);
    const answers = await Promise.all(Array.from({ length: 6 }, () => client.call('one', 'GET', `/image/v2/images/${id}/file`)));
    expect(answers.map((answer) => md5(answer.bytes))).toEqual(Array(6).fill(md5(data)));
  });
});

describe('the bus', () => {
  it('tells other services of an image, as far as the caller may see it', async () => {
    const data = randomBytes(1000);
    const imageId = ImageId.parse(await active(data, { name: 'disk', min_disk: 1, p: 'v' }));
    expect(await store.bus.ask(getImage, { caller: callerOf('one'), imageId })).toEqual({
      id: imageId, name: 'disk', status: 'active', sizeBytes: 1000, virtualSizeBytes: 1000, diskFormat: 'raw', sha512: sha512(data), minDiskGib: 1, minRamMib: 0, properties: { p: 'v' },
    });
    await expect(store.bus.ask(getImage, { caller: callerOf('two'), imageId })).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('offers no disk that was not looked at', async () => {
    const imageId = ImageId.parse(await active(randomBytes(1000), { disk_format: 'qcow2', container_format: 'ovf' }));
    expect((await store.bus.ask(getImage, { caller: callerOf('one'), imageId })).diskFormat).toBeNull();
  });

  it('signs URLs that open one image for a while, whole or in parts', async () => {
    const data = randomBytes(5000);
    const id = await active(data);
    const signed = await store.bus.ask(signImageUrl, { imageId: ImageId.parse(id), audience: 'host-1' });
    expect(signed).toMatchObject({ sha512: sha512(data), sizeBytes: 5000 });
    expect(signed.expiresAtMs - Date.now()).toBeGreaterThan(4 * 60_000);
    const path = signed.url.slice(client.base.length);
    const whole = await client.call(undefined, 'GET', path);
    expect([whole.status, sha512(whole.bytes)]).toEqual([200, sha512(data)]);
    expect((await client.call(undefined, 'GET', path, undefined, { range: 'bytes=4000-' })).bytes.equals(data.subarray(4000))).toBe(true);
    const refused = async (change: (url: URL) => void): Promise<number> => {
      const url = new URL(signed.url);
      change(url);
      return (await client.call(undefined, 'GET', `${url.pathname}${url.search}`)).status;
    };
    expect(await refused((url) => { url.searchParams.set('host', 'host-2'); })).toBe(403);
    expect(await refused((url) => { url.searchParams.set('expires', String(signed.expiresAtMs + 1)); })).toBe(403);
    expect(await refused((url) => { url.searchParams.delete('signature'); })).toBe(400);
    const other = await active(data);
    expect(await refused((url) => { url.pathname = `/image/bytes/${other}`; })).toBe(403);
    expect(JSON.stringify(store.log)).not.toContain(new URL(signed.url).searchParams.get('signature'));
    await client.call('one', 'DELETE', `/image/v2/images/${id}`);
    expect((await client.call(undefined, 'GET', path)).status).toBe(404);
  });

  it('signs nothing for an image without data', async () => {
    const imageId = ImageId.parse(await client.create('one'));
    await expect(store.bus.ask(signImageUrl, { imageId, audience: 'h' })).rejects.toMatchObject({ kind: 'conflict' });
    await expect(store.bus.ask(signImageUrl, { imageId: ImageId.parse(randomUUID()), audience: 'h' })).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('the sweep', () => {
  it('removes what no image wants and keeps what it does not know', async () => {
    const kept = await active(randomBytes(10));
    const queued = await client.create('one');
    const stranger = randomUUID();
    const put = async (folder: string, id: string): Promise<void> => {
      await mkdir(join(store.dataDir, folder), { recursive: true });
      await writeFile(join(store.dataDir, folder, `${id}.${randomUUID()}`), 'x');
    };
    await put('incoming', queued);
    await put('incoming', stranger);
    await put(queued.slice(0, 2), queued);
    await put(kept.slice(0, 2), kept);
    await put(stranger.slice(0, 2), stranger);
    await writeFile(join(store.dataDir, 'README'), 'not ours');
    expect(await store.sweep.sweep()).toMatchObject({ removed: 4, unknown: 1 });
    expect([(await filesOf(kept)).length, (await filesOf(queued)).length, (await filesOf(stranger)).length]).toEqual([1, 0, 1]);
    expect((await client.call('one', 'GET', `/image/v2/images/${kept}/file`)).status).toBe(200);
    expect(await store.files()).toContain('README');
    expect(await store.sweep.sweep()).toMatchObject({ removed: 0 });
  });

  it('gives back what nobody receives any more, and leaves running uploads alone', async () => {
    const silent = await client.create('one');
    const running = await client.create('one');
    const { request, answer } = await begun(running, 10, randomBytes(5));
    await store.database.admin.query(`UPDATE image.images SET status = 'saving', upload_id = $2, upload_beat_at = now() WHERE id = $1`, [silent, randomUUID()]);
    await eventually(async () => {
      await store.sweep.sweep();
      return (await client.status(silent)) === 'queued';
    });
    expect(await client.status(running)).toBe('saving');
    request.end(randomBytes(5));
    expect((await answer).status).toBe(204);
  });
});

describe('a process of its own', () => {
  it('killed in the middle of an upload leaves nothing for long', async () => {
    const dataDir = join(store.dir, 'killed');
    const first = await store.startProcess({ dataDir });
    const id = await client.create('one');
    const kept = await client.create('one');
    const data = randomBytes(500_000);
    expect((await first.client.upload('one', kept, data)).status).toBe(204);
    const upload = await begun(id, 5_000_000, randomBytes(2_000_000), first.client);
    upload.request.on('error', () => undefined);
    await eventually(async () => (await filesIn(dataDir)).some((path) => path.startsWith('incoming/')));
    await kill(first.child);

    const second = await store.startProcess({ dataDir });
    try {
      await eventually(async () => (await second.client.status(id)) === 'queued');
      await eventually(async () => (await filesIn(dataDir)).every((path) => !path.includes(id)));
      expect(md5((await second.client.call('one', 'GET', `/image/v2/images/${kept}/file`)).bytes)).toBe(md5(data));
      expect((await second.client.upload('one', id, data)).status).toBe(204);
      expect(await filesIn(dataDir)).toHaveLength(2);
    } finally {
      await kill(second.child);
    }
  });

  it('with a full disk says so, and goes on', async () => {
    const dataDir = join(store.dir, 'full');
    await mkdir(dataDir);
    const { child, client: small } = await store.startProcess({ dataDir, tmpfsMib: 8 });
    try {
      const id = await client.create('one');
      const announced = await small.upload('one', id, randomBytes(9_000_000));
      expect([announced.status, announced.body.error.message]).toEqual([413, expect.stringContaining('storage media is full')]);
      const chunked = small.open('one', 'PUT', `/image/v2/images/${id}/file`, { 'content-type': 'application/octet-stream' });
      chunked.request.end(randomBytes(9_000_000));
      const full = await chunked.answer;
      expect([full.status, full.body.error.message]).toEqual([413, expect.stringContaining('storage media is full')]);
      expect(await small.status(id)).toBe('queued');
      expect((await small.upload('one', id, randomBytes(3_000_000))).status).toBe(204);
    } finally {
      await kill(child);
    }
  });
});
