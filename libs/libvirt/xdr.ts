// XDR (RFC 4506) as libvirt uses it: types are plain data, values are plain objects, TypeScript derives one from the
// other. A type is compiled once to a pair of closures. Reading trusts nothing: every length is checked against the
// type's own limit and against the bytes that are really there before anything is allocated.
import { LibvirtArgumentError, LibvirtProtocolError } from './errors.js';
import type { XdrType, XdrValue } from './xdr-types.js';

export type { XdrType, XdrValue };

interface Codec {
  /** The fewest bytes a value can take: bounds a list's length by the bytes that are left. */
  readonly min: number;
  write(w: Writer, value: unknown): void;
  read(r: Reader): unknown;
}

class Writer {
  buffer = Buffer.allocUnsafe(4096);
  at = 0;
  /** Makes room for n more bytes and returns where they begin. */
  take(n: number): number {
    const start = this.at;
    if (start + n > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, start + n));
      this.buffer.copy(grown, 0, 0, start);
      this.buffer = grown;
    }
    this.at = start + n;
    return start;
  }
  padding(n: number): void {
    const pad = -n & 3;
    if (pad > 0) {
      const start = this.take(pad);
      this.buffer.fill(0, start, start + pad);
    }
  }
}

class Reader {
  at = 0;
  constructor(readonly buffer: Buffer) {}
  take(n: number): number {
    const start = this.at;
    if (n > this.buffer.length - start) throw new LibvirtProtocolError(`message too short: ${n} bytes wanted, ${this.buffer.length - start} left`);
    this.at = start + n;
    return start;
  }
  padding(n: number): void {
    const pad = -n & 3;
    const start = this.take(pad);
    for (let i = 0; i < pad; i++) if (this.buffer[start + i] !== 0) throw new LibvirtProtocolError('padding is not zero');
  }
  count(max: number, minBytes: number): number {
    const n = this.buffer.readUInt32BE(this.take(4));
    if (n > max) throw new LibvirtProtocolError(`length ${n} over the limit of ${max}`);
    if (n * minBytes > this.buffer.length - this.at) throw new LibvirtProtocolError(`length ${n} does not fit in the ${this.buffer.length - this.at} bytes left`);
    return n;
  }
}

function bad(what: string, value: unknown): LibvirtArgumentError {
  const shown = typeof value === 'string' ? `a string of ${value.length}` : typeof value === 'object' ? 'an object' : String(value);
  return new LibvirtArgumentError(`cannot encode ${shown} as ${what}`);
}

function integer(name: string, low: number, high: number): Codec {
  return {
    min: 4,
    write(w, value) {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) throw bad(name, value);
      const at = w.take(4);
      if (low < 0) w.buffer.writeInt32BE(value, at);
      else w.buffer.writeUInt32BE(value, at);
    },
    read(r) {
      const at = r.take(4);
      const value = low < 0 ? r.buffer.readInt32BE(at) : r.buffer.readUInt32BE(at);
      if (value < low || value > high) throw new LibvirtProtocolError(`${value} out of range for ${name}`);
      return value;
    },
  };
}

function hyper(name: string, low: bigint, high: bigint): Codec {
  return {
    min: 8,
    write(w, value) {
      if (typeof value !== 'bigint' || value < low || value > high) throw bad(name, value);
      const at = w.take(8);
      if (low < 0n) w.buffer.writeBigInt64BE(value, at);
      else w.buffer.writeBigUInt64BE(value, at);
    },
    read(r) {
      const at = r.take(8);
      return low < 0n ? r.buffer.readBigInt64BE(at) : r.buffer.readBigUInt64BE(at);
    },
  };
}

const SCALARS: Record<Extract<XdrType, string>, Codec> = {
  i8: integer('i8', -0x80, 0x7f),
  u8: integer('u8', 0, 0xff),
  i16: integer('i16', -0x8000, 0x7fff),
  u16: integer('u16', 0, 0xffff),
  i32: integer('i32', -0x8000_0000, 0x7fff_ffff),
  u32: integer('u32', 0, 0xffff_ffff),
  i64: hyper('i64', -(2n ** 63n), 2n ** 63n - 1n),
  u64: hyper('u64', 0n, 2n ** 64n - 1n),
  f64: {
    min: 8,
    write(w, value) {
      if (typeof value !== 'number') throw bad('f64', value);
      const at = w.take(8);
      w.buffer.writeDoubleBE(value, at);
    },
    read: (r) => r.buffer.readDoubleBE(r.take(8)),
  },
};

function string(max: number): Codec {
  return {
    min: 4,
    write(w, value) {
      // libvirt's strings are C strings: a NUL would silently cut the value in two. A lone surrogate has no UTF-8.
      if (typeof value !== 'string' || value.includes('\0') || !value.isWellFormed()) throw bad('string', value);
      const bytes = Buffer.byteLength(value);
      if (bytes > max) throw bad(`string of at most ${max} bytes`, value);
      const length = w.take(4);
      w.buffer.writeUInt32BE(bytes, length);
      const at = w.take(bytes);
      w.buffer.write(value, at, bytes, 'utf8');
      w.padding(bytes);
    },
    read(r) {
      const n = r.count(max, 1);
      const at = r.take(n);
      // Names made by other tools may not be UTF-8: such bytes become U+FFFD rather than making a whole list unreadable.
      const value = r.buffer.toString('utf8', at, at + n);
      if (value.includes('\0')) throw new LibvirtProtocolError('NUL inside a string');
      r.padding(n);
      return value;
    },
  };
}

