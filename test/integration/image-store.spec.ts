import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getImage, ImageId, signImageUrl } from '#libs/contracts';
import { callerOf, eventually, filesIn, ImageStoreUnderTest, kill, md5, PROJECTS, sha512, type ImageClient } from '../support/image-store.js';

let store: ImageStoreUnderTest;
let client: ImageClient;

beforeAll(async () => {
  store = await ImageStoreUnderTest.start();
  client = store.client;
}, 60_000);
afterAll(() => store.stop());

/** A queued image of project one with these bytes already in. */
async function active(data: Uint8Array, body: Record<string, unknown> = {}): Promise<string> {
  const id = await client.create('one', body);
  expect((await client.upload('one', id, data)).status).toBe(204);
  return id;
}

/** Begins an upload and waits until the store has taken it; the caller ends it. */
async function begun(id: string, length: number, sent: Uint8Array, at = client) {
  const upload = at.open('one', 'PUT', `/image/v2/images/${id}/file`, { 'content-type': 'application/octet-stream', 'content-length': String(length) });
  upload.request.write(sent);
  await eventually(async () => (await at.status(id)) === 'saving');
  return upload;
}

const filesOf = async (id: string): Promise<string[]> => (await store.files()).filter((path) => path.includes(id));

describe('discovery', () => {
  it('tells versions without a token', async () => {
    for (const path of ['/image', '/image/']) {
      const { status, body } = await client.call(undefined, 'GET', path);
      expect(status).toBe(300);
      expect(body.versions[0]).toEqual({ id: 'v2.9', status: 'CURRENT', links: [{ rel: 'self', href: `${client.base}/image/v2/` }] });
      expect(body.versions.at(-1).id).toBe('v2.0');
    }
    expect((await client.call(undefined, 'GET', '/image/versions')).status).toBe(200);
    expect((await client.call(undefined, 'GET', '/image/v2/')).status).toBe(404);
  });

  it('wants a token for everything else', async () => {
    const { status, body, headers } = await client.call(undefined, 'GET', '/image/v2/images');
    expect([status, headers['www-authenticate']]).toEqual([401, `Keystone uri="${client.base}/identity/v3"`]);
    expect(typeof body.error.message).toBe('string');
  });

  it('has schemas, stores and no import methods', async () => {
    expect((await client.call('one', 'GET', '/image/v2/schemas/image')).body.properties.id.type).toBe('string');
    expect((await client.call('one', 'GET', '/image/v2/schemas/images')).body.name).toBe('images');
    expect((await client.call('one', 'GET', '/image/v2/info/stores')).body.stores[0].id).toBe('file');
    expect((await client.call('one', 'GET', '/image/v2/info/import')).body['import-methods'].value).toEqual([]);
  });
});

