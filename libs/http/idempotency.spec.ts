import { describe, expect, it } from '@jest/globals';
import { conflict } from '#libs/errors';
import { ClientKey, idsOfSeed, keyOf, kindOfToken, randomIds, unlessRepeated } from './idempotency.js';

const secret = Buffer.alloc(32, 7);
const request = (body: unknown, change: object = {}) => ({ method: 'POST', url: '/compute/v2.1/servers', headers: {}, body, ...change });

describe('an Idempotency-Key', () => {
  it('is a bare text or a structured field’s string', () => {
    expect(keyOf('8e03978e-40d5-43dd-bc93-6894a57f9324')).toBe('8e03978e-40d5-43dd-bc93-6894a57f9324');
    expect(keyOf('"8e03978e-40d5"')).toBe('8e03978e-40d5');
    expect(keyOf('"a\\"b\\\\c"')).toBe('a"b\\c');
    expect(keyOf('x'.repeat(255))).toHaveLength(255);
  });

  it.each(['', '""', ' ', 'a b', 'a, b', 'ü', 'x'.repeat(256), '\u007f'])('%j is refused with words', (text) => {
    expect(() => keyOf(text)).toThrow(/Idempotency-Key must be 1 to 255/);
  });
  it('is refused when it was sent twice', () => { expect(() => keyOf(['a', 'b'])).toThrow(/Idempotency-Key must be/); });

  it('belongs to one project and one user', () => {
    const ids = [new ClientKey(secret, 'p1', 'u1', 'k'), new ClientKey(secret, 'p2', 'u1', 'k'), new ClientKey(secret, 'p1', 'u2', 'k'), new ClientKey(secret, 'p1', 'u1', 'k2'), new ClientKey(Buffer.alloc(32, 8), 'p1', 'u1', 'k')].map(({ id }) => id.toString('hex'));
    expect(new Set(ids).size).toBe(5);
    // No two ways of writing the same parts together.
    expect(new ClientKey(secret, 'p', '1u', 'k').id.equals(new ClientKey(secret, 'p1', 'u', 'k').id)).toBe(false);
  });

  it('belongs to one kind of token: what one was answered, another is not', () => {
    const callers = [{}, { applicationCredentialId: 'a' }, { applicationCredentialId: 'b' }, { scopeDomainId: 'a' }, { isSystem: true }];
    const keys = callers.map((caller) => new ClientKey(secret, 'p', 'u', 'k', kindOfToken(caller)));
    expect(new Set(keys.map(({ id }) => id.toString('hex'))).size).toBe(callers.length);
    // Answers that were recorded before tokens had kinds are found again.
    expect(keys[0]?.id.equals(new ClientKey(secret, 'p', 'u', 'k').id)).toBe(true);
  });

  it('compares requests by what they mean', () => {
    const key = new ClientKey(secret, 'p', 'u', 'k');
    const print = (body: unknown, change = {}): string => key.fingerprint(request(body, change)).toString('hex');
    expect(print({ a: 1, b: { c: [1, 2], d: null } })).toBe(print({ b: { d: null, c: [1, 2] }, a: 1 }));
    const others = [{ a: 2 }, { a: '1' }, { a: [1] }, [['a', 1]], { a: 1, b: null }, null, {}, [], 'a'].map((body) => print(body));
    expect(new Set([...others, print({ a: 1 })]).size).toBe(others.length + 1);
    expect(new Set([print({}), print({}, { url: '/x' }), print({}, { method: 'PUT' }), print({}, { headers: { 'openstack-api-version': 'compute 2.60' } })]).size).toBe(4);
  });

  it('seals answers: another key, secret or record does not open them, and nothing of them can be read', () => {
    const key = new ClientKey(secret, 'p', 'u', 'k');
    const answer = { status: 202, headers: { location: '/x' }, body: '{"adminPass":"hunter2hunter2"}' };
    const sealed = key.seal(answer);
    expect(key.open(sealed)).toEqual(answer);
    expect(sealed.toString('latin1')).not.toContain('hunter2');
    expect(key.seal(answer).equals(sealed)).toBe(false);
    for (const other of [new ClientKey(secret, 'p', 'u', 'other'), new ClientKey(Buffer.alloc(32, 9), 'p', 'u', 'k'), new ClientKey(secret, 'p', 'u2', 'k')]) expect(() => other.open(sealed)).toThrow();
    const broken = Buffer.from(sealed);
    broken.writeUInt8((broken.at(-1) ?? 0) ^ 1, broken.length - 1);
    expect(() => key.open(broken)).toThrow();
  });
});

describe('ids', () => {
  it('are the same for a repeat, and others for another label, key or request', () => {
    const key = new ClientKey(secret, 'p', 'u', 'k');
    const ids = key.ids('req-1', false);
    expect(ids.uuid('server 0')).toBe(key.ids('req-1', true).uuid('server 0'));
    expect(ids.uuid('server 0')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set([ids.uuid('server 0'), ids.uuid('server 1'), key.ids('req-2', false).uuid('server 0'), new ClientKey(secret, 'p', 'u', 'l').ids('req-1', false).uuid('server 0'), randomIds.uuid('server 0')]).size).toBe(5);
    expect(ids.bytes('password', 9)).toHaveLength(9);
  });

  it('let a create that was performed before be answered, and no other conflict', async () => {
    const [first, repeat] = [idsOfSeed(secret, false), idsOfSeed(secret, true)];
    const taken = (): Promise<string> => Promise.reject(conflict('taken'));
    expect(await unlessRepeated(first, Promise.resolve('made'), () => Promise.resolve('there'), () => true)).toBe('made');
    expect(await unlessRepeated(repeat, taken(), () => Promise.resolve('there'), () => true)).toBe('there');
    await expect(unlessRepeated(first, taken(), () => Promise.resolve('there'), () => true)).rejects.toThrow('taken');
    await expect(unlessRepeated(repeat, taken(), () => Promise.resolve('there'), () => false)).rejects.toThrow('taken');
    await expect(unlessRepeated(repeat, taken(), () => Promise.reject(new Error('away')), () => true)).rejects.toThrow('taken');
    await expect(unlessRepeated(repeat, Promise.reject(new Error('other')), () => Promise.resolve('there'), () => true)).rejects.toThrow('other');
  });
});
