import { z } from 'zod';
import type { Caller } from '#libs/contracts';
import { badRequest, forbidden, tooLarge } from '#libs/errors';
import { parseInput } from '#libs/http';
import { LIMITS } from '../limits.js';
import { BASE, refuseServerNames, type ImageDocument, type PatchOperation } from './decide/patch.js';
import { CONTAINER_FORMATS, DISK_FORMATS, VISIBILITIES, type Image, type ImageSpec } from './image.js';

/** No C0 controls: PostgreSQL cannot hold NUL, and no name needs the others. */
// eslint-disable-next-line no-control-regex -- controls are what it looks for
const printable = (text: string): boolean => !/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text);
const text = (max: number) => z.string().max(max).refine(printable, 'contains control characters');

/** The attributes that every image has, as clients write them. */
export const BaseAttributes = z.object({
  name: text(LIMITS.nameChars).nullable(),
  visibility: z.enum(VISIBILITIES),
  disk_format: z.enum(DISK_FORMATS).nullable(),
  container_format: z.enum(CONTAINER_FORMATS).nullable(),
  min_disk: z.int().min(0).max(LIMITS.minimum),
  min_ram: z.int().min(0).max(LIMITS.minimum),
  protected: z.boolean(),
  os_hidden: z.boolean(),
  tags: z.array(text(LIMITS.tagChars).min(1)),
  owner: z.string().min(1).max(64),
});

export const TagName = text(LIMITS.tagChars).min(1);
const PropertyName = text(LIMITS.propertyNameChars).min(1);
const PropertyValue = text(LIMITS.propertyValueChars);

/** A new image: base attributes, an id of the client's own choice, and free properties; checked name by name by readDocument. */
export const CreateImageBody = z.looseObject({ id: z.uuid().optional() });
export type CreateImageBody = z.output<typeof CreateImageBody>;

const Operation = z.object({
  op: z.enum(['add', 'replace', 'remove', 'move', 'copy', 'test']),
  path: z.string().max(1024),
  from: z.string().max(1024).optional(),
  value: z.unknown().optional(),
});

/** `{"replace": "/name", "value": …}`, the form of openstack-images-v2.0-json-patch. */
function modernForm(operation: unknown): unknown {
  if (typeof operation !== 'object' || operation === null || 'op' in operation) return operation;
  const known = Object.entries(operation).find(([key]) => ['add', 'replace', 'remove'].includes(key));
  return known === undefined ? operation : { op: known[0], path: known[1], ...('value' in operation && { value: operation.value }) };
}

export const PatchBody = z.preprocess((body) => (Array.isArray(body) ? body.map(modernForm) : body), z.array(Operation).max(LIMITS.patchOperations)) as unknown as z.ZodType<PatchOperation[]>;

/** What a client sees and patches. */
export const toDocument = (image: ImageSpec): ImageDocument => new Map<string, unknown>([
  ...Object.entries(image.properties),
  ['name', image.name], ['visibility', image.visibility], ['disk_format', image.diskFormat], ['container_format', image.containerFormat],
  ['min_disk', image.minDiskGib], ['min_ram', image.minRamMib], ['protected', image.protected], ['os_hidden', image.osHidden],
  ['tags', image.tags], ['owner', image.owner],
]);

/** The document of a create, with Glance's defaults for what is not said. */
export function newDocument({ id: _, ...body }: CreateImageBody, caller: Caller): ImageDocument {
  for (const name of Object.keys(body)) refuseServerNames(name);
  if (caller.projectId === null && body['owner'] === undefined) throw badRequest('An image belongs to a project: use a token that is scoped to one.');
  return new Map<string, unknown>([
    ['name', null], ['visibility', 'shared'], ['disk_format', null], ['container_format', null], ['min_disk', 0], ['min_ram', 0],
    ['protected', false], ['os_hidden', false], ['tags', []], ['owner', caller.projectId], ...Object.entries(body),
  ]);
}

/** A document as a specification. @throws SkyError bad-request in Glance's manner, too-large over a count. */
export function readDocument(document: ImageDocument): ImageSpec {
  const base = parseInput(BaseAttributes, Object.fromEntries([...document].filter(([name]) => BASE.has(name))));
  const free = [...document].filter(([name]) => !BASE.has(name));
  if (free.length > LIMITS.properties) throw tooLarge(`The limit has been exceeded on the number of allowed image properties. Attempted: ${free.length}, Maximum: ${LIMITS.properties}`);
  const tags = [...new Set(base.tags)];
  if (tags.length > LIMITS.tags) throw tooLarge(`The limit has been exceeded on the number of allowed image tags. Attempted: ${tags.length}, Maximum: ${LIMITS.tags}`);
  for (const [name] of free) parseInput(PropertyName, name);
  const properties = parseInput(z.record(z.string(), PropertyValue), Object.fromEntries(free));
  return {
    owner: base.owner, name: base.name, visibility: base.visibility, diskFormat: base.disk_format, containerFormat: base.container_format,
    minDiskGib: base.min_disk, minRamMib: base.min_ram, protected: base.protected, osHidden: base.os_hidden, tags, properties,
  };
}

/** What may no longer change once bytes have arrived: they were checked against it. */
export function refuseFrozen(before: Image, after: ImageSpec): void {
  if (before.status === 'queued') return;
  if (before.diskFormat !== after.diskFormat) throw forbidden('Attribute disk_format can be only replaced for a queued image.');
  if (before.containerFormat !== after.containerFormat) throw forbidden('Attribute container_format can be only replaced for a queued image.');
}
