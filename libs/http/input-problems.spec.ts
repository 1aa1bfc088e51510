import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { inputMessage, problemsOf } from './input-problems.js';
import { LIMITS } from './limits.js';
import type { Service } from './services.js';

const Server = z.object({ server: z.strictObject({
  name: z.string().min(1).max(5),
  count: z.int().min(1).max(3).optional(),
  kind: z.enum(['a', 'b']).optional(),
  networks: z.union([z.literal('auto'), z.array(z.object({ uuid: z.uuid() }))]).optional(),
  adminPass: z.string().optional(),
}) });

function refuse(service: Service, input: unknown, schema: z.ZodType = Server): string {
  const result = schema.safeParse(input);
  if (result.success) throw new Error('was accepted');
  return inputMessage(service, problemsOf(result.error.issues, input));
}

describe('inputMessage', () => {
  it.each<[unknown, string]>([
    [{ server: { name: 1 } }, "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'"],
    [{ server: { name: null } }, "Invalid input for field/attribute name. Value: None. None is not of type 'string'"],
    [{ server: {} }, "Invalid input for field/attribute server. Value: {}. 'name' is a required property"],
    [{}, "'server' is a required property"],
    [[], "[] is not of type 'object'"],
    [{ server: { name: '' } }, "Invalid input for field/attribute name. Value: ''. '' is too short (at least 1)"],
    [{ server: { name: 'abcdef' } }, "Invalid input for field/attribute name. Value: 'abcdef'. 'abcdef' is too long (at most 5)"],
    [{ server: { name: 'a', count: 9 } }, 'Invalid input for field/attribute count. Value: 9. 9 is greater than the maximum of 3'],
    [{ server: { name: 'a', kind: 'c' } }, "Invalid input for field/attribute kind. Value: 'c'. 'c' is not one of ['a', 'b']"],
    [{ server: { name: 'a', bad: true } }, "Invalid input for field/attribute server. Value: {'name': 'a', 'bad': True}. Additional properties are not allowed ('bad' was unexpected)"],
    [{ server: { name: 'a', networks: [{ uuid: 'x' }] } }, "Invalid input for field/attribute uuid. Value: 'x'. 'x' is not a 'uuid'"],
    [{ server: { name: 'a', networks: [7] } }, "Invalid input for field/attribute networks.0. Value: 7. 7 is not of type 'object'"],
    [{ server: { name: 'a', networks: 'x' } }, "Invalid input for field/attribute networks. Value: 'x'. 'x' is not valid under any of the given schemas"],
  ])('says it as Nova does: %j', (input, message) => {
    expect(refuse('compute', input)).toBe(message);
  });

  it('says it as Keystone does', () => {
    expect(refuse('identity', { server: { name: 1 } })).toBe("Invalid input for field 'server/name': 1 is not of type 'string'");
  });

  it("tells all problems on Skylite's own paths", () => {
    expect(refuse('own', { server: { name: 1, count: 0 } })).toBe("server.name: 1 is not of type 'string'; server.count: 0 is less than the minimum of 1");
  });

  it('never quotes a secret', () => {
    expect(refuse('compute', { server: { name: 'a', adminPass: 4711 } })).not.toContain('4711');
    expect(refuse('compute', { server: { name: 'a', adminPass: 'hunter2', bad: 1 } })).not.toContain('hunter2');
  });

  it('is short and never throws, whatever comes in', () => {
    fc.assert(fc.property(fc.anything(), (input) => {
      if (Server.safeParse(input).success) return;
      expect(refuse('compute', input).length).toBeLessThan(3 * LIMITS.quotedChars + 300);
    }));
  });
});
