/** What the loop knows of one instance when it decides; and two judgements that many ask for. Pure. */
import type { InstanceView, Layout, MoveKind, MovePhase, ObservedInstance, PlacementExplanation } from '#libs/contracts';
import type { Attachment } from '../../attachments/decide/attachment.js';
import type { MoveRows } from './move-rows.js';

export type StoredStep = 'claim-host' | 'wait-host' | 'release-claim' | 'settled' | 'failed' | 'finished';

export interface InstanceFacts {
  intent: InstanceView['intent'];
  generation: number;
  specGeneration: number;
  rebootCount: number;
  /** Where the row says the loop is. `failed` rests until somebody acts. */
  step: StoredStep;
  launched: boolean;
  finished: boolean;
  /** A failed build is being taken back from its host: the host is told `deleted`. */
  withdrawn: boolean;
  /** What the disk shall hold, and whether a rebuild is under way. */
  diskGeneration: number;
  rebuilding: boolean;
  /** A move needs the guest off, or gone from its host, whatever the intent. */
  hold: 'off' | 'gone' | null;
  move: { kind: MoveKind; phase: MovePhase } | null;
  /** How many hosts besides its own still have something of it. */
  elsewhere: number;
  host: { id: string; name: string } | null;
  /** Devices that came or are to come besides the flavor's, or are to leave. */
  attachments: readonly Attachment[];
  observed: {
    state: ObservedInstance['state'] | null; generation: number; rebootCount: number;
    doing: string | null; error: ObservedInstance['error'];
    /** What is there was built as; undefined: an agent that cannot say (and cannot rebuild). */
    built?: ObservedInstance['built'];
    /** It is off, and memory of it is kept: somebody on the host saved it. */
    savedMemory?: boolean | undefined;
    /** Its devices, as its host sees them; undefined: an agent that cannot say. */
    devices?: ObservedInstance['devices'];
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
  /** It is fenced, so what was on it is as good as proved absent. Undefined: not asked yet. */
  hostGone?: boolean;
  /** Of its moves, what matters still. */
  moves?: MoveRows;
}

export interface Claim {
  outcome: 'claimed'; hostId: string; hostName: string; availabilityZone: string;
  /** What of the host is claimed, CPU by CPU; null: it floats. */
  layout: Layout | null;
  /** Which hosts fell out on the way; kept with the server. null: asked before. */
  explanation?: PlacementExplanation | null | undefined;
  /** The host cannot do what is wanted of it there, for this reason. */
  cannot?: string;
}

/** Of the facts, what says whether a host has done what is wanted. */
export type WishFacts = Pick<InstanceFacts, 'intent' | 'withdrawn' | 'hold' | 'generation' | 'specGeneration' | 'diskGeneration' | 'rebuilding' | 'move' | 'rebootCount' | 'observed'>;

/** What the host is told to make true. */
export function wantedOnHost({ intent, withdrawn, hold }: Pick<InstanceFacts, 'intent' | 'withdrawn' | 'hold'>): InstanceView['intent'] {
  if (withdrawn || hold === 'gone' || intent === 'deleted') return 'deleted';
  return hold === 'off' ? 'stopped' : intent;
}

/** Does what the host saw answer what is wanted now, and meet it? Only an answer to this very generation counts. */
export function isMet(facts: WishFacts): boolean {
  const { observed } = facts;
  if (observed.generation !== facts.generation) return false;
  const wanted = wantedOnHost(facts);
  if (wanted === 'deleted') return observed.state === 'absent';
  if (!isBuilt(facts)) return false;
  return observed.state === wanted && (wanted !== 'running' || observed.rebootCount >= facts.rebootCount);
}

/** Is what the host has what is wanted to be built? */
function isBuilt({ observed, specGeneration, diskGeneration, rebuilding, move }: WishFacts): boolean {
  // An agent that cannot say what it built cannot build it anew either: it has the first one.
  if (observed.built === undefined) return !rebuilding && move === null;
  return observed.built?.specGeneration === specGeneration && observed.built.diskGeneration === diskGeneration;
}

/** It is down, nobody is doing anything about it, and nothing went wrong: so the guest did it itself. */
export const isDownByItself = (facts: WishFacts): boolean =>
  facts.hold === null && !facts.withdrawn && (facts.intent === 'running' || facts.intent === 'paused' || facts.intent === 'suspended')
  && facts.observed.generation === facts.generation
  && isBuilt(facts)
  && (facts.observed.state === 'stopped' || facts.observed.state === 'crashed')
  && facts.observed.rebootCount >= facts.rebootCount
  && facts.observed.doing === null && facts.observed.error === null;
