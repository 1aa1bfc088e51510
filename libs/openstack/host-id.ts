import { createHash } from 'node:crypto';

/** A cloud has a few hundred thousand pairs of project and host at most; lists meet the same ones again and again. */
const KEPT = 20_000;
const known = new Map<string, string>();

/** What a tenant sees of a host: the same for one project's servers on one host, meaningless across projects. */
export function hostIdOf(projectId: string, hostName: string | null): string {
  if (hostName === null) return '';
  const text = `${projectId}${hostName}`;
  const found = known.get(text);
  if (found !== undefined) return found;
  const made = createHash('sha224').update(text).digest('hex');
  if (known.size >= KEPT) known.clear();
  known.set(text, made);
  return made;
}
