/**
 * A host's shared and dedicated CPUs, from what its operator stated and what is there. Pure.
 * Owns: what a statement means, and why it cannot be followed, in words for the operator.
 */

/** What the settings say; null: nothing. */
export interface StatedCpus { readonly shared: readonly number[] | null; readonly dedicated: readonly number[] | null }

/** shared null: nothing is stated, guests float over all CPUs. Ascending, disjoint. */
export interface CpuSets { readonly shared: readonly number[] | null; readonly dedicated: readonly number[] }

export const NOTHING_STATED: StatedCpus = { shared: null, dedicated: null };

/** @param all the machine's CPUs */
export function cpuSetsOf({ shared, dedicated }: StatedCpus, all: readonly number[]): CpuSets {
  if (shared === null && dedicated === null) return { shared: null, dedicated: [] };
  const there = new Set(all);
  const taken = new Set(dedicated ?? []);
  return {
    shared: (shared ?? all.filter((cpu) => !taken.has(cpu))).filter((cpu) => there.has(cpu)),
    dedicated: (dedicated ?? []).filter((cpu) => there.has(cpu)),
  };
}

/** Why the settings cannot be followed on a machine with these CPUs; null: they can. */
export function cpuProblem(stated: StatedCpus, all: readonly number[], format: (cpus: readonly number[]) => string): string | null {
  const there = new Set(all);
  for (const [name, cpus] of [['SKYLITE_CPU_SHARED', stated.shared], ['SKYLITE_CPU_DEDICATED', stated.dedicated]] as const) {
    const missing = (cpus ?? []).filter((cpu) => !there.has(cpu));
    if (missing.length > 0) return `${name} names CPU ${format(missing)}, which this machine does not have or has switched off: it has ${format(all)}.`;
  }
  return null;
}
