import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SkyError } from '#libs/errors';
import { applyPatch, BASE, READ_ONLY, RESERVED, type PatchOperation } from './patch.js';

const BEFORE = new Map<string, unknown>([['name', 'a'], ['tags', ['t1', 't2']], ['min_ram', 0], ['os_distro', 'debian'], ['x/y~z', 'odd']]);
const after = (...operations: PatchOperation[]): Record<string, unknown> => Object.fromEntries(applyPatch(BEFORE, operations));
const refused = (...operations: PatchOperation[]): string => {
  try {
    applyPatch(BEFORE, operations);
  } catch (error) {
    if (error instanceof SkyError) return `${error.kind}: ${error.message}`;
    throw error;
  }
  return 'accepted';
};

describe('applyPatch', () => {
  it('adds, replaces and removes', () => {
    expect(after({ op: 'add', path: '/os_version', value: '12' })).toMatchObject({ os_version: '12' });
    expect(after({ op: 'add', path: '/os_distro', value: 'x' })).toMatchObject({ os_distro: 'x' });
    expect(after({ op: 'replace', path: '/name', value: 'b' })).toMatchObject({ name: 'b' });
    expect(after({ op: 'remove', path: '/os_distro' })).not.toHaveProperty('os_distro');
    expect(after({ op: 'replace', path: '/x~1y~0z', value: '1' })).toMatchObject({ 'x/y~z': '1' });
    expect(after({ op: 'move', from: '/os_distro', path: '/distro' })).toMatchObject({ distro: 'debian' });
  });

  it('changes single tags, as clients that compute differences ask for it', () => {
    expect(after({ op: 'add', path: '/tags/0', value: 'n' }).tags).toEqual(['n', 't1', 't2']);
    expect(after({ op: 'add', path: '/tags/-', value: 'n' }).tags).toEqual(['t1', 't2', 'n']);
    expect(after({ op: 'replace', path: '/tags/1', value: 'n' }).tags).toEqual(['t1', 'n']);
    expect(after({ op: 'remove', path: '/tags/0' }).tags).toEqual(['t2']);
    expect(after({ op: 'replace', path: '/tags', value: [] }).tags).toEqual([]);
  });

  it.each<[PatchOperation, string]>([
    [{ op: 'replace', path: '/status', value: 'active' }, "forbidden: Attribute 'status' is read-only."],
    [{ op: 'add', path: '/self', value: 'x' }, "forbidden: Attribute 'self' is reserved."],
    [{ op: 'add', path: '/os_glance_x', value: 'x' }, "forbidden: Attribute 'os_glance_x' is reserved."],
    [{ op: 'add', path: '/__proto__', value: 'x' }, "forbidden: Attribute '__proto__' is reserved."],
    [{ op: 'remove', path: '/name' }, 'forbidden: Property name may not be removed.'],
    [{ op: 'replace', path: '/none', value: 'x' }, 'conflict: Property none does not exist.'],
    [{ op: 'remove', path: '/none' }, 'conflict: Property none does not exist.'],
    [{ op: 'add', path: '/a/b', value: 'x' }, "bad-request: Invalid JSON pointer for this resource: '/a/b'"],
    [{ op: 'add', path: 'name', value: 'x' }, "bad-request: Pointer 'name' is not a valid JSON pointer to a property of an image."],
    [{ op: 'add', path: '/a~2', value: 'x' }, "bad-request: Pointer '/a~2' is not a valid JSON pointer to a property of an image."],
    [{ op: 'add', path: '/x' }, "bad-request: Operation 'add' needs a value."],
    [{ op: 'replace', path: '/tags/7', value: 'x' }, 'conflict: There is no tag number 7.'],
    [{ op: 'copy', path: '/x', from: '/none' }, 'conflict: Property none does not exist.'],
    [{ op: 'test', path: '/name', value: 'other' }, "conflict: The test of '/name' failed: it has another value."],
  ])('refuses %j', (operation, expected) => {
    expect(refused(operation)).toBe(expected);
  });

  it('does not look for a place in tags that are no list any more', () => {
    expect(refused({ op: 'replace', path: '/tags', value: 5 }, { op: 'add', path: '/tags/0', value: 'x' })).toBe('bad-request: tags must be a list.');
  });

  const operation = fc.record({
    op: fc.constantFrom<PatchOperation['op']>('add', 'replace', 'remove', 'move', 'copy', 'test'),
    path: fc.oneof(fc.constantFrom('/name', '/tags', '/tags', '/tags/0', '/tags/0', '/tags/-', '/p', '/q', '/status', '/id', '/self'), fc.string().map((text) => `/${text}`), fc.string()),
    from: fc.option(fc.constantFrom('/p', '/name', '/tags/0'), { nil: undefined }),
    value: fc.oneof(fc.string(), fc.constant(undefined), fc.integer()),
  });

  it('leaves its input alone, keeps what every image has, and refuses only in our own errors', () => {
    fc.assert(fc.property(fc.array(operation, { maxLength: 8 }), (operations) => {
      const copy = structuredClone(BEFORE);
      let result: ReadonlyMap<string, unknown>;
      try {
        result = applyPatch(BEFORE, operations);
      } catch (error) {
        if (!(error instanceof SkyError)) throw error;
        return;
      } finally {
        expect(BEFORE).toEqual(copy);
      }
      for (const name of ['name', 'tags', 'min_ram']) expect(result.has(name)).toBe(BASE.has(name));
      for (const name of [...READ_ONLY, ...RESERVED]) expect(result.has(name)).toBe(false);
    }), { numRuns: 500 });
  });
});
