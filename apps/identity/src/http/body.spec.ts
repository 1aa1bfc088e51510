import { describe, expect, it } from '@jest/globals';
import { bodyFlag, changedFields, entityName, extraOf, mergedExtra, mergedOptions, requireSameId, Tags } from './body.js';
import { refuseImmutableChange, refuseImmutableDelete } from './immutable.js';

describe('bodies', () => {
  it('have flags in all spellings that Keystone knows', () => {
    for (const yes of [true, 'True', 'true', '1', 'yes', 'on', 'Y']) expect(bodyFlag.parse(yes)).toBe(true);
    for (const no of [false, 'False', '0', 'no', 'off', 'n', '']) expect(bodyFlag.parse(no)).toBe(false);
    for (const other of [null, 1, 0, 'maybe', {}, 'tRuE']) expect(bodyFlag.safeParse(other).success).toBe(false);
  });

  it('have names without blanks around them', () => {
    expect(entityName(5).parse(' a b ')).toBe('a b');
    for (const bad of ['', '   ', 'abcdef', 1, null]) expect(entityName(5).safeParse(bad).success).toBe(false);
  });

  it('have tags that differ', () => {
    expect(Tags.parse(['a', 'b'])).toEqual(['a', 'b']);
    for (const bad of [['a', 'a'], [''], ['a/b'], ['a,b'], ['x'.repeat(256)], Array.from({ length: 81 }, String)]) expect(Tags.safeParse(bad).success).toBe(false);
  });

  it('keep what is unknown, within bounds, and nothing that is not theirs to set', () => {
    expect(extraOf({ name: 'n', id: 'i', links: {}, colour: 'red', none: null }, ['name'])).toEqual({ colour: 'red', none: null });
    expect(mergedExtra({ a: 1, b: 2 }, { b: 3 })).toEqual({ a: 1, b: 3 });
    expect(() => mergedExtra({ a: 'x'.repeat(10_000) }, { b: 'x'.repeat(10_000) })).toThrow('16384 characters');
    expect(() => mergedExtra({}, Object.fromEntries(Array.from({ length: 65 }, (_, i) => [i, i])))).toThrow('At most 64');
  });

  it('take options away by null', () => {
    expect(mergedOptions({ a: true, b: true }, { a: null, c: false, d: undefined })).toEqual({ b: true, c: false });
  });

  it('mean the resource of their path', () => {
    expect(() => requireSameId('a', { id: 'b' })).toThrow('Cannot change ID');
    for (const body of [{}, { id: 'a' }, { id: null }]) expect(() => requireSameId('a', body)).not.toThrow();
    expect(changedFields({ b: 1, a: null, c: undefined })).toEqual(['a', 'b']);
  });
});

describe('a protected resource', () => {
  const change = (body: Record<string, unknown>) => () => refuseImmutableChange('project', 'p', { immutable: true }, body);

  it('takes the end of its protection and nothing else', () => {
    for (const body of [{ options: { immutable: false } }, { options: { immutable: null } }]) expect(change(body)).not.toThrow();
    for (const body of [{}, { name: 'x' }, { options: { immutable: true } }, { options: {} }, { options: { immutable: false }, name: 'x' }]) expect(change(body)).toThrow('Unable to update immutable project resource');
    expect(() => refuseImmutableDelete('project', 'p', { immutable: true })).toThrow('Unable to delete immutable project resource');
    expect(() => refuseImmutableDelete('project', 'p', {})).not.toThrow();
    expect(() => refuseImmutableChange('project', 'p', { immutable: false }, { name: 'x' })).not.toThrow();
  });
});
