import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { explainInvalid } from './explain-invalid.js';
import { pythonRepr } from './python-repr.js';

const schema = z.strictObject({
  server: z.strictObject({
    name: z.string().min(1).max(5),
    count: z.union([z.int().min(1), z.string().regex(/^[0-9]*$/)]).optional(),
    networks: z.union([z.array(z.strictObject({ uuid: z.uuid() })), z.enum(['none', 'auto'])]).optional(),
    metadata: z.record(z.string().regex(/^[a-z]+$/), z.string().max(3)).optional(),
    password: z.string().max(3).optional(),
    kind: z.enum(['a', 'b']).optional(),
    list: z.array(z.string()).max(1).optional(),
  }),
});
const say = (body: unknown): string => {
  const { error } = schema.safeParse(body);
  return error === undefined ? 'valid' : explainInvalid(error, body);
};
const server = (more: object) => ({ server: { name: 'n', ...more } });

describe('explainInvalid', () => {
  it.each<[unknown, string]>([
    [server({ name: 1 }), "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'"],
    [server({ name: null }), "Invalid input for field/attribute name. Value: None. None is not of type 'string'"],
    [server({ name: '' }), "Invalid input for field/attribute name. Value: . '' is too short"],
    [server({ name: 'abcdef' }), "Invalid input for field/attribute name. Value: abcdef. 'abcdef' is too long"],
    [{ server: {} }, "Invalid input for field/attribute server. Value: {}. 'name' is a required property"],
    [{}, "'server' is a required property"],
    [{ ...server({}), more: 1 }, "Additional properties are not allowed ('more' was unexpected)"],
    [server({ x: 1, y: 2 }), "Invalid input for field/attribute server. Value: {'name': 'n', 'x': 1, 'y': 2}. Additional properties are not allowed ('x', 'y' were unexpected)"],
    [server({ count: 0 }), 'Invalid input for field/attribute count. Value: 0. 0 is less than the minimum of 1'],
    [server({ count: 'x' }), "Invalid input for field/attribute count. Value: x. 'x' does not match '^[0-9]*$'"],
    [server({ count: true }), "Invalid input for field/attribute count. Value: True. True is not of type 'number', 'string'"],
    [server({ networks: 'some' }), "Invalid input for field/attribute networks. Value: some. 'some' is not one of ['none', 'auto']"],
    [server({ networks: 7 }), 'Invalid input for field/attribute networks. Value: 7. 7 is not valid under any of the given schemas'],
    [server({ networks: [{ uuid: 'u' }] }), "Invalid input for field/attribute uuid. Value: u. 'u' is not a 'uuid'"],
    [server({ metadata: { A: 'x' } }), "Invalid input for field/attribute metadata. Value: {'A': 'x'}. Additional properties are not allowed ('A' was unexpected)"],
    [server({ metadata: { a: 1 } }), "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'"],
    [server({ kind: 'c' }), "Invalid input for field/attribute kind. Value: c. 'c' is not one of ['a', 'b']"],
    [server({ list: ['a', 'b'] }), "Invalid input for field/attribute list. Value: ['a', 'b']. ['a', 'b'] is too long"],
    ['text', "'text' is not of type 'object'"],
    [null, "None is not of type 'object'"],
  ])('%j', (body, expected) => expect(say(body)).toBe(expected));

  it('never repeats a secret', () => {
    expect(say(server({ password: 'hunter2' }))).toBe("Invalid input for field/attribute password. Value: ***. '***' is too long");
    expect(say({ server: { password: 'hunter2' } })).not.toContain('hunter2');
  });

  it('never repeats the whole of a large value', () => {
    expect(say(server({ name: 'x'.repeat(100_000) })).length).toBeLessThan(1_000);
    expect(say(server({ networks: Array.from({ length: 10_000 }, () => ({ uuid: 'u' })) })).length).toBeLessThan(1_000);
  });

  it('names query parameters', () => {
    const query = z.object({ limit: z.array(z.string().regex(/^[0-9]*$/)).optional() });
    const { error } = query.safeParse({ limit: ['-1'] });
    expect(explainInvalid(error as z.ZodError, { limit: ['-1'] }, 'query')).toBe("Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'");
  });
});

describe('pythonRepr', () => {
  it.each<[unknown, string]>([
    ['a', "'a'"], ["it's", `"it's"`], [`"it's"`, `'"it\\'s"'`], ['a\nb', "'a\\nb'"], [true, 'True'], [false, 'False'], [null, 'None'], [1.5, '1.5'], [[1, 'a'], "[1, 'a']"], [{ a: { b: [] } }, "{'a': {'b': []}}"],
  ])('%j', (value, expected) => expect(pythonRepr(value)).toBe(expected));
});
