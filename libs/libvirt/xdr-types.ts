// XDR types as data, and the TypeScript types of their values. No code: what is here is read by the compiler alone.

/** A declarative XDR type. Integers narrower than 32 bits take four bytes on the wire. */
export type XdrType =
  | 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | 'f64'
  | { readonly string: number } // UTF-8, at most that many bytes
  | { readonly opaque: number } // exactly that many bytes
  | { readonly bytes: number } // at most that many bytes
  | { readonly array: XdrType; readonly length: number }
  | { readonly list: XdrType; readonly max: number }
  | { readonly optional: XdrType }
  | { readonly struct: { readonly [field: string]: XdrType } }
  | { readonly union: { readonly [discriminant: number]: XdrType } };

/**
 * The TypeScript value of an XDR type. 64-bit integers are bigint; an absent optional is null. The first line stops at
 * "any type at all", which would be endless.
 */
export type XdrValue<T> = XdrType extends T ? unknown
  : T extends 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'f64' ? number
  : T extends 'i64' | 'u64' ? bigint
  : T extends { readonly string: number } ? string
  : T extends { readonly opaque: number } | { readonly bytes: number } ? Uint8Array
  : T extends { readonly array: infer U } ? readonly XdrValue<U>[]
  : T extends { readonly list: infer U } ? readonly XdrValue<U>[]
  : T extends { readonly optional: infer U } ? XdrValue<U> | null
  : T extends { readonly struct: infer S } ? { readonly [K in keyof S]: XdrValue<S[K]> }
  : T extends { readonly union: infer U } ? { [K in keyof U]: { readonly type: K; readonly value: XdrValue<U[K]> } }[keyof U]
  : never;
