import { z } from 'zod';
import { INEXACT_SUFFIXES } from './list-sql.js';
import { name } from './text.js';

/** Keystone's idea of a flag in a query: present and not 0 or false. */
export const flag = z.string().max(8).transform((text) => !['0', 'false', 'no', 'off'].includes(text.toLowerCase()));

const limit = z.string().max(9).refine((text) => /^[1-9]\d*$/.test(text), 'limit must be a whole number above 0').transform(Number);
export const paging = { limit: limit.optional(), marker: name.optional() };

/** The order of a list, by one of these keys. */
export const sortedBy = (...keys: [string, ...string[]]) => ({ sort_key: z.enum(keys).optional(), sort_dir: z.enum(['asc', 'desc']).optional() });

/** `name__contains` and its kin. */
export const inexactName = Object.fromEntries(INEXACT_SUFFIXES.map((suffix) => [`name${suffix}`, name.optional()]));
