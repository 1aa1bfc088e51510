/**
 * Writes an ISO 9660 image with Rock Ridge and Joliet names from a few small files: config drives.
 *
 * Owns: the bytes. Pure and reproducible: the same files give the same image. Not a general mastering tool: names of at
 * most 64 characters, small files, no links.
 */
import { ANCHOR_BYTES, bothEndian16, bothEndian32, SECTOR, sectorsOf } from './layout.js';
import { joliet, plainRockRidge, type Names } from './names.js';

interface FileNode { readonly kind: 'file'; readonly name: string; readonly data: Uint8Array; extent: number }
interface FolderNode { readonly kind: 'folder'; readonly name: string; readonly children: Node[] }
type Node = FileNode | FolderNode;

/** Where each folder of one of the two name trees lies. */
interface Placed { readonly folder: FolderNode; readonly parent: number; readonly bytes: number; extent: number }

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._+@=-]{0,63}$/;
const MAX_DEPTH = 8;
/** Empty sectors at the end, as every mastering tool leaves them: kernels and label readers read ahead past what is used. */
const READ_AHEAD = 150;

/**
 * @param label volume label, at most 16 characters, as it is (cloud-init looks for `config-2` in lower case)
 * @param files path (`a/b/c`) -> content
 * @throws Error for paths that cannot be names here
 */
export function writeIso(label: string, files: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  if (!/^[A-Za-z0-9_-]{1,16}$/.test(label)) throw new Error(`not usable as a volume label: ${label}`);
  const root = treeOf(files);
  const plain = place(root, plainRockRidge);
  const wide = place(root, joliet);
  // Sectors: 16 the system area, 3 volume descriptors, then per tree 2 path tables and its folders, then the files.
  let next = 19;
  const take = (bytes: number): number => {
    const at = next;
    next += sectorsOf(bytes);
    return at;
  };
  const trees = [{ names: plainRockRidge, placed: plain }, { names: joliet, placed: wide }].map(({ names, placed }) => {
    const tableBytes = pathTable(placed, names, 'little').length;
    const tables = { little: take(tableBytes), big: take(tableBytes), bytes: tableBytes };
    for (const folder of placed) folder.extent = take(folder.bytes);
    return { names, placed, tables };
  });
  const data = filesOf(root);
  for (const file of data) file.extent = file.data.length === 0 ? 0 : take(file.data.length);
  next += READ_AHEAD;
  const image = Buffer.alloc(next * SECTOR);
  trees.forEach(({ names, placed, tables }, index) => {
    descriptor(image.subarray((16 + index) * SECTOR, (17 + index) * SECTOR), { label, names, root: placed[0]!, tables, sectors: next, kind: index === 0 ? 1 : 2 });
    for (const order of ['little', 'big'] as const) pathTable(placed, names, order).copy(image, tables[order] * SECTOR);
    for (const folder of placed) writeFolder(image, folder, placed, names);
  });
  image.set([255, ...Buffer.from('CD001'), 1], 18 * SECTOR);
  for (const file of data) image.set(file.data, file.extent * SECTOR);
  return image;
}

function treeOf(files: Readonly<Record<string, string | Uint8Array>>): FolderNode {
  const root: FolderNode = { kind: 'folder', name: '', children: [] };
  for (const [path, content] of Object.entries(files)) {
    const parts = path.split('/');
    if (parts.length > MAX_DEPTH || parts.some((part) => !NAME.test(part))) throw new Error(`not usable as a path on a config drive: ${JSON.stringify(path)}`);
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const known = at.children.find((child) => child.name === part);
      if (known?.kind === 'file') throw new Error(`${path}: ${part} is a file`);
      const folder: FolderNode = known ?? { kind: 'folder', name: part, children: [] };
      if (!known) at.children.push(folder);
      at = folder;
    }
    const name = parts.at(-1)!;
    if (at.children.some((child) => child.name === name)) throw new Error(`${path} stands there twice`);
    at.children.push({ kind: 'file', name, data: typeof content === 'string' ? Buffer.from(content, 'utf8') : content, extent: 0 });
  }
  const sort = (folder: FolderNode): void => {
    folder.children.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const child of folder.children) if (child.kind === 'folder') sort(child);
  };
  sort(root);
  return root;
}

const filesOf = (folder: FolderNode): FileNode[] => folder.children.flatMap((child) => (child.kind === 'file' ? [child] : filesOf(child)));

/** Folders breadth first, as path tables want them. */
function place(root: FolderNode, names: Names): Placed[] {
  const placed: Placed[] = [{ folder: root, parent: 0, bytes: folderBytes(root, names, true), extent: 0 }];
  for (let index = 0; index < placed.length; index += 1) {
    for (const child of placed[index]!.folder.children) {
      if (child.kind === 'folder') placed.push({ folder: child, parent: index, bytes: folderBytes(child, names, false), extent: 0 });
    }
  }
  return placed;
}

const namesIn = (folder: FolderNode, names: Names): Map<Node, Buffer> => names.identifiers(folder.children.map((child) => child)) as Map<Node, Buffer>;

