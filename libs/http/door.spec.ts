import { Controller, Get, Module, Param, Post, Put, Req } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { connect } from 'node:net';
import { pino } from 'pino';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { conflict, internalError, notFound, SkyError, unauthorized } from '#libs/errors';
import { createDoor, publicUrl, ZodBody, ZodQuery } from './index.js';

let slowBegan = (): void => undefined;
const Thing = z.object({ name: z.string().max(8) });

@Controller()
class Things {
  @Get('/compute/v2.1/things/:id') get(@Param('id') id: string): never { throw notFound(`Thing ${id} could not be found.`); }
  @Post('/compute/v2.1/things') create(@ZodBody(Thing) body: z.output<typeof Thing>): unknown { return { thing: body }; }
  @Get('/compute/v2.1/things') list(@ZodQuery(z.object({ limit: z.coerce.number().int().min(0).optional() })) query: unknown): unknown { return query; }
  @Get('/image/v2/busy') busy(): never { throw conflict('busy'); }
  @Get('/image') versions(@Req() request: FastifyRequest): unknown { return { href: `${publicUrl(request)}/image/v2/` }; }
  @Get('/v1/bug') bug(): never { throw new TypeError('secret internals'); }
  @Get('/v1/bug2') bug2(): never { throw internalError('table xyz is missing'); }
  @Get('/identity/v3/secret') secret(): never { throw unauthorized('The request you have made requires authentication.'); }
  @Get('/v1/slow') async slow(): Promise<unknown> { slowBegan(); await new Promise((done) => setTimeout(done, 300)); return { done: true }; }
  @Get('/v1/down') down(): never { throw new SkyError('unavailable', 'The database does not answer.', { retryAfterS: 3 }); }
  @Put('/image/v2/bytes') async bytes(@Req() request: FastifyRequest): Promise<unknown> {
    let size = 0;
    for await (const chunk of request.body as Readable) size += (chunk as Buffer).length;
    return { size };
  }
}
@Module({ controllers: [Things] })
class ThingsModule {}

const logged: Record<string, unknown>[] = [];
let app: NestFastifyApplication;
let base: string;

beforeAll(async () => {
  const logger = pino({ level: 'debug' }, { write: (line: string) => { logged.push(JSON.parse(line) as Record<string, unknown>); } });
  app = await createDoor(ThingsModule, { logger, onRequest: (_request, reply) => { void reply.header('x-hook', 'yes'); } });
  await app.listen(0, '127.0.0.1');
  base = (await app.getUrl()).replace(/\/$/, '');
});
afterAll(() => app.close());

const ask = async (path: string, init?: RequestInit) => {
  const response = await fetch(base + path, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: (text === '' ? undefined : JSON.parse(text)) as Record<string, unknown> };
};
const post = (path: string, body: string, type = 'application/json') => ask(path, { method: 'POST', body, headers: { 'content-type': type } });

