/**
 * Whom the door lets to a console's WebSocket, as far as a request's own words tell. Owns: origin check, choice of the
 * subprotocol, the ticket's place. Pure. (Whether the ticket is good, compute says.)
 */

/** A ticket as the door makes it: 256 bits, base64url. */
const TICKET = /^[A-Za-z0-9_-]{43}$/;

/**
 * The ticket of a URL's query: `token`, or inside `path` (noVNC's own pages pass on what they were given there), or in the
 * cookie that old pages set.
 */
export function ticketIn(query: URLSearchParams, cookie: string | undefined): string | undefined {
  const inPath = (query.get('path') ?? '').replace(/^[^?]*\?/, '');
  const inCookie = /(?:^|;\s*)token=([^;\s]*)/.exec(cookie ?? '')?.[1];
  return [query.get('token'), new URLSearchParams(inPath).get('token'), inCookie].find((each): each is string => typeof each === 'string' && TICKET.test(each));
}

export interface OriginFacts {
  readonly origin: string | undefined;
  readonly host: string | undefined;
  /** The configured base of links, when there is one. */
  readonly publicUrl: string | undefined;
  /** Origins (`https://panel.example:8443`) or host names whose pages may open consoles. */
  readonly allowed: readonly string[];
}

/** Browsers say whose page asks; that must be ours or an allowed one. What is no browser says nothing, and has the ticket. */
export function originAllowed({ origin, host, publicUrl, allowed }: OriginFacts): boolean {
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const { host: asker, hostname, origin: full } = new URL(origin);
  if (asker === '') return false;
  if (host !== undefined && sameHost(asker, host)) return true;
  if (publicUrl !== undefined && sameHost(asker, new URL(publicUrl).host)) return true;
  return allowed.some((each) => each === full || each === asker || each === hostname);
}

/** A port that is the scheme's own may be said or not. */
const sameHost = (a: string, b: string): boolean => a.toLowerCase().replace(/:(80|443)$/, '') === b.toLowerCase().replace(/:(80|443)$/, '');

/** binary where it is offered; base64 for clients that know only that; else none, which means binary too. */
export function subprotocolOf(offered: readonly string[]): 'binary' | 'base64' | undefined {
  return offered.includes('binary') ? 'binary' : offered.includes('base64') ? 'base64' : undefined;
}
