import { notFound } from '#libs/errors';

/** What is longer than any id is no flavor's. */
export function flavorIdOf(text: string): string {
  if (text.length > 255) throw notFound(`Flavor ${text.slice(0, 255)} could not be found.`);
  return text;
}
