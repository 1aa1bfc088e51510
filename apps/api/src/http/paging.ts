import { badRequest, SkyError } from '#libs/errors';
import type { PageAsked } from '#libs/openstack';
import { LIMITS } from '../limits.js';
import { last } from './read-input.js';

export interface Paging extends PageAsked {
  readonly marker: string | undefined;
}

/** Limit (0 and more; capped) and marker of a list. A limit of 0 asks for nothing and gets it. */
export function pagingOf(query: URLSearchParams, values: { limit?: string[] | undefined; marker?: string[] | undefined }): Paging {
  const asked = last(values.limit);
  return {
    limit: asked === undefined ? LIMITS.page : Math.min(Number(asked), LIMITS.page),
    marker: last(values.marker),
    query: [...query],
  };
}

/** A marker that is nobody's is the client's mistake, not a missing resource. */
export async function withMarker<T>(marker: string | undefined, list: Promise<T>): Promise<T> {
  try {
    return await list;
  } catch (error) {
    if (marker !== undefined && error instanceof SkyError && error.kind === 'not-found') throw badRequest(`marker [${marker}] not found`, { cause: error });
    throw error;
  }
}

/** A page of what is already here in full, in its order. */
export function pageOf<T>(all: readonly T[], idOf: (item: T) => string | number, { limit, marker }: Paging): T[] {
  if (marker === undefined) return all.slice(0, limit);
  const at = all.findIndex((item) => String(idOf(item)) === marker);
  if (at === -1) throw badRequest(`marker [${marker}] not found`);
  return all.slice(at + 1, at + 1 + limit);
}
