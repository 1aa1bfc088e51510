/** The building blocks of request schemas, with the compute API's own ideas of a name, a flag, a number. */
import { z } from 'zod';
import { pythonRepr } from '#libs/openstack';

// Control, format, surrogate, private and unassigned characters, and separators of lines and paragraphs, do not print.
const PRINTABLE = /^[^\p{C}\p{Zl}\p{Zp}]*$/u;

const whole = (message: string) => ({ error: message, params: { whole: true } });

/** 1 to 255 printable characters, no space at either end. */
export const name = z.string().min(1).max(255)
  .refine((text) => PRINTABLE.test(text) && text.trim() === text, whole("An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace."));

export const description = (max: number) => z.string().max(max).refine((text) => PRINTABLE.test(text), { error: (issue) => `${pythonRepr(issue.input)} has characters that do not print` }).nullable();

const FLAGS = ['True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no'] as const;
export const flag = z.union([z.boolean(), z.literal(FLAGS)]).transform((value) => (typeof value === 'boolean' ? value : ['true', '1', 'on', 'yes'].includes(value.toLowerCase())));

/** An integer, or its digits as text: clients send both. */
export const integer = (minimum: number, maximum = 0x7fff_ffff) =>
  z.union([z.int().min(minimum).max(maximum), z.string().min(1).regex(/^[0-9]*$/)])
    .transform(Number)
    .refine((value) => value >= minimum, { error: (issue) => `${pythonRepr(issue.input)} is less than the minimum of ${minimum}` })
    .refine((value) => value <= maximum, { error: (issue) => `${pythonRepr(issue.input)} is greater than the maximum of ${maximum}` });

const UUID = /^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/;
/** Digits alone are not enough: one without a version is nobody's, and the services' contracts have no place for it. */
function isUuid(text: string): boolean { return UUID.test(text) && z.uuid().safeParse(dashed(text)).success; }
const notUuid = { error: (issue: { input?: unknown }) => `${pythonRepr(issue.input)} is not a 'uuid'` };
/** With or without dashes, in either case; comes out dashed and in lower case. */
export const uuid = z.string().refine(isUuid, notUuid).meta({ format: 'uuid' }).transform(dashed);
export const uuidOrEmpty = z.string().refine((text) => text === '' || isUuid(text), notUuid).meta({ description: 'A uuid, or nothing' }).transform(dashed);

export function dashed(text: string): string {
  return text.replaceAll('-', '').toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)|[A-Za-z0-9+/]{3}=)?$/;
/** Line breaks within are allowed, as MIME has them. */
export const base64 = (maxChars: number) => z.string().max(maxChars).meta({ contentEncoding: 'base64' }).refine((text) => BASE64.test(text.replace(/\s/g, '')), { error: (issue) => `${pythonRepr(issue.input)} is not a 'base64'` });

export const metadata = z.record(z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/), z.string().max(255));

/** Query values: lists, because names may repeat. */
export const many = z.array(z.string());
export const nonNegative = z.array(z.string().min(1).regex(/^[0-9]*$/));
export const oneOf = (values: readonly [string, ...string[]]) => z.array(z.enum(values));
