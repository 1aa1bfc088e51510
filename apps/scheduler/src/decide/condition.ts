/**
 * What a host looks like from here, from how long it has been silent (counted while we listened) and from what its echo
 * said. Pure; the caller owns clocks and questions.
 */
export interface Signs {
  /** Since it was heard, ms, counted only while we listened; Infinity: never. */
  silentMs: number;
  hypervisorUp: boolean;
  /** Echoes in a row that did not come back; 0 for agents that cannot answer them. */
  unanswered: number;
  /** Why the last one did not. */
  unansweredWhy: string | null;
}

export interface Patience { aliveTimeoutMs: number; suspectMs: number; echoesWhenSilent: number; echoesWhenHeard: number }

export type ConditionState = 'alive' | 'lost' | 'unresponsive' | 'hypervisor-down' | 'unknown';

export interface Condition { state: ConditionState; reason: string }

export function conditionOf(signs: Signs, patience: Patience): Condition {
  const { silentMs, unanswered } = signs;
  if (silentMs === Infinity) return { state: 'unknown', reason: 'it was never heard' };
  const why = signs.unansweredWhy === null ? '' : `; ${signs.unansweredWhy}`;
  if (silentMs > patience.aliveTimeoutMs) return { state: 'lost', reason: `it sends no beats${why}` };
  // Silence that an echo confirms need not be waited out.
  if (silentMs > patience.suspectMs && unanswered >= patience.echoesWhenSilent) return { state: 'lost', reason: `it sends no beats and ${unanswered} echoes did not come back${why}` };
  if (unanswered >= patience.echoesWhenHeard) return { state: 'unresponsive', reason: `it sends beats, but ${unanswered} echoes in a row did not come back: commands do not reach it${why}` };
  if (!signs.hypervisorUp) return { state: 'hypervisor-down', reason: 'its hypervisor does not answer' };
  return { state: 'alive', reason: '' };
}
