/**
 * Which dedicated CPUs of a cell a guest gets, by its thread policy, so that whole cores stay whole for others: full
 * cores for what fills them, left-over siblings for what is odd. Pure.
 */
import type { Cell, Core, HostCells } from './host-cells.js';
import type { Shape } from './shape.js';

export interface Picked {
  /** For the pinned guest CPUs in rising order: siblings stand together. */
  pins: number[];
  emulator: number | null;
  /** Siblings that stay empty. */
  idle: number[];
}

/**
 * @param pins guest CPUs. @param emulator 1: and one for QEMU. @param lot where among cores that serve alike the search
 * begins: schedulers that choose the same host at the same moment then seldom choose the same CPUs. @returns null: the cell has not enough that suit the policy.
 */
export function pickCpus(host: HostCells, cell: Cell, pins: number, emulator: 0 | 1, policy: Shape['threadPolicy'], lot = 0): Picked | null {
  if (pins + emulator === 0) return { pins: [], emulator: null, idle: [] };
  const first = lot === 0 ? 0 : lot % cell.cores.length;
  const cores = first === 0 ? cell.cores : [...cell.cores.slice(first), ...cell.cores.slice(0, first)];
  return policy === 'isolate' ? isolated(host, cores, pins, emulator) : packed(host, cores, pins, emulator, policy === 'require' ? 2 : 1);
}

/** One CPU of each core, the emulator on a core of its own too. Small cores first: the fewest siblings stay empty. */
function isolated(host: HostCells, cores: readonly Core[], pins: number, emulator: 0 | 1): Picked | null {
  const whole = cores.filter((core) => !core.shared && host.freeOf(core).length === core.threads.length).sort((a, b) => a.threads.length - b.threads.length);
  if (whole.length < pins + emulator) return null;
  const chosen = whole.slice(0, pins + emulator).map(({ threads }) => threads);
  return { pins: chosen.slice(0, pins).map(([first]) => first!), emulator: chosen[pins]?.[0] ?? null, idle: chosen.flatMap((threads) => threads.slice(1)) };
}

/** @param siblings a guest CPU takes only cores that have so many free. */
function packed(host: HostCells, cores: readonly Core[], pins: number, emulator: 0 | 1, siblings: number): Picked | null {
  const free = cores.map((core) => host.freeOf(core));
  const usable = free.filter((threads) => threads.length >= siblings);
  const chosen: number[] = [];
  while (chosen.length < pins) {
    const left = pins - chosen.length;
    let best: number[] | undefined;
    for (const threads of usable) {
      if (threads.length === 0) continue;
      const more = Math.min(threads.length, left) - Math.min(best?.length ?? 0, left);
      // As many siblings as it can use; of those that serve alike, the one of which the least is left.
      if (best === undefined || more > 0 || (more === 0 && threads.length < best.length)) best = threads;
    }
    if (best === undefined) return null;
    chosen.push(...best.splice(0, left));
  }
  const rest = free.filter((threads) => threads.length > 0).sort((a, b) => a.length - b.length)[0];
  if (emulator === 1 && rest === undefined) return null;
  return { pins: chosen, emulator: emulator === 1 ? rest![0]! : null, idle: [] };
}