describe('an image', () => {
  it('is created, filled, shown, read and deleted', async () => {
    const created = await client.call('one', 'POST', '/image/v2/images', { name: 'fact', disk_format: 'raw', container_format: 'bare', os_distro: 'debian' });
    const { id } = created.body;
    expect(created.status).toBe(201);
    expect(created.headers.location).toBe(`${client.base}/image/v2/images/${id}`);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(created.body).toEqual({
      os_distro: 'debian', name: 'fact', disk_format: 'raw', container_format: 'bare', visibility: 'shared', size: null, virtual_size: null, status: 'queued', checksum: null, protected: false,
      min_ram: 0, min_disk: 0, owner: PROJECTS.one, os_hidden: false, os_hash_algo: null, os_hash_value: null, id, created_at: time, updated_at: time, tags: [],
      self: `/v2/images/${id}`, file: `/v2/images/${id}/file`, schema: '/v2/schemas/image',
    });
    expect((await client.call('one', 'GET', `/image/v2/images/${id}/file`)).status).toBe(204);

    const data = randomBytes(3_000_001);
    const uploaded = await client.upload('one', id, data);
    expect([uploaded.status, uploaded.bytes.length]).toEqual([204, 0]);
    const shown = (await client.call('one', 'GET', `/image/v2/images/${id}`)).body;
    expect(shown).toMatchObject({ status: 'active', size: data.length, virtual_size: data.length, checksum: md5(data), os_hash_algo: 'sha512', os_hash_value: sha512(data) });
    expect(await filesOf(id)).toEqual([expect.stringMatching(new RegExp(`^${id.slice(0, 2)}/${id}\\.`))]);

    const read = await client.call('one', 'GET', `/image/v2/images/${id}/file`);
    expect(read.headers).toMatchObject({ 'content-md5': md5(data), 'content-length': String(data.length), 'content-type': 'application/octet-stream' });
    expect(read.bytes.equals(data)).toBe(true);
    const head = await client.call('one', 'HEAD', `/image/v2/images/${id}/file`);
    expect([head.status, head.headers['content-length'], head.bytes.length]).toEqual([200, String(data.length), 0]);

    const deleted = await client.call('one', 'DELETE', `/image/v2/images/${id}`);
    expect([deleted.status, deleted.bytes.length]).toEqual([204, 0]);
    const gone = await client.call('one', 'GET', `/image/v2/images/${id}`);
    expect([gone.status, gone.body]).toEqual([404, { error: { code: 404, title: 'Not Found', message: `No image found with ID ${id}` } }]);
    expect((await client.call('one', 'DELETE', `/image/v2/images/${id}`)).status).toBe(404);
    expect(await filesOf(id)).toEqual([]);
    expect((await client.call('one', 'POST', '/image/v2/images', { id })).status).toBe(409);
  });

  it('takes an id of its client, once', async () => {
    const id = randomUUID();
    expect((await client.call('one', 'POST', '/image/v2/images', { id })).body.id).toBe(id);
    expect((await client.call('two', 'POST', '/image/v2/images', { id })).body.error).toEqual({ code: 409, title: 'Conflict', message: `Image ID ${id} already exists!` });
  });

  it('is read in parts', async () => {
    const data = randomBytes(100_000);
    const path = `/image/v2/images/${await active(data)}/file`;
    const part = await client.call('one', 'GET', path, undefined, { range: 'bytes=50000-' });
    expect([part.status, part.headers['content-range'], part.headers['content-md5']]).toEqual([206, 'bytes 50000-99999/100000', undefined]);
    expect(part.bytes.equals(data.subarray(50_000))).toBe(true);
    const beyond = await client.call('one', 'GET', path, undefined, { range: 'bytes=100000-' });
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */100000']);
  });

  it('refuses what an image cannot be', async () => {
    const create = async (body: unknown) => {
      const answer = await client.call('one', 'POST', '/image/v2/images', body);
      return [answer.status, answer.body.error.message];
    };
    expect(await create({ name: 1 })).toEqual([400, "Invalid input for field 'name': 1 is not of type 'string'"]);
    expect(await create({ status: 'active' })).toEqual([403, "Attribute 'status' is read-only."]);
    expect(await create({ visibility: 'public' })).toEqual([403, expect.stringContaining('not authorized')]);
    expect(await create({ owner: PROJECTS.two })).toEqual([403, expect.stringContaining('not permitted')]);
    expect(await create({ id: 'x' })).toEqual([400, expect.stringContaining("'x' is not a 'uuid'")]);
    expect(await create([])).toEqual([400, "[] is not of type 'object'"]);
    expect((await client.call('one', 'GET', '/image/v2/images/trimg')).body.error.message).toBe('No image found with ID trimg');
  });
});

