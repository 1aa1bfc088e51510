/**
 * The two ways names are written: the plain tree, whose short upper-case names carry the real ones in Rock Ridge fields,
 * and the Joliet tree in UCS-2. Linux reads the first, Windows the second.
 */
import { bothEndian32 } from './layout.js';

interface Named { readonly name: string; readonly kind: 'file' | 'folder' }

export interface Names {
  /** Identifiers of a folder's children, in the order in which records must stand. */
  identifiers(children: readonly Named[]): Map<Named, Buffer>;
  /** Bytes after the name of a child's record. */
  extraOf(name: string, folder: boolean): Buffer;
  extraOfSelf(isRoot: boolean, areaExtent?: number): Buffer;
  extraOfParent(): Buffer;
  /** What stands in the root's spare sector; empty: none. */
  continuation(): Buffer;
  /** A text field of the volume descriptor, padded. */
  text(value: string, length: number): Buffer;
  readonly escapes: Uint8Array;
}

const field = (signature: string, payload: Buffer): Buffer => Buffer.concat([Buffer.from(signature, 'latin1'), Buffer.from([4 + payload.length, 1]), payload]);

/** Owner root, read only, for all: what a mounted config drive shows. */
function posix(folder: boolean): Buffer {
  const payload = Buffer.alloc(32);
  bothEndian32(payload, 0, folder ? 0o040555 : 0o100444);
  bothEndian32(payload, 8, folder ? 2 : 1);
  return field('PX', payload);
}

const nameField = (name: string): Buffer => field('NM', Buffer.concat([Buffer.from([0]), Buffer.from(name, 'utf8')]));

/** "What follows is Rock Ridge", in the words of its specification; too long for a folder record. */
const extensionReference = ((): Buffer => {
  const id = 'RRIP_1991A';
  const description = 'THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS';
  const source = 'PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.';
  return field('ER', Buffer.concat([Buffer.from([id.length, description.length, source.length, 1]), Buffer.from(id + description + source, 'latin1')]));
})();

/** 8.3 in capitals, unique within the folder. */
function shortNames(children: readonly Named[]): Map<Named, string> {
  const taken = new Set<string>();
  const out = new Map<Named, string>();
  for (const child of children) {
    const clean = child.name.toUpperCase().replace(/[^A-Z0-9_.]/g, '_');
    const dot = child.kind === 'file' ? clean.lastIndexOf('.') : -1;
    const stem = (dot > 0 ? clean.slice(0, dot) : clean).replaceAll('.', '_').slice(0, 8);
    const extension = dot > 0 ? clean.slice(dot + 1, dot + 4) : '';
    const build = (base: string): string => (child.kind === 'folder' ? base : `${base}.${extension};1`);
    let name = build(stem);
    for (let count = 0; taken.has(name); count += 1) name = build(stem.slice(0, 5) + String(count).padStart(3, '0'));
    taken.add(name);
    out.set(child, name);
  }
  return out;
}

const byIdentifier = (map: Map<Named, Buffer>): Map<Named, Buffer> => new Map([...map].sort(([, a], [, b]) => Buffer.compare(a, b)));

export const plainRockRidge: Names = {
  identifiers: (children) => byIdentifier(new Map([...shortNames(children)].map(([child, name]) => [child, Buffer.from(name, 'latin1')]))),
  extraOf: (name, folder) => Buffer.concat([posix(folder), nameField(name)]),
  extraOfSelf: (isRoot, areaExtent = 0) => {
    if (!isRoot) return posix(true);
    const pointer = Buffer.alloc(24);
    bothEndian32(pointer, 0, areaExtent);
    bothEndian32(pointer, 16, extensionReference.length);
    return Buffer.concat([field('SP', Buffer.from([0xbe, 0xef, 0])), posix(true), field('CE', pointer)]);
  },
  extraOfParent: () => posix(true),
  continuation: () => extensionReference,
  text: (value, length) => Buffer.from(value.padEnd(length, ' '), 'latin1'),
  escapes: new Uint8Array(0),
};

const ucs2 = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

export const joliet: Names = {
  identifiers: (children) => byIdentifier(new Map(children.map((child) => [child, ucs2(child.name)]))),
  extraOf: () => Buffer.alloc(0),
  extraOfSelf: () => Buffer.alloc(0),
  extraOfParent: () => Buffer.alloc(0),
  continuation: () => Buffer.alloc(0),
  text: (value, length) => {
    const out = Buffer.alloc(length);
    ucs2(value.padEnd(Math.floor(length / 2), ' ')).copy(out);
    return out;
  },
  escapes: Buffer.from('%/E', 'latin1'),
};
