/** Whose words a path speaks: each service has its own error bodies and names. Pure. */
export type Service = 'identity' | 'compute' | 'image' | 'network' | 'volume' | 'placement' | 'own';

const PREFIXES: ReadonlySet<string> = new Set<Service>(['identity', 'compute', 'image', 'network', 'volume', 'placement']);

/** The service of a URL's first segment; whatever is no OpenStack prefix is Skylite's own. Tolerates `//`. */
export function serviceOf(url: string): Service {
  const first = /^\/*([^/?#]*)/.exec(url)?.[1] ?? '';
  return PREFIXES.has(first) ? (first as Service) : 'own';
}
