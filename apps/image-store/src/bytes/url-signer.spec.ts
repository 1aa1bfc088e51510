import { describe, expect, it } from '@jest/globals';
import { UrlSigner } from './url-signer.js';

const signer = new UrlSigner('ab'.repeat(32));
const what = { imageId: '0f0f0f0f-1111-4222-8333-444455556666', host: 'h1', expiresAtMs: 1000 };
const query = new URL(`http://x${signer.sign(what)}`).searchParams;
const signature = query.get('signature') ?? '';

describe('UrlSigner', () => {
  it('accepts its own signature until it expires', () => {
    expect([query.get('host'), query.get('expires')]).toEqual(['h1', '1000']);
    expect(signer.verify(what, signature, 999)).toBe(true);
    expect(signer.verify(what, signature, 1000)).toBe(false);
  });

  it.each([{ imageId: '1f0f0f0f-1111-4222-8333-444455556666' }, { host: 'h2' }, { expiresAtMs: 1001 }])('refuses it for %j', (change) => {
    expect(signer.verify({ ...what, ...change }, signature, 0)).toBe(false);
  });

  it.each(['', 'x', `${signature}AA`, signature.slice(1)])('refuses %j', (other) => {
    expect(signer.verify(what, other, 0)).toBe(false);
  });

  it("refuses another secret's, and has none that is short", () => {
    expect(new UrlSigner('cd'.repeat(32)).verify(what, signature, 0)).toBe(false);
    expect(() => new UrlSigner('abcd')).toThrow('32 bytes');
  });
});
