import { notFound } from '#libs/errors';

/** The thing, or Keystone's words for its absence. */
export function found<T>(noun: string, id: string, thing: T | null | undefined): T {
  if (thing === null || thing === undefined) throw notFound(`Could not find ${noun}: ${id}.`);
  return thing;
}
