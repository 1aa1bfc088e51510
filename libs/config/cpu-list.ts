/** CPUs as the kernel lists them: "0-3,8". */
import { readFile } from 'node:fs/promises';

const PART = /^(\d{1,4})(?:-(\d{1,4}))?$/;
/** What claims can name. */
const HIGHEST = 4095;

/** Ascending, each once. @throws Error in words for whoever wrote the list */
export function parseCpuList(text: string): number[] {
  const cpus = new Set<number>();
  for (const part of text.split(',').map((each) => each.trim())) {
    const found = PART.exec(part);
    if (!found) throw new Error(`${JSON.stringify(part)} is neither a CPU nor a range of them; a list looks like 0-3,8`);
    const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
    if (last < first) throw new Error(`the range ${part} ends before it begins`);
    if (last > HIGHEST) throw new Error(`CPU ${last} is beyond ${HIGHEST}`);
    for (let cpu = first; cpu <= last; cpu += 1) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** The shortest list of ascending CPUs. */
export function formatCpuList(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < cpus.length;) {
    let end = at;
    while (cpus[end + 1] === cpus[end]! + 1) end += 1;
    parts.push(end === at ? String(cpus[at]) : `${cpus[at]}-${cpus[end]}`);
    at = end + 1;
  }
  return parts.join(',');
}

/** CPUs that this machine's kernel runs on. */
export const onlineCpus = async (path = '/sys/devices/system/cpu/online'): Promise<number[]> => parseCpuList((await readFile(path, 'utf8')).trim());
