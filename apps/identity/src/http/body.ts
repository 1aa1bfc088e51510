/** Pieces of bodies that Keystone's resources share. Every one is bounded. */
import { z } from 'zod';
import { badRequest } from '#libs/errors';
import { LIMITS } from '../limits.js';

/** Keystone's own list of what counts as a flag in a body; clients of all ages send them. */
const YES = ['True', 'TRUE', 'true', '1', 'y', 'Y', 'on', 'ON', 'yes'] as const;
const NO = ['False', 'FALSE', 'false', '0', 'n', 'N', 'off', 'OFF', 'no', ''] as const;
export const bodyFlag = z.union([z.boolean(), z.enum([...YES, ...NO])]).transform((value) => (typeof value === 'boolean' ? value : (YES as readonly string[]).includes(value)));

/** A name; blanks around it are cut off, as Keystone does. */
export const entityName = (max: number) => z.string().min(1).max(max).regex(/\S/).transform((text) => text.trim());
export const description = z.string().max(LIMITS.descriptionChars).nullable();
export const idText = z.string().min(1).max(64).regex(/^[a-zA-Z0-9-]+$/);

/** What a project or a domain may be told: only whether it is protected against changes. null takes an option away. */
export const ProtectOptions = z.strictObject({ immutable: bodyFlag.nullable().optional() });

const tag = z.string().min(1).max(LIMITS.tagChars).regex(/^[^,/]*$/);
export const Tag = tag;
export const Tags = z.array(tag).max(LIMITS.tags).refine((tags) => new Set(tags).size === tags.length, 'The tags have non-unique elements');

export type Extra = Record<string, unknown>;

/** Keys that a client may send back as it read them and that are not its to set. */
const READ_ONLY = ['id', 'links'];

/** What of a body is none of the known attributes: kept with the resource and shown with it, as Keystone does. */
export function extraOf(body: Readonly<Record<string, unknown>>, known: readonly string[]): Extra {
  return Object.fromEntries(Object.entries(body).filter(([key]) => !known.includes(key) && !READ_ONLY.includes(key)));
}

/** @returns the stored extra with the new one laid over it. @throws badRequest when that becomes more than is kept. */
export function mergedExtra(stored: Extra, added: Extra): Extra {
  const merged = { ...stored, ...added };
  if (Object.keys(merged).length > LIMITS.extraKeys) throw badRequest(`At most ${LIMITS.extraKeys} additional attributes are kept.`);
  if (JSON.stringify(merged).length > LIMITS.extraChars) throw badRequest(`Additional attributes are kept up to ${LIMITS.extraChars} characters of JSON in all.`);
  return merged;
}

/** Stored options with changed ones: null takes one away. */
export function mergedOptions(stored: Extra, changed: Readonly<Record<string, unknown>> | undefined): Extra {
  const merged = { ...stored, ...changed };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null && value !== undefined));
}

/** A body that repeats the id must mean the resource of the path. */
export function requireSameId(id: string, body: Readonly<Record<string, unknown>>): void {
  if (body['id'] !== undefined && body['id'] !== null && body['id'] !== id) throw badRequest('Cannot change ID');
}

/** The names of what a change touches, for the audit trail: never the values. */
export const changedFields = (body: Readonly<Record<string, unknown>>): string[] => Object.keys(body).filter((key) => body[key] !== undefined).sort();
