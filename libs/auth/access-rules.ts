/**
 * Which requests an application credential with access rules may make. A rule names a service, a method and a path, in
 * which `*` and `{name}` stand for one segment or a part of one and `**` for anything, as Keystone's. What is not named is
 * refused, and so is a path that could be read in two ways. Pure.
 */
import type { AccessRule } from '#libs/contracts';
import { TOKEN_LIMITS } from './limits.js';

/** What the first segment of a path is called in catalogs, and the other names by which rules may know it. */
const SERVICES: Record<string, readonly string[]> = {
  identity: ['identity'], compute: ['compute'], image: ['image'], network: ['network'], placement: ['placement'],
  volume: ['block-storage', 'block-store', 'volume', 'volumev2', 'volumev3'], v1: ['skylite'],
};

/** Checking a token is always allowed, or nobody could. */
const isValidation = (method: string, path: string): boolean => (method === 'GET' || method === 'HEAD') && path === '/identity/v3/auth/tokens';

/** @param url as it came, with its query. */
export function isAllowedByRules(rules: readonly AccessRule[], method: string, url: string): boolean {
  const path = pathOf(url);
  if (path === undefined) return false;
  if (isValidation(method, path)) return true;
  const [, prefix = ''] = path.split('/', 2);
  const names = Object.hasOwn(SERVICES, prefix) ? SERVICES[prefix] ?? [] : [];
  // Skylite's own API has no prefix of its own; rules may be written with the services' prefixes or without.
  const within = prefix === 'v1' ? path : path.slice(prefix.length + 1);
  return rules.some((rule) => rule.method === method && names.includes(rule.service) && (matchesPath(rule.path, within) || matchesPath(rule.path, path)));
}

/** The path as the router reads it; undefined: it might read another one than we do. */
function pathOf(url: string): string | undefined {
  if (url.length > TOKEN_LIMITS.accessPathChars) return undefined;
  const path = (url.split('?', 1)[0] ?? '').replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  if (!path.startsWith('/') || /[#;\\]|%2f|%5c|%3f|%23|%25/i.test(path) || path.split('/').some((segment) => /^(\.|%2e){1,2}$/i.test(segment))) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

export function matchesPath(pattern: string, path: string): boolean {
  return match(tokensOf(pattern.replace(/(?<=.)\/$/, '')), path);
}

type Part = { literal: string } | 'segment' | 'anything';

function tokensOf(pattern: string): Part[] {
  return (pattern.match(/\*\*|\*|\{[^}]*\}|[^*{]+|\{/g) ?? []).map((text) => (text === '**' ? 'anything' : text === '*' || /^\{.*\}$/.test(text) ? 'segment' : { literal: text }));
}

/** Without regular expressions: a rule is the client's to write, and must not be able to keep us busy. Parts times characters. */
function match(parts: readonly Part[], path: string): boolean {
  let reached = new Array<boolean>(path.length + 1).fill(false);
  reached[0] = true;
  for (const part of parts) {
    const next = new Array<boolean>(path.length + 1).fill(false);
    if (typeof part === 'object') {
      reached.forEach((here, at) => { if (here && path.startsWith(part.literal, at)) next[at + part.literal.length] = true; });
    } else {
      let open = false;
      for (let end = 0; end <= path.length; end += 1) {
        if (part === 'segment') {
          // At least one character, and no slash, since where the last part ended.
          if (end > 0) open = path[end - 1] !== '/' && (open || reached[end - 1] === true);
          next[end] = open;
        } else {
          open ||= reached[end] === true;
          next[end] = open;
        }
      }
    }
    reached = next;
  }
  return reached[path.length] === true;
}
