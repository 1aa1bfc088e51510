/**
 * Sockets, cores and threads a guest is to see: what is wished for, the most that is allowed, and which of what is possible comes
 * nearest. The flavor's limits bind the image, and an image's wish goes before the flavor's. Pure.
 */
import type { Needs } from '#libs/contracts';
import { wholeNumber, type Reading } from './reading.js';

export interface CpuTopology { readonly sockets: number; readonly cores: number; readonly threads: number }
type Wish = NonNullable<Needs['topology']>;

const NO_LIMIT = 65_536;
const PARTS = ['sockets', 'cores', 'threads'] as const;

/** null: nobody says anything. */
export function topologyWish(reading: Reading): Wish | null {
  const flavorMax = read(reading, (key) => reading.ofFlavor(key), 'hw:cpu_max_', 'cpu_max_');
  const imageMax = read(reading, (key) => reading.ofImage(key), 'hw_cpu_max_', 'cpu_max_');
  const flavor = read(reading, (key) => reading.ofFlavor(key), 'hw:cpu_', 'cpu_');
  const image = read(reading, (key) => reading.ofImage(key), 'hw_cpu_', 'cpu_');
  if (PARTS.some((part) => flavorMax[part] > 0 && imageMax[part] > flavorMax[part])) {
    reading.wrong(`Image vCPU topology limits (${shown(imageMax)}) exceeds the limits of the flavor (${shown(flavorMax)})`, 'lower hw_cpu_max_… of the image, or take another flavor');
  }
  const max = each((part) => imageMax[part] || flavorMax[part] || NO_LIMIT);
  if (exceeds(image, max)) {
    reading.wrong(`Image vCPU topology (${shown(image)}) exceeds the limits of the flavor or image (${shown(max)})`, 'lower hw_cpu_sockets, hw_cpu_cores and hw_cpu_threads of the image, or take another flavor');
  }
  const wished = PARTS.some((part) => image[part] > 0) ? image : exceeds(flavor, max) ? each(() => 0) : flavor;
  if (possible(reading.flavor.vcpus, max).length === 0) {
    const most = each((part) => Math.min(reading.flavor.vcpus, max[part]));
    reading.wrong(`Requested vCPU limits ${most.sockets}:${most.cores}:${most.threads} are impossible to satisfy for vcpus count ${reading.flavor.vcpus}`,
      'raise hw:cpu_max_sockets, hw:cpu_max_cores or hw:cpu_max_threads until numbers within them multiply to the CPUs');
  }
  const limited = (part: keyof CpuTopology): number | null => (max[part] === NO_LIMIT ? null : max[part]);
  const wish: Wish = {
    sockets: wished.sockets || null, cores: wished.cores || null, threads: wished.threads || null,
    maxSockets: limited('sockets'), maxCores: limited('cores'), maxThreads: limited('threads'),
  };
  return Object.values(wish).every((value) => value === null) ? null : wish;
}

/** What a guest of so many CPUs is shown: nearest to the wish, then few threads, then many sockets. Without a wish: sockets only. */
export function cpuTopology(vcpus: number, wish: Needs['topology']): CpuTopology {
  const max = { sockets: wish?.maxSockets ?? NO_LIMIT, cores: wish?.maxCores ?? NO_LIMIT, threads: wish?.maxThreads ?? NO_LIMIT };
  const score = (topology: CpuTopology): number => PARTS.filter((part) => wish?.[part] === topology[part]).length;
  let best: CpuTopology | undefined;
  for (const topology of possible(vcpus, max)) if (best === undefined || score(topology) > score(best)) best = topology;
  return best ?? { sockets: vcpus, cores: 1, threads: 1 };
}

/** All that multiply to `vcpus` within the limits, the preferred ones first. */
function possible(vcpus: number, max: CpuTopology): CpuTopology[] {
  const found: CpuTopology[] = [];
  for (let threads = 1; threads <= Math.min(vcpus, max.threads); threads += 1) {
    if (vcpus % threads !== 0) continue;
    const rest = vcpus / threads;
    for (let sockets = Math.min(rest, max.sockets); sockets >= 1; sockets -= 1) {
      if (rest % sockets === 0 && rest / sockets <= max.cores) found.push({ sockets, cores: rest / sockets, threads });
    }
  }
  return found;
}

const each = (of: (part: keyof CpuTopology) => number): CpuTopology => ({ sockets: of('sockets'), cores: of('cores'), threads: of('threads') });
const exceeds = (topology: CpuTopology, max: CpuTopology): boolean => PARTS.some((part) => topology[part] > max[part]);
const shown = (topology: CpuTopology): string => PARTS.map((part) => `${part}=${topology[part]}`).join(', ');

/** 0: not said, or said wrongly. */
function read(reading: Reading, at: (key: string) => string | undefined, shownAs: string, prefix: string): CpuTopology {
  return each((part) => {
    const text = at(`${prefix}${part}`);
    if (text === undefined) return 0;
    const number = wholeNumber(text, 1);
    if (number === undefined) reading.wrong(`Validation failed; '${text}' is not a valid integer value`, `set ${shownAs}${part} to a number from 1 on`);
    return Math.min(number ?? 0, NO_LIMIT);
  });
}
