import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judgeQcow2Header } from './qcow2.js';

const MAX = 16 * 1024 ** 4;

interface Fields { version: number; backingOffset: bigint; backingLength: number; clusterBits: number; size: bigint; crypt: number; l1Entries: number; l1At: bigint; incompatible: bigint; headerLength: number; extensions: [type: number, length: number][] }

const SANE: Fields = { version: 3, backingOffset: 0n, backingLength: 0, clusterBits: 16, size: 10n << 30n, crypt: 0, l1Entries: 20, l1At: 0x30000n, incompatible: 0n, headerLength: 112, extensions: [] };

function header(change: Partial<Fields> = {}): Uint8Array {
  const f = { ...SANE, ...change };
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x514649fb);
  view.setUint32(4, f.version);
  view.setBigUint64(8, f.backingOffset);
  view.setUint32(16, f.backingLength);
  view.setUint32(20, f.clusterBits);
  view.setBigUint64(24, f.size);
  view.setUint32(32, f.crypt);
  view.setUint32(36, f.l1Entries);
  view.setBigUint64(40, f.l1At);
  if (f.version === 3) {
    view.setBigUint64(72, f.incompatible);
    view.setUint32(100, f.headerLength);
  }
  let at = f.version === 3 ? f.headerLength : 72;
  for (const [type, length] of f.extensions) {
    if (at + 8 > bytes.length) break;
    view.setUint32(at, type);
    view.setUint32(at + 4, length);
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return bytes;
}

describe('judgeQcow2Header', () => {
  it('reads the size of the disk inside, and how long the file must be', () => {
    expect(judgeQcow2Header(header(), MAX)).toEqual({ ok: true, virtualSizeBytes: 10 * 1024 ** 3, atLeastBytes: 0x30000 + 160 });
    expect(judgeQcow2Header(header({ version: 2 }), MAX)).toMatchObject({ ok: true });
    expect(judgeQcow2Header(header({ incompatible: 0b11001n, extensions: [[0x6803f857, 384]] }), MAX)).toMatchObject({ ok: true });
  });

  it.each<[string, Partial<Fields>, RegExp]>([
    ['a backing file', { backingOffset: 1024n, backingLength: 11 }, /backing file/],
    ['a backing length without an offset', { backingLength: 11 }, /backing file/],
    ['an external data file (feature)', { incompatible: 0b100n }, /external file/],
    ['an external data file (extension)', { extensions: [[0x6803f857, 48], [0x44415441, 12]] }, /external data file/],
    ['an external data file (extension, version 2)', { version: 2, extensions: [[0x44415441, 12]] }, /external data file/],
    ['an unknown feature', { incompatible: 1n << 40n }, /not known/],
    ['corruption', { incompatible: 0b10n }, /corrupt/],
    ['encryption', { crypt: 2 }, /encrypted/],
    ['a disk too large', { size: BigInt(MAX) + 512n }, /at most/],
    ['a disk of no size', { size: 0n }, /empty/],
    ['absurd clusters', { clusterBits: 33 }, /cluster size/],
    ['a version to come', { version: 4 }, /version 4/],
    ['a header length outside', { headerLength: 1 << 20 }, /cannot be/],
    ['extensions that run out of what is looked at', { extensions: Array.from({ length: 30 }, (): [number, number] => [0x11111111, 128]) }, /cut off or too long/],
    ['an extension larger than its place', { extensions: [[0x11111111, 0x7fffffff]] }, /larger than/],
    ['tables that do not cover the disk', { l1Entries: 1 }, /cover/],
    ['tables nowhere', { l1At: 0n }, /outside/],
    ['tables beyond everything', { l1At: 1n << 63n }, /outside/],
  ])('refuses %s', (_title, change, reason) => {
    expect(judgeQcow2Header(header(change), MAX)).toEqual({ ok: false, reason: expect.stringMatching(reason) });
  });

  it('answers whatever bytes come in, and never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(typeof judgeQcow2Header(bytes, MAX).ok).toBe('boolean');
    }));
  });

  it('never accepts a changed header that reaches outside of its file', () => {
    const fields = fc.record({
      version: fc.constantFrom(2, 3), backingOffset: fc.oneof(fc.constant(0n), fc.bigInt(0n, (1n << 64n) - 1n)), backingLength: fc.constantFrom(0, 0, 9), clusterBits: fc.integer({ min: 0, max: 40 }),
      size: fc.bigInt(0n, (1n << 64n) - 1n), crypt: fc.constantFrom(0, 0, 1, 2), l1Entries: fc.integer({ min: 0, max: 0xffffffff }), l1At: fc.bigInt(0n, (1n << 64n) - 1n),
      incompatible: fc.bigInt(0n, 63n), headerLength: fc.constantFrom(104, 112, 120), extensions: fc.array(fc.tuple(fc.constantFrom(0x6803f857, 0x44415441, 0xe2792aca), fc.integer({ min: 0, max: 64 })), { maxLength: 4 }),
    });
    fc.assert(fc.property(fields, (f) => {
      const verdict = judgeQcow2Header(header(f), MAX);
      if (!verdict.ok) return;
      expect(f.backingOffset).toBe(0n);
      expect(f.version === 3 && (f.incompatible & 0b110n) !== 0n).toBe(false);
      expect(f.extensions.some(([type]) => type === 0x44415441)).toBe(false);
      expect(BigInt(verdict.virtualSizeBytes)).toBe(f.size);
      expect(verdict.virtualSizeBytes).toBeLessThanOrEqual(MAX);
      expect(verdict.virtualSizeBytes).toBeGreaterThan(0);
    }));
  });

  it('refuses every beginning that is too short to know', () => {
    const whole = header();
    for (let length = 0; length < 112; length += 1) expect(judgeQcow2Header(whole.subarray(0, length), MAX).ok).toBe(false);
  });
});
