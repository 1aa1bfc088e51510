/** Lists of CPUs as Nova writes them: `0-3,^2,8`. A caret takes out again, wherever it stands. Pure. */

/** No guest has more; a list that goes further is refused, whatever it takes out again. */
const HIGHEST = 4095;

export type CpuList = { readonly cpus: ReadonlySet<number> } | { readonly problem: string };

/** `1-3`, with blanks wherever they may be; anything else is no range. */
const RANGE = /^(\^?) *(\d+) *(?:- *(\d+))? *$/;

export function parseCpuList(text: string): CpuList {
  const cpus = new Set<number>();
  const excluded = new Set<number>();
  for (const rule of text.split(',').map((part) => part.trim())) {
    if (rule === '') continue;
    const [, caret, first, last = first] = RANGE.exec(rule) ?? [];
    if (first === undefined) return { problem: `Invalid ${rule.includes('-') ? 'range' : rule.startsWith('^') ? 'exclusion' : 'inclusion'} expression '${rule}'` };
    const [from, to] = [Number(first), Number(last)];
    if (from > to) return { problem: `Invalid range expression '${rule}'` };
    if (to > HIGHEST) return { problem: `CPU number ${to} is larger than max ${HIGHEST}` };
    for (let cpu = from; cpu <= to; cpu += 1) (caret === '^' ? excluded : cpus).add(cpu);
  }
  for (const cpu of excluded) cpus.delete(cpu);
  return { cpus };
}

/** CPUs that are counted one by one; a flavor may have billions, which no array holds. */
export const MOST_CPUS = HIGHEST + 1;

/** The numbers of a guest's CPUs, from 0. */
export const firstCpus = (count: number): number[] => Array.from({ length: Math.min(count, MOST_CPUS) }, (_, cpu) => cpu);

export const ascending = (cpus: Iterable<number>): number[] => [...cpus].sort((a, b) => a - b);