describe('patches and tags', () => {
  it('change what the owner says', async () => {
    const id = await client.create('one');
    const patched = await client.patch('one', id, [{ op: 'add', path: '/os_distro', value: 'x' }, { op: 'replace', path: '/name', value: 'new' }, { op: 'add', path: '/tags/0', value: 't1' }, { op: 'replace', path: '/disk_format', value: 'qcow2' }]);
    expect([patched.status, patched.body]).toEqual([200, expect.objectContaining({ os_distro: 'x', name: 'new', tags: ['t1'], disk_format: 'qcow2' })]);
    expect((await client.call('one', 'PUT', `/image/v2/images/${id}/tags/t%2F2`)).status).toBe(204);
    expect((await client.call('one', 'DELETE', `/image/v2/images/${id}/tags/t1`)).status).toBe(204);
    expect((await client.call('one', 'DELETE', `/image/v2/images/${id}/tags/t1`)).status).toBe(404);
    expect((await client.call('one', 'GET', `/image/v2/images/${id}`)).body.tags).toEqual(['t/2']);
  });

  it('change nothing that is not theirs to change', async () => {
    const id = await active(randomBytes(10));
    const refused = async (value: unknown, who: 'one' | 'two' = 'one') => (await client.patch(who, id, value)).status;
    expect(await refused([{ op: 'replace', path: '/status', value: 'queued' }])).toBe(403);
    expect(await refused([{ op: 'replace', path: '/disk_format', value: 'qcow2' }])).toBe(403);
    expect(await refused([{ op: 'replace', path: '/visibility', value: 'public' }])).toBe(403);
    expect(await refused([{ op: 'replace', path: '/owner', value: PROJECTS.two }])).toBe(403);
    expect(await refused([{ op: 'remove', path: '/nothing' }])).toBe(409);
    expect(await refused([{ op: 'fly', path: '/name' }])).toBe(400);
    expect(await refused([{ op: 'replace', path: '/min_ram', value: 'much' }])).toBe(400);
    expect(await refused([{ op: 'replace', path: '/name', value: 'x' }], 'two')).toBe(404);
    expect((await client.call('one', 'PATCH', `/image/v2/images/${id}`, [])).status).toBe(415);
  });

  it('lose nothing when they come at once', async () => {
    const id = await client.create('one');
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => client.patch('one', id, [{ op: 'add', path: `/p${i}`, value: 'v' }])));
    expect(answers.map((answer) => answer.status)).toEqual(Array(12).fill(200));
    expect(Object.keys((await client.call('one', 'GET', `/image/v2/images/${id}`)).body).filter((key) => /^p\d+$/.test(key))).toHaveLength(12);
  });

  it('protect', async () => {
    const id = await client.create('one', { protected: true });
    const refused = await client.call('one', 'DELETE', `/image/v2/images/${id}`);
    expect([refused.status, refused.body.error.message]).toEqual([403, `Image ${id} is protected and cannot be deleted.`]);
    await client.patch('one', id, [{ op: 'replace', path: '/protected', value: false }]);
    expect((await client.call('one', 'DELETE', `/image/v2/images/${id}`)).status).toBe(204);
  });
});

describe('who sees what', () => {
  it('is decided by visibility', async () => {
    const tag = randomUUID();
    const ids = { private: await client.create('one', { tags: [tag], visibility: 'private' }), shared: await client.create('one', { tags: [tag] }), community: await client.create('one', { tags: [tag], visibility: 'community' }), public: await client.create('admin', { tags: [tag], visibility: 'public' }) };
    const seen = async (who: 'admin' | 'one' | 'two', query = ''): Promise<string[]> => ((await client.call(who, 'GET', `/image/v2/images?tag=${tag}${query}`)).body.images as { visibility: string }[]).map((image) => image.visibility).sort();
    expect(await seen('one')).toEqual(['community', 'private', 'public', 'shared']);
    expect(await seen('two')).toEqual(['public']);
    expect(await seen('two', '&visibility=community')).toEqual(['community']);
    expect(await seen('two', '&visibility=all')).toEqual(['community', 'public']);
    expect(await seen('two', '&visibility=private')).toEqual([]);
    expect(await seen('admin')).toEqual(['community', 'private', 'public', 'shared']);
    const show = async (id: string): Promise<number> => (await client.call('two', 'GET', `/image/v2/images/${id}`)).status;
    expect([await show(ids.private), await show(ids.shared), await show(ids.community), await show(ids.public)]).toEqual([404, 404, 200, 200]);
    expect((await client.call('two', 'DELETE', `/image/v2/images/${ids.private}`)).status).toBe(404);
    expect((await client.call('two', 'DELETE', `/image/v2/images/${ids.public}`)).status).toBe(403);
    expect((await client.upload('two', ids.public, Buffer.from('x'))).status).toBe(403);
    expect((await client.call('admin', 'DELETE', `/image/v2/images/${ids.private}`)).status).toBe(204);
  });
});

