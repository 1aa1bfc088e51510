/** What the loop knows of one instance when it decides; and two judgements that many ask for. Pure. */
import type { ObservedInstance, PlacementExplanation } from '#libs/contracts';

export type StoredStep = 'claim-host' | 'wait-host' | 'release-claim' | 'settled' | 'failed' | 'finished';

export interface InstanceFacts {
  intent: 'running' | 'stopped' | 'deleted';
  generation: number;
  specGeneration: number;
  rebootCount: number;
  /** Where the row says the loop is. `failed` rests until somebody acts. */
  step: StoredStep;
  launched: boolean;
  finished: boolean;
  /** A failed build is being taken back from its host: the host is told `deleted`. */
  withdrawn: boolean;
  host: { id: string; name: string } | null;
  observed: {
    state: ObservedInstance['state'] | null; generation: number; rebootCount: number;
    doing: string | null; error: ObservedInstance['error'];
  };
  /** The deadline's clock, and how often in a row something went wrong. */
  waitedMs: number;
  attempts: number;
  lastError: string | null;
  /** Found out in this pass, not stored: a crash only makes the pass ask again. */
  now: PassFacts;
}

export interface PassFacts {
  /** What the scheduler answered. */
  claim?: Claim | { outcome: 'refused'; explanation: PlacementExplanation } | { outcome: 'stale' };
  claimReleased?: boolean;
  /** Is the host alive? Undefined: not asked yet; null: it could not be found out. */
  hostAlive?: boolean | null;
}

export interface Claim { outcome: 'claimed'; hostId: string; hostName: string; availabilityZone: string }

/** What the host is told to make true. */
export const wantedOnHost = (facts: Pick<InstanceFacts, 'intent' | 'withdrawn'>): 'running' | 'stopped' | 'deleted' => (facts.withdrawn ? 'deleted' : facts.intent);

/** Does what the host saw answer what is wanted now, and meet it? Only an answer to this very generation counts. */
export function isMet(facts: Pick<InstanceFacts, 'intent' | 'withdrawn' | 'generation' | 'rebootCount' | 'observed'>): boolean {
  const { observed } = facts;
  if (observed.generation !== facts.generation) return false;
  switch (wantedOnHost(facts)) {
    case 'deleted': return observed.state === 'absent';
    case 'stopped': return observed.state === 'stopped';
    case 'running': return observed.state === 'running' && observed.rebootCount >= facts.rebootCount;
  }
}

/** It is down, nobody is doing anything about it, and nothing went wrong: so the guest did it itself. */
export const isDownByItself = (facts: Pick<InstanceFacts, 'intent' | 'withdrawn' | 'generation' | 'rebootCount' | 'observed'>): boolean =>
  wantedOnHost(facts) === 'running'
  && facts.observed.generation === facts.generation
  && (facts.observed.state === 'stopped' || facts.observed.state === 'crashed')
  && facts.observed.rebootCount >= facts.rebootCount
  && facts.observed.doing === null && facts.observed.error === null;
