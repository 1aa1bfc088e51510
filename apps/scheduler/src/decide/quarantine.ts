/**
 * How long a host is left out on which builds keep failing: a broken host looks the emptiest and would take every new
 * server. Ends by itself, with a trial that may be the next failure. Pure; nothing of it is stored: a scheduler that starts
 * anew learns it again.
 */
export interface QuarantineRules {
  /** So many failures in a row begin a quarantine. */
  failures: number;
  /** The first one lasts so long, each further failure doubles it, up to the most, ms. */
  firstMs: number;
  mostMs: number;
  /** Failures are forgotten after so long without another, ms. */
  keptMs: number;
  /** No more than this share of the fleet at a time, and never half of it: then the fault is not the hosts'. */
  share: number;
}

export interface Builds { failures: number; lastAt: number; until: number }

/** null: nothing to remember of the host. */
export function afterBuild(known: Builds | null, good: boolean, now: number, rules: QuarantineRules): Builds | null {
  if (good) return null;
  const failures = (known === null || isForgotten(known, now, rules) ? 0 : known.failures) + 1;
  const until = failures < rules.failures ? -Infinity : now + Math.min(rules.mostMs, rules.firstMs * 2 ** (failures - rules.failures));
  return { failures, lastAt: now, until };
}

export const isForgotten = (builds: Builds, now: number, rules: QuarantineRules): boolean => now >= builds.until && now - builds.lastAt >= rules.keptMs;

/** How many hosts may be left out at the same time. */
export const mostQuarantined = (hosts: number, rules: QuarantineRules): number => Math.min(Math.max(1, Math.floor(hosts * rules.share)), Math.floor((hosts - 1) / 2));