describe('lists', () => {
  const group = randomUUID();
  beforeAll(async () => {
    for (const [name, size] of [['b', 3], ['a', 1], ['c', 2], ['a', 5], ['d', 4]] as const) {
      const id = await client.create('one', { name, group, tags: [`n-${name}`] });
      await client.upload('one', id, randomBytes(size));
    }
    await client.create('one', { name: 'hidden', group, os_hidden: true });
    await client.create('one', { name: null, group: 'other' });
  }, 30_000);
  const names = async (query: string): Promise<string[]> => {
    const { status, body } = await client.call('one', 'GET', `/image/v2/images?group=${group}&${query}`);
    expect(status).toBe(200);
    return (body.images as { name: string }[]).map((image) => image.name);
  };

  it('filter', async () => {
    expect((await names('name=a')).length).toBe(2);
    expect(await names('name=in:b,c&sort=name:asc')).toEqual(['b', 'c']);
    expect(await names('tag=n-b')).toEqual(['b']);
    expect(await names('size_min=4&sort=size:asc')).toEqual(['d', 'a']);
    expect(await names('size_max=1')).toEqual(['a']);
    expect(await names('os_hidden=true')).toEqual(['hidden']);
    expect(await names('status=queued')).toEqual([]);
    expect(await names('owner=nobody')).toEqual([]);
    expect((await names('disk_format=raw&container_format=bare&protected=false&created_at=gt:2020-01-01T00:00:00Z')).length).toBe(5);
    expect(await names('id=not-a-uuid')).toEqual([]);
    expect(await names('limit=0')).toEqual([]);
  });

  it.each(['name:asc', 'name:desc', 'size:asc', 'name:asc,size:desc', 'created_at:desc', 'id:asc', 'disk_format:asc'])('page through everything once, by %s', async (sort) => {
    const whole = ((await client.call('one', 'GET', `/image/v2/images?group=${group}&sort=${sort}`)).body.images as { id: string }[]).map((image) => image.id);
    expect(whole).toHaveLength(5);
    const paged: string[] = [];
    let next: string | undefined = `/v2/images?group=${group}&limit=2&sort=${sort}`;
    while (next !== undefined) {
      const { body } = await client.call('one', 'GET', `/image${next}`);
      expect(body.schema).toBe('/v2/schemas/images');
      expect(body.first.startsWith('/v2/images?')).toBe(true);
      paged.push(...(body.images as { id: string }[]).map((image) => image.id));
      next = body.next as string | undefined;
    }
    expect(paged).toEqual(whole);
  });

  it('say what is wrong with a question', async () => {
    for (const query of ['limit=-1', 'sort=password', 'marker=nowhere', 'visibility=x', `marker=${randomUUID()}`]) expect((await client.call('one', 'GET', `/image/v2/images?${query}`)).status).toBe(400);
  });
});

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
  }, 30_000);

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
    request.once('response', () => { void client.call('one', 'DELETE', `/image/v2/images/${id}`); });
    request.end();
    expect(md5((await answer).bytes)).toBe(md5(data));
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
  }, 60_000);

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
  }, 60_000);
});
