/**
 * Applies a JSON patch to an image as its client sees it: one flat object of names and values, `tags` being the only
 * list. Pure. Refuses what Glance refuses, in its words; what the result means is checked by the schema afterwards.
 */
import { badRequest, conflict, forbidden } from '#libs/errors';

export interface PatchOperation {
  op: 'add' | 'replace' | 'remove' | 'move' | 'copy' | 'test';
  path: string;
  from?: string | undefined;
  value?: unknown;
}

export type ImageDocument = ReadonlyMap<string, unknown>;

/** Set by the server alone. */
export const READ_ONLY: ReadonlySet<string> = new Set(['id', 'status', 'created_at', 'updated_at', 'checksum', 'size', 'virtual_size', 'os_hash_algo', 'os_hash_value']);
/** Made by the server, and by nobody stored. */
export const RESERVED: ReadonlySet<string> = new Set(['self', 'file', 'schema', 'direct_url', 'stores', 'locations', '__proto__']);
/** What every image has: replaced, never removed. */
export const BASE: ReadonlySet<string> = new Set(['name', 'visibility', 'min_disk', 'min_ram', 'protected', 'os_hidden', 'tags', 'disk_format', 'container_format', 'owner']);

/** @throws SkyError `forbidden` for a name that clients do not set. */
export function refuseServerNames(name: string): void {
  if (READ_ONLY.has(name)) throw forbidden(`Attribute '${name}' is read-only.`);
  if (RESERVED.has(name) || name.startsWith('os_glance_')) throw forbidden(`Attribute '${name}' is reserved.`);
}

/** The pointer's parts, unescaped. */
function pointer(path: string): { name: string; index: string | undefined } {
  if (!path.startsWith('/') || path.endsWith('/') || /~(?![01])/.test(path)) throw badRequest(`Pointer '${path}' is not a valid JSON pointer to a property of an image.`);
  const parts = path.slice(1).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const [name, index] = parts;
  if (name === undefined || name === '' || parts.length > (name === 'tags' ? 2 : 1)) throw badRequest(`Invalid JSON pointer for this resource: '${path}'`);
  return { name, index };
}

export function applyPatch(document: ImageDocument, operations: readonly PatchOperation[]): ImageDocument {
  const result = new Map(document);
  for (const operation of operations) applyOne(result, operation);
  return result;
}

function applyOne(document: Map<string, unknown>, operation: PatchOperation): void {
  const { op } = operation;
  if (op === 'test') {
    if (JSON.stringify(valueAt(document, operation.path)) !== JSON.stringify(operation.value)) throw conflict(`The test of '${operation.path}' failed: it has another value.`);
    return;
  }
  if (op === 'move' || op === 'copy') {
    if (operation.from === undefined) throw badRequest(`Operation '${op}' needs 'from'.`);
    const value = valueAt(document, operation.from);
    if (value === undefined) throw conflict(`Property ${operation.from.slice(1)} does not exist.`);
    if (op === 'move') remove(document, operation.from);
    put(document, operation.path, value, 'add');
    return;
  }
  if (op === 'remove') remove(document, operation.path);
  else if (operation.value === undefined) throw badRequest(`Operation '${op}' needs a value.`);
  else put(document, operation.path, operation.value, op);
}

function valueAt(document: ReadonlyMap<string, unknown>, path: string): unknown {
  const { name, index } = pointer(path);
  if (index === undefined) return document.get(name);
  const tags = tagsOf(document);
  return tags[position(index, tags.length)];
}

function put(document: Map<string, unknown>, path: string, value: unknown, op: 'add' | 'replace'): void {
  const { name, index } = pointer(path);
  refuseServerNames(name);
  if (index !== undefined) {
    const tags = [...tagsOf(document)];
    const at = op === 'add' && index === '-' ? tags.length : position(index, op === 'add' ? tags.length + 1 : tags.length);
    tags.splice(at, op === 'add' ? 0 : 1, value);
    document.set(name, tags);
    return;
  }
  if (op === 'replace' && !document.has(name)) throw conflict(`Property ${name} does not exist.`);
  document.set(name, value);
}

function remove(document: Map<string, unknown>, path: string): void {
  const { name, index } = pointer(path);
  refuseServerNames(name);
  if (index !== undefined) {
    const tags = tagsOf(document);
    const at = position(index, tags.length);
    document.set(name, tags.filter((_, i) => i !== at));
    return;
  }
  if (BASE.has(name)) throw forbidden(`Property ${name} may not be removed.`);
  if (!document.delete(name)) throw conflict(`Property ${name} does not exist.`);
}

/** An earlier operation of the same patch may have put anything in their place. */
function tagsOf(document: ReadonlyMap<string, unknown>): readonly unknown[] {
  const tags = document.get('tags');
  if (!Array.isArray(tags)) throw badRequest('tags must be a list.');
  return tags;
}

function position(index: string, length: number): number {
  const at = /^(?:0|[1-9]\d{0,5})$/.test(index) ? Number(index) : -1;
  if (at < 0 || at >= length) throw conflict(`There is no tag number ${index}.`);
  return at;
}