function folderBytes(folder: FolderNode, names: Names, isRoot: boolean): number {
  let at = record({ identifier: Buffer.from([0]), extent: 0, bytes: 0, folder: true, extra: names.extraOfSelf(isRoot) }).length;
  at += record({ identifier: Buffer.from([1]), extent: 0, bytes: 0, folder: true, extra: names.extraOfParent() }).length;
  for (const [child, identifier] of namesIn(folder, names)) at = fit(at, record({ identifier, extent: 0, bytes: 0, folder: child.kind === 'folder', extra: names.extraOf(child.name, child.kind === 'folder') }).length);
  const inSectors = sectorsOf(at) * SECTOR;
  return isRoot ? inSectors + (names.continuation().length > 0 ? SECTOR : 0) : inSectors;
}

/** Records do not cross sectors. @returns the offset after a record of `length` that begins at `at` or in the next sector */
const fit = (at: number, length: number): number => ((at % SECTOR) + length > SECTOR ? (Math.floor(at / SECTOR) + 1) * SECTOR + length : at + length);

function writeFolder(image: Buffer, own: Placed, all: readonly Placed[], names: Names): void {
  const isRoot = own === all[0];
  const parent = all[own.parent]!;
  // The root's folder has one sector more, for what Rock Ridge says of itself: it does not count as the folder's content.
  const spare = names.continuation();
  const bytesOf = (folder: Placed): number => folder.bytes - (folder === all[0] && spare.length > 0 ? SECTOR : 0);
  const start = own.extent * SECTOR;
  let at = 0;
  const add = (piece: Buffer): void => {
    const end = fit(at, piece.length);
    piece.copy(image, start + end - piece.length);
    at = end;
  };
  const areaExtent = own.extent + bytesOf(own) / SECTOR;
  add(record({ identifier: Buffer.from([0]), extent: own.extent, bytes: bytesOf(own), folder: true, extra: names.extraOfSelf(isRoot, areaExtent) }));
  add(record({ identifier: Buffer.from([1]), extent: parent.extent, bytes: bytesOf(parent), folder: true, extra: names.extraOfParent() }));
  for (const [child, identifier] of namesIn(own.folder, names)) {
    const target = child.kind === 'folder' ? all.find((placed) => placed.folder === child)! : null;
    add(record({
      identifier, folder: child.kind === 'folder', extra: names.extraOf(child.name, child.kind === 'folder'),
      extent: target ? target.extent : (child as FileNode).extent, bytes: target ? bytesOf(target) : (child as FileNode).data.length,
    }));
  }
  if (isRoot && spare.length > 0) spare.copy(image, areaExtent * SECTOR);
}

function record(of: { identifier: Buffer; extent: number; bytes: number; folder: boolean; extra: Buffer }): Buffer {
  const nameEnd = 33 + of.identifier.length + (of.identifier.length % 2 === 0 ? 1 : 0);
  const length = nameEnd + of.extra.length + (of.extra.length % 2);
  if (length > 255) throw new Error('a name on the config drive is too long');
  const out = Buffer.alloc(length);
  out[0] = length;
  bothEndian32(out, 2, of.extent);
  bothEndian32(out, 10, of.bytes);
  out.set(ANCHOR_BYTES, 18);
  out[25] = of.folder ? 2 : 0;
  bothEndian16(out, 28, 1);
  out[32] = of.identifier.length;
  of.identifier.copy(out, 33);
  of.extra.copy(out, nameEnd);
  return out;
}

function pathTable(placed: readonly Placed[], names: Names, order: 'little' | 'big'): Buffer {
  return Buffer.concat(placed.map((own, index) => {
    const identifier = index === 0 ? Buffer.from([0]) : namesIn(placed[own.parent]!.folder, names).get(own.folder)!;
    const out = Buffer.alloc(8 + identifier.length + (identifier.length % 2));
    out[0] = identifier.length;
    if (order === 'little') {
      out.writeUInt32LE(own.extent, 2);
      out.writeUInt16LE(own.parent + 1, 6);
    } else {
      out.writeUInt32BE(own.extent, 2);
      out.writeUInt16BE(own.parent + 1, 6);
    }
    identifier.copy(out, 8);
    return out;
  }));
}

function descriptor(out: Buffer, of: { label: string; names: Names; root: Placed; tables: { little: number; big: number; bytes: number }; sectors: number; kind: 1 | 2 }): void {
  const { names, root, tables } = of;
  out.set([of.kind, ...Buffer.from('CD001'), 1]);
  const text = (at: number, length: number, value: string): void => { names.text(value, length).copy(out, at); };
  text(8, 32, '');
  text(40, 32, of.label);
  bothEndian32(out, 80, of.sectors);
  out.set(names.escapes, 88);
  bothEndian16(out, 120, 1);
  bothEndian16(out, 124, 1);
  bothEndian16(out, 128, SECTOR);
  bothEndian32(out, 132, tables.bytes);
  out.writeUInt32LE(tables.little, 140);
  out.writeUInt32BE(tables.big, 148);
  record({ identifier: Buffer.from([0]), extent: root.extent, bytes: root.bytes - (names.continuation().length > 0 ? SECTOR : 0), folder: true, extra: Buffer.alloc(0) }).copy(out, 156);
  for (const [at, length] of [[190, 128], [318, 128], [446, 128], [574, 128], [702, 37], [739, 37], [776, 37]] as const) text(at, length, at === 574 ? 'SKYLITE' : '');
  for (const at of [813, 830, 847, 864]) out.write('0000000000000000', at, 'latin1'); // dates: not given
  out[881] = 1;
}
