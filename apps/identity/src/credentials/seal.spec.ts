import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { keyHash, seal, unseal } from './seal.js';

const [key, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];

it('opens what it sealed, for the same id and with the same key alone', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => {
    const sealed = seal(key, 'id', text);
    expect(unseal(key, 'id', sealed)).toBe(text);
    expect(() => unseal(key, 'other', sealed)).toThrow();
    expect(() => unseal(other, 'id', sealed)).toThrow();
    const altered = Buffer.from(sealed);
    altered[altered.length - 1] = (altered.at(-1) as number) ^ 1;
    expect(() => unseal(key, 'id', altered)).toThrow();
  }), { numRuns: 50 });
});

it('never seals alike twice, and shows nothing of the text or the key', () => {
  expect(seal(key, 'id', 'secret').equals(seal(key, 'id', 'secret'))).toBe(false);
  expect(seal(key, 'id', 'secret').includes('secret')).toBe(false);
  expect(keyHash(key)).not.toBe(keyHash(other));
});
