import { readdirSync, readFileSync } from 'node:fs';
import { refOf, type ProcessRef } from './process.js';

/**
 * Every child carries its home and name in its environment. A child whose state file was lost, or not yet written when
 * its supervisor was killed, is found by it: no second one is started beside it, and `down` does not overlook it.
 */
const VARIABLE = 'SKYLITE_CHILD';

export const markOf = (home: string, name: string): Record<string, string> => ({ [VARIABLE]: `${home}:${name}` });

/** Children of this home by name: leaders of their sessions whose environment says so. */
export function findMarked(home: string): Map<string, ProcessRef> {
  const found = new Map<string, ProcessRef>();
  const mark = `${VARIABLE}=${home}:`;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const session = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3];
      if (session !== entry) continue;
      const variable = readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0').find((line) => line.startsWith(mark));
      const ref = variable === undefined ? undefined : refOf(Number(entry));
      if (variable !== undefined && ref) found.set(variable.slice(mark.length), ref);
    } catch { /* it ended while we looked, or is not ours to read */ }
  }
  return found;
}
