/**
 * What one observation of a host changes in an instance's row. Owns: which observations count, when an instance is
 * done, what wakes the loop, what the host may forget. Pure; the writer compares versions and asks again.
 */
import type { ObservedInstance } from '#libs/contracts';
import { hostFault, type ExplainedFault } from '../../lifecycle/decide/faults.js';
import { nextAttachmentStep } from '../../lifecycle/decide/next-attachment-step.js';
import { isDownByItself, isMet, wantedOnHost, type InstanceFacts, type StoredStep } from '../../lifecycle/decide/facts.js';

export interface Booking {
  observed: ObservedInstance;
  step: StoredStep;
  /** The loop: `now` wakes it, `later` lets it watch, `never` lets it sleep, `keep` leaves its time as it is. */
  loop: 'now' | 'later' | 'never' | 'keep';
  waitingFor: string | null;
  lastError: string | null;
  /** Starts the deadline's clock anew. */
  restartClock: boolean;
  launched: boolean;
  /** null takes a fault away, undefined leaves it. */
  fault: ExplainedFault | null | undefined;
  event: { kind: string; message: string } | null;
}

export type Verdict =
  /** An answer to an older wish, or nothing new. `forget`: its absence is booked already. */
  | { ignore: 'old' | 'unchanged'; forget: boolean }
  | { book: Booking; forget: boolean };

export function bookReport(facts: InstanceFacts, stored: { frozen: ObservedInstance['frozen'] | undefined }, seen: ObservedInstance): Verdict {
  if (seen.generation !== facts.generation) return { ignore: 'old', forget: false };
  const then: InstanceFacts = {
    ...facts, observed: { state: seen.state, generation: seen.generation, rebootCount: seen.rebootCount, doing: seen.doing, error: seen.error, built: seen.built, savedMemory: seen.savedMemory, devices: seen.devices },
  };
  const wanted = wantedOnHost(facts);
  const gone = wanted === 'deleted' && isMet(then);
  if (isSame(facts, stored, seen)) return { ignore: 'unchanged', forget: gone };

  const base = {
    observed: seen, step: facts.step, loop: 'keep', waitingFor: doing(facts, seen), lastError: seen.error?.message ?? null,
    restartClock: false, launched: false, fault: undefined, event: null,
  } as const;

  // What it means for a move is the loop's to say.
  if (facts.move !== null && facts.move.phase !== 'verify' && facts.intent !== 'deleted') return bookMoveReport(then, base, gone);

  if (wanted === 'deleted') {
    return gone
      ? { forget: true, book: { ...base, loop: 'now', waitingFor: null, event: { kind: 'absent', message: 'nothing is left on the host' } } }
      : { forget: false, book: base };
  }
  if (isMet(then)) {
    const recovered = facts.step === 'failed';
    return {
      forget: false,
      book: {
        ...base, step: 'settled', loop: nextAttachmentStep({ ...then, step: 'settled' }) === undefined ? 'never' : 'now', waitingFor: null, lastError: null, launched: true, restartClock: true,
        fault: recovered ? null : undefined, event: facts.step === 'settled' ? null : { kind: metKind(facts), message: '' },
      },
    };
  }
  // In ERROR already: what the host sees is kept, nothing else changes.
  if (facts.step === 'failed') return { forget: false, book: { ...base, loop: nextAttachmentStep(then) === undefined ? 'keep' : 'now', waitingFor: null } };
  if (seen.error?.final === true) {
    const fault = hostFault(seen.error, facts.host?.name ?? '', facts.launched);
    // A build that failed is taken back from its host by the loop.
    return { forget: false, book: { ...base, step: 'failed', loop: facts.launched ? 'never' : 'now', waitingFor: null, fault, event: { kind: 'error', message: fault.message } } };
  }
  if (facts.step === 'settled') {
    if (seen.state === 'paused') return { forget: false, book: base };
    // It was done and is not any more: by itself (the loop takes note), or by somebody's hand (the host puts it right).
    const byItself = isDownByItself(then);
    return {
      forget: false,
      book: byItself
        ? { ...base, loop: 'now', waitingFor: null }
        : { ...base, step: 'wait-host', loop: 'later', restartClock: true, event: { kind: 'drift', message: `wanted ${wanted}, found ${seen.state}` } },
    };
  }
  return { forget: false, book: base };
}

const metKind = (facts: InstanceFacts): string => {
  if (!facts.launched) return 'launched';
  if (facts.rebuilding) return 'rebuilt';
  if (facts.intent === 'stopped') return 'stopped';
  if (facts.intent === 'paused') return 'paused';
  if (facts.intent === 'suspended') return 'suspended';
  return facts.observed.rebootCount < facts.rebootCount ? 'rebooted' : 'started';
};

function isSame(facts: InstanceFacts, stored: { frozen: ObservedInstance['frozen'] | undefined }, seen: ObservedInstance): boolean {
  const { observed } = facts;
  return observed.state === seen.state && observed.generation === seen.generation && observed.rebootCount === seen.rebootCount
    && observed.doing === seen.doing && canonical(observed.error) === canonical(seen.error)
    && canonical(observed.built) === canonical(seen.built) && (observed.savedMemory === true) === (seen.savedMemory === true)
    && devicesOf(observed.devices) === devicesOf(seen.devices) && (facts.attachments.length === 0 || (observed.devices === undefined) === (seen.devices === undefined))
    && (seen.frozen === undefined || canonical(stored.frozen) === canonical(seen.frozen));
}

/** To say nothing and to say that there are none are one where nothing follows from it: else all rows were written anew when agents learn to say it. */
const devicesOf = (devices: ObservedInstance['devices']): string => (devices ?? []).map(canonical).sort().join();

/** jsonb does not keep the order of keys. */
const canonical = (flat: object | null | undefined): string =>
  JSON.stringify(Object.entries(flat ?? {}).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));

const doing = (facts: InstanceFacts, seen: ObservedInstance): string =>
  `host ${facts.host?.name ?? '(none)'}${seen.doing === null ? '' : `: ${seen.doing}`}${seen.error === null ? '' : ` (went wrong ${seen.error.attempts} times: ${seen.error.message})`}`;

/** While it moves: noted, and the loop woken when the phase may be over. */
const bookMoveReport = (then: InstanceFacts, base: Booking, gone: boolean): Verdict => ({
  forget: gone,
  book: {
    ...base, loop: isMet(then) || then.observed.error?.final === true ? 'now' : 'keep',
    event: gone ? { kind: 'absent', message: 'nothing is left on the host' } : null,
  },
});
