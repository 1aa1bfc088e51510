import { describe, expect, it } from '@jest/globals';
import { isGone } from './is-gone.js';

describe('isGone', () => {
  it.each([[null, false], [{ fencedAt: null, returnedAt: null }, false], [{ fencedAt: new Date(0), returnedAt: null }, true], [{ fencedAt: new Date(0), returnedAt: new Date(1) }, false]])('%j: %s', (fence, gone) => {
    expect(isGone(fence)).toBe(gone);
  });
});