function opaque(length: number, max: number | null): Codec {
  return {
    min: max === null ? length + (-length & 3) : 4,
    write(w, value) {
      if (!(value instanceof Uint8Array)) throw bad('bytes', value);
      if (max === null ? value.length !== length : value.length > max) throw bad(max === null ? `exactly ${length} bytes` : `at most ${max} bytes`, value.length);
      if (max !== null) {
        const at = w.take(4);
        w.buffer.writeUInt32BE(value.length, at);
      }
      const at = w.take(value.length);
      w.buffer.set(value, at);
      w.padding(value.length);
    },
    read(r) {
      const n = max === null ? length : r.count(max, 1);
      const at = r.take(n);
      const value = new Uint8Array(r.buffer.subarray(at, at + n)); // a copy: the packet's memory is reused
      r.padding(n);
      return value;
    },
  };
}

function sequence(item: Codec, length: number, max: number | null): Codec {
  return {
    min: max === null ? length * item.min : 4,
    write(w, value) {
      if (!Array.isArray(value)) throw bad('array', value);
      if (max === null ? value.length !== length : value.length > max) throw bad(max === null ? `array of ${length}` : `array of at most ${max}`, value.length);
      if (max !== null) {
        const at = w.take(4);
        w.buffer.writeUInt32BE(value.length, at);
      }
      for (const each of value) item.write(w, each);
    },
    read(r) {
      const n = max === null ? length : r.count(max, item.min);
      const out = new Array<unknown>(n);
      for (let i = 0; i < n; i++) out[i] = item.read(r);
      return out;
    },
  };
}

function optional(inner: Codec): Codec {
  return {
    min: 4,
    write(w, value) {
      const at = w.take(4);
      w.buffer.writeUInt32BE(value === null ? 0 : 1, at);
      if (value !== null) inner.write(w, value);
    },
    read(r) {
      const present = r.buffer.readUInt32BE(r.take(4));
      if (present > 1) throw new LibvirtProtocolError(`${present} is not a boolean`);
      return present === 1 ? inner.read(r) : null;
    },
  };
}

function struct(fields: readonly (readonly [string, Codec])[]): Codec {
  return {
    min: fields.reduce((sum, [, codec]) => sum + codec.min, 0),
    write(w, value) {
      if (typeof value !== 'object' || value === null) throw bad('struct', value);
      for (const [name, codec] of fields) codec.write(w, (value as Record<string, unknown>)[name]);
    },
    read(r) {
      const out: Record<string, unknown> = {};
      for (const [name, codec] of fields) out[name] = codec.read(r);
      return out;
    },
  };
}

function union(arms: ReadonlyMap<number, Codec>): Codec {
  return {
    min: 4 + Math.min(...[...arms.values()].map((arm) => arm.min)),
    write(w, value) {
      const { type, value: inner } = (value ?? {}) as { type?: unknown; value?: unknown };
      const arm = arms.get(Number(type));
      if (!arm) throw bad(`union (arm ${String(type)})`, value);
      const at = w.take(4);
      w.buffer.writeInt32BE(Number(type), at);
      arm.write(w, inner);
    },
    read(r) {
      const type = r.buffer.readInt32BE(r.take(4));
      const arm = arms.get(type);
      if (!arm) throw new LibvirtProtocolError(`unknown union arm ${type}`);
      return { type, value: arm.read(r) };
    },
  };
}

function compile(type: XdrType): Codec {
  if (typeof type === 'string') return SCALARS[type];
  if ('string' in type) return string(type.string);
  if ('opaque' in type) return opaque(type.opaque, null);
  if ('bytes' in type) return opaque(0, type.bytes);
  if ('array' in type) return sequence(codecOf(type.array), type.length, null);
  if ('list' in type) return sequence(codecOf(type.list), 0, type.max);
  if ('optional' in type) return optional(codecOf(type.optional));
  if ('struct' in type) return struct(Object.entries(type.struct).map(([name, field]) => [name, codecOf(field)] as const));
  return union(new Map(Object.entries(type.union).map(([key, arm]) => [Number(key), codecOf(arm)])));
}

const compiled = new WeakMap<object, Codec>();

function codecOf(type: XdrType): Codec {
  if (typeof type === 'string') return SCALARS[type];
  let codec = compiled.get(type);
  if (!codec) compiled.set(type, (codec = compile(type)));
  return codec;
}

const writer = new Writer(); // reused: encoding is synchronous and copies its result out
const KEEP = 1 << 20; // a rare huge message must not pin its buffer for ever

/**
 * Encodes a value behind `reserve` free bytes (room for a header the caller fills in). The untyped form of encodeXdr, for
 * callers that look the type up.
 * @throws LibvirtArgumentError when the value does not fit the type.
 */
export function encodeUntyped(type: XdrType, value: unknown, reserve = 0): Buffer {
  writer.at = 0;
  writer.take(reserve);
  codecOf(type).write(writer, value);
  const out = Buffer.from(writer.buffer.subarray(0, writer.at));
  if (writer.buffer.length > KEEP) writer.buffer = Buffer.allocUnsafe(4096);
  return out;
}

/**
 * Decodes exactly the bytes given. The untyped form of decodeXdr.
 * @throws LibvirtProtocolError on short, trailing or out-of-limit data.
 */
export function decodeUntyped(type: XdrType, bytes: Buffer): unknown {
  const reader = new Reader(bytes);
  const value = codecOf(type).read(reader);
  if (reader.at !== bytes.length) throw new LibvirtProtocolError(`${bytes.length - reader.at} bytes after the end of the message`);
  return value;
}

export function encodeXdr<const T extends XdrType>(type: T, value: XdrValue<T>): Buffer {
  return encodeUntyped(type, value);
}

export function decodeXdr<const T extends XdrType>(type: T, bytes: Buffer): XdrValue<T> {
  return decodeUntyped(type, bytes) as XdrValue<T>;
}
