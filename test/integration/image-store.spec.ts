import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ImageStoreUnderTest, md5, PROJECTS, sha512, type ImageClient } from '../support/image-store.js';

/** Glance v2 as clients see it, on a real PostgreSQL and over real HTTP. */
let store: ImageStoreUnderTest;
let client: ImageClient;

beforeAll(async () => {
  store = await ImageStoreUnderTest.start();
  client = store.client;
});
afterAll(() => store.stop());

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
    expect(await store.filesOf(id)).toEqual([expect.stringMatching(new RegExp(`^${id.slice(0, 2)}/${id}\\.`))]);

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
    expect(await store.filesOf(id)).toEqual([]);
    expect((await client.call('one', 'POST', '/image/v2/images', { id })).status).toBe(409);
  });

  it('takes an id of its client, once', async () => {
    const id = randomUUID();
    expect((await client.call('one', 'POST', '/image/v2/images', { id })).body.id).toBe(id);
    expect((await client.call('two', 'POST', '/image/v2/images', { id })).body.error).toEqual({ code: 409, title: 'Conflict', message: `Image ID ${id} already exists!` });
  });

  it('is read in parts', async () => {
    const data = randomBytes(100_000);
    const path = `/image/v2/images/${await client.createActive('one', data)}/file`;
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
    const id = await client.createActive('one', randomBytes(10));
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
  });
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
