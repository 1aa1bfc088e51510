import { forbidden } from '#libs/errors';
import type { Extra } from './body.js';

const isImmutable = (options: Extra): boolean => options['immutable'] === true;

/** A protected resource takes one change: the one that ends its protection, and nothing beside it. */
export function refuseImmutableChange(kind: string, id: string, options: Extra, body: Readonly<Record<string, unknown>>): void {
  if (!isImmutable(options)) return;
  const keys = Object.keys(body).filter((key) => body[key] !== undefined);
  const asked = (body['options'] as Extra | undefined)?.['immutable'];
  if (keys.length === 1 && (asked === false || asked === null)) return;
  throw forbidden(`Unable to update immutable ${kind} resource: \`${id}\`. Set resource option "immutable" to false first.`);
}

export function refuseImmutableDelete(kind: string, id: string, options: Extra): void {
  if (isImmutable(options)) throw forbidden(`Unable to delete immutable ${kind} resource: \`${id}\`. Set resource option "immutable" to false first.`);
}
