import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LibvirtArgumentError, LibvirtProtocolError } from './errors.js';
import { decodeUntyped, decodeXdr, encodeUntyped, encodeXdr, type XdrType } from './xdr.js';

const hex = (bytes: Buffer): string => bytes.toString('hex');
const from = (text: string): Buffer => Buffer.from(text, 'hex');

/** A type together with values of it. */
interface Typed {
  readonly type: XdrType;
  readonly values: fc.Arbitrary<unknown>;
}

const scalar = fc.constantFrom<Typed>(
  { type: 'i8', values: fc.integer({ min: -128, max: 127 }) },
  { type: 'u8', values: fc.integer({ min: 0, max: 255 }) },
  { type: 'i16', values: fc.integer({ min: -32768, max: 32767 }) },
  { type: 'u16', values: fc.integer({ min: 0, max: 65535 }) },
  { type: 'i32', values: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) },
  { type: 'u32', values: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
  { type: 'i64', values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  { type: 'u64', values: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  { type: 'f64', values: fc.double() },
  { type: { string: 64 }, values: fc.string({ unit: 'grapheme', maxLength: 8 }).filter((s) => !s.includes('\0') && Buffer.byteLength(s) <= 64) },
  { type: { opaque: 5 }, values: fc.uint8Array({ minLength: 5, maxLength: 5 }) },
  { type: { bytes: 9 }, values: fc.uint8Array({ maxLength: 9 }) },
);

const { typed } = fc.letrec<{ typed: Typed; deep: Typed }>((tie) => ({
  typed: fc.oneof({ maxDepth: 4 }, scalar, tie('deep')),
  deep: fc.oneof(
    tie('typed').map((inner): Typed => ({ type: { optional: inner.type }, values: fc.option(inner.values, { nil: null }) })),
    tie('typed').map((inner): Typed => ({ type: { list: inner.type, max: 5 }, values: fc.array(inner.values, { maxLength: 5 }) })),
    tie('typed').map((inner): Typed => ({ type: { array: inner.type, length: 2 }, values: fc.array(inner.values, { minLength: 2, maxLength: 2 }) })),
    fc.tuple(tie('typed'), tie('typed')).map(([a, b]): Typed => ({ type: { struct: { first: a.type, second: b.type } }, values: fc.record({ first: a.values, second: b.values }, { noNullPrototype: true }) })),
    fc.tuple(tie('typed'), tie('typed')).map(([a, b]): Typed => ({
      type: { union: { 1: a.type, 7: b.type } },
      values: fc.oneof(a.values.map((value) => ({ type: 1, value })), b.values.map((value) => ({ type: 7, value }))),
    })),
  ),
}));
const sample = typed.chain(({ type, values }) => fc.record({ type: fc.constant(type), value: values }, { noNullPrototype: true }));

describe('xdr', () => {
  it('writes what RFC 4506 says', () => {
    expect(hex(encodeXdr('i32', -2))).toBe('fffffffe');
    expect(hex(encodeXdr('u16', 0xffff))).toBe('0000ffff');
    expect(hex(encodeXdr('i8', -1))).toBe('ffffffff');
    expect(hex(encodeXdr('u64', 0x0102030405060708n))).toBe('0102030405060708');
    expect(hex(encodeXdr('i64', -1n))).toBe('ffffffffffffffff');
    expect(hex(encodeXdr('f64', 1))).toBe('3ff0000000000000');
    expect(hex(encodeXdr({ string: 10 }, 'hello'))).toBe('0000000568656c6c6f000000');
    expect(hex(encodeXdr({ opaque: 3 }, from('010203')))).toBe('01020300');
    expect(hex(encodeXdr({ bytes: 3 }, from('0102')))).toBe('0000000201020000');
    expect(hex(encodeXdr({ optional: 'u32' }, null))).toBe('00000000');
    expect(hex(encodeXdr({ optional: 'u32' }, 7))).toBe('0000000100000007');
    expect(hex(encodeXdr({ list: 'u32', max: 2 }, [1, 2]))).toBe('000000020000000100000002');
    expect(hex(encodeXdr({ array: 'u32', length: 2 }, [1, 2]))).toBe('0000000100000002');
    expect(hex(encodeXdr({ union: { 4: 'u64' } }, { type: 4, value: 1n }))).toBe('000000040000000000000001');
    expect(hex(encodeXdr({ struct: { a: 'u32', b: { string: 1 } } }, { a: 1, b: 'x' }))).toBe('000000010000000178000000');
  });

  it('reads back every value of every type', () => {
    fc.assert(
      fc.property(sample, ({ type, value }) => {
        expect(decodeUntyped(type, encodeUntyped(type, value))).toEqual(value);
      }),
    );
  });

  it('refuses every shortened message, and every lengthened one', () => {
    fc.assert(
      fc.property(sample, fc.nat(), ({ type, value }, cut) => {
        const bytes = encodeUntyped(type, value);
        expect(() => decodeUntyped(type, Buffer.concat([bytes, Buffer.alloc(4)]))).toThrow(LibvirtProtocolError);
        if (bytes.length > 0) expect(() => decodeUntyped(type, bytes.subarray(0, cut % bytes.length))).toThrow(LibvirtProtocolError);
      }),
    );
  });

  it('throws nothing but LibvirtProtocolError on any bytes', () => {
    fc.assert(
      fc.property(typed, fc.uint8Array({ maxLength: 64 }), ({ type }, bytes) => {
        try {
          decodeUntyped(type, Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(LibvirtProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('believes no length before it has seen the bytes', () => {
    expect(() => decodeXdr({ list: { struct: { a: 'u64', b: 'u64' } }, max: 0xffff_ffff }, from('ffffffff0000000000000000'))).toThrow(/does not fit/);
    expect(() => decodeXdr({ string: 4 }, from('0000000568656c6c6f000000'))).toThrow(/over the limit of 4/);
    expect(() => decodeXdr({ bytes: 0xffff_ffff }, from('fffffffc'))).toThrow(/does not fit/);
    expect(() => decodeXdr({ list: 'u32', max: 1 }, from('000000020000000100000002'))).toThrow(/over the limit of 1/);
  });

  it('refuses what a C daemon would misread', () => {
    expect(() => decodeXdr({ string: 9 }, from('0000000161626364'))).toThrow(/padding/);
    expect(() => decodeXdr({ string: 9 }, from('0000000161006200'.replace('6200', '0000').replace('00000001', '00000002')))).toThrow(/NUL/);
    expect(() => decodeXdr({ optional: 'u32' }, from('0000000200000001'))).toThrow(/boolean/);
    expect(() => decodeXdr({ union: { 1: 'u32' } }, from('0000000200000001'))).toThrow(/union arm 2/);
    expect(() => decodeXdr('u8', from('00000100'))).toThrow(/out of range/);
  });

  it('refuses values that do not fit their type', () => {
    const cases: [XdrType, unknown][] = [
      ['u32', -1], ['u32', 2 ** 32], ['u32', 1.5], ['u32', Number.NaN], ['u32', 1n], ['i32', '1'], ['u8', 256], ['u64', 1], ['u64', -1n], ['i64', 2n ** 63n],
      ['f64', 1n], [{ string: 3 }, 'four'], [{ string: 9 }, 'a\0b'], [{ string: 9 }, '\ud800'], [{ string: 9 }, null], [{ opaque: 2 }, new Uint8Array(3)],
      [{ bytes: 2 }, new Uint8Array(3)], [{ array: 'u32', length: 2 }, [1]], [{ list: 'u32', max: 1 }, [1, 2]], [{ struct: { a: 'u32' } }, {}],
      [{ struct: { a: 'u32' } }, null], [{ union: { 1: 'u32' } }, { type: 2, value: 1 }], [{ optional: 'u32' }, undefined],
    ];
    for (const [type, value] of cases) expect(() => encodeUntyped(type, value)).toThrow(LibvirtArgumentError);
  });

  it('grows for large values and lets go of the room again', () => {
    const big = 'x'.repeat(4 * 1024 * 1024);
    expect(decodeXdr({ string: 4 * 1024 * 1024 }, encodeXdr({ string: 4 * 1024 * 1024 }, big))).toBe(big);
    expect(hex(encodeXdr('u32', 1))).toBe('00000001');
  });
});
