export interface Link { rel: string; href: string }

/** Where links of one request start: `self` carries the version, `bookmark` does not. */
export interface LinkBase {
  readonly versioned: string;
  readonly unversioned: string;
}

/**
 * @param publicUrl absolute URL of the door as this client reaches it, without a trailing slash
 * @param projectSegment the project id that the client put after `/v2.1`, if it did: its links keep that form
 */
export function computeLinks(publicUrl: string, projectSegment?: string): LinkBase {
  const tail = projectSegment === undefined ? '' : `/${projectSegment}`;
  return { versioned: `${publicUrl}/compute/v2.1${tail}`, unversioned: `${publicUrl}/compute${tail}` };
}

export const resourceLinks = (base: LinkBase, collection: string, id: string): Link[] => [
  { rel: 'self', href: `${base.versioned}/${collection}/${encodeURIComponent(id)}` },
  bookmark(base, collection, id),
];

export const bookmark = (base: LinkBase, collection: string, id: string): Link => ({ rel: 'bookmark', href: `${base.unversioned}/${collection}/${encodeURIComponent(id)}` });

/** What was asked of a list: enough to know whether there may be more, and how to ask for it. */
export interface PageAsked {
  /** The effective limit (never above the service's own). */
  readonly limit: number;
  /** The query as the client sent it; the next page repeats it with another marker. */
  readonly query: ReadonlyArray<readonly [string, string]>;
}

/** A link to what follows, when the page is full: a client that gets none stops, one that gets an empty page too. */
export function nextLinks(base: LinkBase, path: string, page: PageAsked, ids: readonly (string | number)[]): Link[] | undefined {
  const last = ids.at(-1);
  if (last === undefined || ids.length < page.limit) return undefined;
  const query = new URLSearchParams(page.query.filter(([key]) => key !== 'marker').map(([key, value]): [string, string] => [key, value]));
  query.sort();
  query.set('marker', String(last));
  return [{ rel: 'next', href: `${base.versioned}/${path}?${query.toString()}` }];
}
