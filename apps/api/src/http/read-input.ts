import { z } from 'zod';
import { badRequest } from '#libs/errors';
import { HttpError } from '#libs/http';
import { explainInvalid, type Microversion } from '#libs/openstack';

/** A schema for each microversion, made when first asked for. */
export type VersionedSchema<S extends z.ZodType = z.ZodType> = (version: Microversion) => S;

export function versioned<S extends z.ZodType>(make: VersionedSchema<S>): VersionedSchema<S> {
  const made = new Map<number, S>();
  return (version) => {
    const schema = made.get(version.minor) ?? make(version);
    made.set(version.minor, schema);
    return schema;
  };
}

/** A request's JSON body, or a `bad-request` in the compute API's words. */
export function readBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  if (body === undefined || body === null) throw badRequest('Malformed request body');
  if (typeof (body as { pipe?: unknown }).pipe === 'function') throw new HttpError(415, 'Unsupported Content-Type');
  const result = schema.safeParse(body);
  if (!result.success) throw badRequest(explainInvalid(result.error, body));
  return result.data;
}

const strictForms = new WeakMap<z.ZodType, z.ZodType>();

function strictOf(schema: z.ZodType): z.ZodType {
  const strict = strictForms.get(schema) ?? (schema instanceof z.ZodObject ? schema.strict() : schema);
  strictForms.set(schema, strict);
  return strict;
}

/**
 * A query as lists of values by name: names may repeat. Unknown names are dropped by the schema, or refused when it is
 * `strict`: most lists are from 2.75 on (`has(version, 'query.strict')`).
 */
export function readQuery<S extends z.ZodType>(schema: S, query: URLSearchParams, strict = false): z.output<S> {
  const lists: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const name of new Set(query.keys())) lists[name] = query.getAll(name);
  const result = (strict ? (strictOf(schema) as S) : schema).safeParse({ ...lists });
  if (!result.success) throw badRequest(explainInvalid(result.error, lists, 'query'));
  return result.data;
}

/** The last value of a repeated name counts, where only one can. */
export const last = (values: readonly string[] | undefined): string | undefined => values?.at(-1);

const TRUE = ['1', 't', 'true', 'on', 'y', 'yes'];
const FALSE = ['0', 'f', 'false', 'off', 'n', 'no'];

/** A flag in a query, in any of the spellings OpenStack knows. */
export function readFlag(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (TRUE.includes(word)) return true;
  if (FALSE.includes(word)) return false;
  throw badRequest(`Invalid input received: Unrecognized value '${text.slice(0, 100)}', acceptable values are: ${[...TRUE, ...FALSE].sort().map((each) => `'${each}'`).join(', ')}`);
}
