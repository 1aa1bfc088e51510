/** Names of servers and their guests. Pure. */

const LONGEST = 63;

/** A guest's hostname from a server's name, by Nova's rules: `My Server_1.example` → `my-server-1-example`. */
export function hostnameFor(name: string, fallback: string): string {
  const cleaned = name
    .slice(0, LONGEST)
    .replace(/[ _.]/g, '-')
    .replace(/[^A-Za-z0-9-]+/g, '')
    .toLowerCase()
    .replace(/^-+|-+$/g, '');
  return cleaned === '' ? fallback.slice(0, LONGEST) : cleaned;
}

/** Several servers of one request are told apart by their place: `web-1`, `web-2`. */
export const nameOf = (name: string, index: number, count: number): string => (count === 1 ? name : `${name}-${index + 1}`);