describe('the door', () => {
  it('refuses JSON that is nested without end before anybody walks it', async () => {
    const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    const deep = await post('/compute/v2.1/things', nested(20_000));
    expect([deep.status, deep.body]).toEqual([400, { badRequest: { code: 400, message: 'Malformed request body: it is nested more than 100 levels deep.' } }]);
    expect((await post('/compute/v2.1/things', `{"name":"x","b":${nested(99)}}`)).status).toBe(200 + 1);
  });

  it("answers errors in the service's own form, with ids", async () => {
    const { status, body, headers } = await ask('/compute/v2.1/things/7');
    expect([status, body]).toEqual([404, { itemNotFound: { code: 404, message: 'Thing 7 could not be found.' } }]);
    expect(headers.get('x-openstack-request-id')).toMatch(/^req-[0-9a-f-]{36}$/);
    expect(headers.get('x-compute-request-id')).toBe(headers.get('x-openstack-request-id'));
    expect(headers.get('x-hook')).toBe('yes');
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it('gives every request an id of its own, also when the client sends one with all of its requests', async () => {
    const order = 'req-0f0f0f0f-1111-4222-8333-444455556666';
    const idOf = async (sent: string): Promise<string | null> => (await ask('/image/v2/busy', { headers: { 'x-openstack-request-id': sent } })).headers.get('x-openstack-request-id');
    const ids = [await idOf(order), await idOf(order), await idOf('req-../../x')];
    expect(new Set([...ids, order]).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^req-[0-9a-f-]{36}$/);
  });

  it('knows no such path, in the words of its prefix, with ids and hook', async () => {
    const unknown = await ask('/compute/v2.1/nothing');
    expect([unknown.status, unknown.body]).toEqual([404, { itemNotFound: { code: 404, message: 'The resource could not be found.' } }]);
    expect(unknown.headers.get('x-hook')).toBe('yes');
    expect((await ask('/image/v9')).body).toEqual({ error: { code: 404, message: 'The resource could not be found.', title: 'Not Found' } });
    expect((await ask('/v1/nothing')).body).toMatchObject({ error: { kind: 'not-found' } });
  });

  it('tolerates trailing and double slashes', async () => {
    expect((await ask('/image/')).status).toBe(200);
    expect((await ask('//image')).status).toBe(200);
    expect((await ask('/compute//v2.1/things//7/')).body).toEqual({ itemNotFound: { code: 404, message: 'Thing 7 could not be found.' } });
  });

  it('makes links by which the client reached us, and believes no forwarded header unasked', async () => {
    expect((await ask('/image', { headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' } })).body).toEqual({ href: `${base}/image/v2/` });
  });

  it('says once that a proxy is not named', async () => {
    for (let n = 0; n < 2; n += 1) await ask('/image', { headers: { 'x-forwarded-for': '192.0.2.1' } });
    expect(logged.filter(({ msg }) => String(msg).includes('SKYLITE_TRUSTED_PROXIES'))).toEqual([expect.objectContaining({ level: 40, address: '127.0.0.1' })]);
  });

  it('checks bodies: schema, JSON, type, size', async () => {
    expect((await post('/compute/v2.1/things', '{"name":"ok"}')).body).toEqual({ thing: { name: 'ok' } });
    expect((await post('/compute/v2.1/things', '{"name":1}')).body).toEqual({ badRequest: { code: 400, message: "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'" } });
    expect((await post('/compute/v2.1/things', '{"name":')).body).toEqual({ badRequest: { code: 400, message: 'Malformed request body: it is not valid JSON.' } });
    expect((await post('/compute/v2.1/things', '{"__proto__":{"x":1},"name":"a"}')).status).toBe(400);
    expect((await post('/compute/v2.1/things', '')).body).toEqual({ badRequest: { code: 400, message: 'A JSON body is required.' } });
    expect((await post('/compute/v2.1/things', 'a=b', 'application/x-www-form-urlencoded')).body).toMatchObject({ badMediaType: { code: 415 } });
    expect((await post('/compute/v2.1/things', 'abc', 'application/octet-stream')).body).toMatchObject({ badMediaType: { code: 415 } });
    expect((await post('/compute/v2.1/things', `{"name":"${'x'.repeat(1024 * 1024)}"}`)).body).toMatchObject({ overLimit: { code: 413 } });
    expect((await ask('/compute/v2.1/things?limit=x')).body).toMatchObject({ badRequest: { code: 400 } });
  });

  it('refuses text that no database keeps, wherever it stands', async () => {
    for (const text of ['a\\u0000b', '\\ud800', '\\uDFFFx']) {
      for (const body of [`{"name":"${text}"}`, `{"name":"a","x":[{"${text}":1}]}`]) {
        const { status, body: answer } = await post('/compute/v2.1/things', body);
        expect([status, answer]).toEqual([400, { badRequest: { code: 400, message: 'Malformed request body: texts may hold neither U+0000 nor half a surrogate pair.' } }]);
      }
    }
    expect((await post('/compute/v2.1/things', '{"name":"\\\\u0000"}')).body).toEqual({ thing: { name: '\\u0000' } });
    expect((await post('/compute/v2.1/things', '{"name":"\\ud83e\\udd8a"}')).body).toEqual({ thing: { name: '🦊' } });
    for (const path of ['/compute/v2.1/things/a%00', '/compute/v2.1/things?name=%00', '/image?x=a%00b', '/nowhere%00']) expect((await ask(path)).status).toBe(400);
    expect((await ask('/compute/v2.1/things/%2500')).status).toBe(404);
  });

  it('answers a malformed URL with ids too', async () => {
    const { status, body, headers } = await ask('/compute/v2.1/things/%zz');
    expect([status, body]).toEqual([400, { badRequest: { code: 400, message: 'The request could not be understood.' } }]);
    expect(headers.get('x-compute-request-id')).toMatch(/^req-/);
  });

  it('tells a client nothing of internals, and the log everything, once', async () => {
    logged.length = 0;
    const { status, text, headers } = await ask('/v1/bug');
    expect(status).toBe(500);
    expect(text).not.toContain('secret');
    expect(text).toContain(headers.get('x-openstack-request-id'));
    const errors = logged.filter((line) => line.level === 50);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ requestId: headers.get('x-openstack-request-id'), status: 500 });
    expect(JSON.stringify(errors[0])).toContain('secret internals');
    expect((await ask('/v1/bug2')).text).not.toContain('xyz');
  });

  it('never logs a 4xx as an error, and every request as one line at debug', async () => {
    logged.length = 0;
    await ask('/image/v2/busy?signature=abc&x=1');
    expect(logged.filter((line) => (line.level as number) > 20)).toEqual([]);
    expect(logged.filter((line) => line.msg === 'request')).toEqual([expect.objectContaining({ method: 'GET', url: '/image/v2/busy?signature=…&x=1', status: 409 })]);
  });

  it('says how to authenticate and when to come back', async () => {
    expect((await ask('/identity/v3/secret')).headers.get('www-authenticate')).toBe(`Keystone uri="${base}/identity/v3"`);
    expect((await ask('/v1/down')).headers.get('retry-after')).toBe('3');
  });

  it('streams octet-stream bodies of any size', async () => {
    const { body } = await ask('/image/v2/bytes', { method: 'PUT', body: Buffer.alloc(5 * 1024 * 1024), headers: { 'content-type': 'application/octet-stream' } });
    expect(body).toEqual({ size: 5 * 1024 * 1024 });
  });

  it('answers HEAD like GET without a body', async () => {
    const response = await fetch(`${base}/image`, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
  });

  it.each(['keep-alive', 'close'])('lets a refused upload finish so that its client reads why (connection: %s)', async (connection) => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      let text = '';
      let sent = 0;
      // Sends it all, slowly, and looks at the answer only then.
      const more = (): void => {
        if (sent === 20) return void socket.on('data', (data) => { text += data.toString(); if (text.endsWith('}')) socket.end(); });
        sent += 1;
        socket.write(Buffer.alloc(50_000), () => setTimeout(more, 5));
      };
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
      socket.write(`PUT /image/v2/nothing HTTP/1.1\r\nhost: x\r\nconnection: ${connection}\r\ncontent-type: application/octet-stream\r\ncontent-length: 1000000\r\n\r\n`);
      more();
    });
    expect(answer).toMatch(/^HTTP\/1.1 404[^]*could not be found/);
  });

  it('lets requests under way end when it closes', async () => {
    const other = await createDoor(ThingsModule, { logger: pino({ level: 'silent' }) });
    await other.listen(0, '127.0.0.1');
    const began = new Promise<void>((done) => { slowBegan = done; });
    const slow = fetch(`${await other.getUrl()}/v1/slow`);
    await began;
    const closed = other.close();
    expect(await (await slow).json()).toEqual({ done: true });
    await closed;
  });
});
