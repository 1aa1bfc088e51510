/**
 * What a move of an instance (resize, cold migration, evacuation) needs next. While it is under way two hosts know the
 * instance; at any moment one of them at most is told to run it, and the word changes hands only in one commit.
 *
 * Owns: the order of phases, and when a move goes back by itself. Never performs anything. Answers undefined where the
 * move wants nothing now: then next-step.ts decides as for any other instance.
 *
 *   claim -> stop -> arrive -> verify (rests) -> confirm -> over
 *     |        |        |         `-> revert -> return -> over
 *     `--------+-> return `-> revert
 *
 * A resize within its host skips `revert`: that host has both. An evacuation skips `stop` (its host is fenced) and
 * `verify`, and never goes back: what it leaves behind is cleaned up when the host is taken back.
 */
import type { PlacementExplanation } from '#libs/contracts';
import { deadlineFault, hostFault, refusedFault, type ExplainedFault } from './faults.js';
import { isDownByItself, isMet, type Claim, type InstanceFacts } from './facts.js';
import type { MoveRows, OpenMove, OtherHost } from './move-rows.js';
import { crosses, describeWait, type Deadlines } from './waits.js';

export type MoveStep =
  /** Read the rows of its moves; what follows is decided with them. */
  | { do: 'read-moves' }
  /** Ask the scheduler for a second host, beside the one that is held. */
  | { do: 'claim-destination' }
  /** That claim's generation was released before: take a new one. */
  | { do: 'renew-destination' }
  /** Remember where to, and have the guest switched off where it is. */
  | { do: 'stop-at-source'; claim: Claim }
  /** From one host to the other, in one commit. The claim is given when there was no need to stop. */
  | { do: 'hand-over'; claim: Claim | null }
  /** It is there as wanted: people look at it and confirm or revert. */
  | { do: 'arrived' }
  /** It goes back by itself, because of this. */
  | { do: 'give-up-move'; why: ExplainedFault }
  /** Nothing is left at the destination: the source has it again. */
  | { do: 'go-back' }
  /** Come again later; tell the host that still has something, now and then. */
  | { do: 'wait-other'; other: OtherHost; waitingFor: string; nudge: boolean; againMs: number }
  /** The instance is deleted: whoever has something of it is told so. */
  | { do: 'tell-others' }
  /** A host that was left behind has shown that nothing is left there: its claim goes. */
  | { do: 'forget-other'; other: OtherHost }
  /** The claims take their final shape, then the move is history. `fault`: the server ends in ERROR; `unmet`: its host has not answered its last wish yet. */
  | { do: 'end-move'; claims: 'settle' | 'settle-and-keep-old' | 'release'; status: 'confirmed' | 'reverted' | 'done' | 'error'; fault: ExplainedFault | null; unmet?: true }
  /** It is deleted, and gone from everywhere: its moves are history. */
  | { do: 'end-moves-of-deleted' };

export function nextMoveStep(facts: InstanceFacts, deadlines: Deadlines): MoveStep | Waiting | undefined {
  if (facts.move === null && facts.elsewhere === 0) return undefined;
  const { moves } = facts.now;
  if (moves === undefined) return { do: 'read-moves' };
  // Taken back from its hosts for good while it moved: nothing is left to move.
  if (facts.intent === 'deleted' || (facts.withdrawn && facts.move !== null)) return leave(facts, moves, deadlines);
  const step = facts.move !== null && moves.open !== null ? goOn(facts, facts.move.phase, moves.open, moves, deadlines) : undefined;
  if (step !== undefined) return step;
  const left = moves.others.find((other) => !other.open && other.absent);
  return left && { do: 'forget-other', other: left };
}

/** Steps that every instance knows. */
type Waiting = { do: 'look-at-host' } | { do: 'wait-host'; waitingFor: string; wind: boolean; nudge: boolean; againMs: number };
type Phase = NonNullable<InstanceFacts['move']>['phase'];

function goOn(facts: InstanceFacts, phase: Phase, open: OpenMove, moves: MoveRows, deadlines: Deadlines): MoveStep | Waiting | undefined {
  const evacuation = open.kind === 'evacuation';
  switch (phase) {
    // Where to? The guest runs on meanwhile.
    case 'claim': {
      if (evacuation && !moves.hostGone) return { do: 'give-up-move', why: cameBack(open) };
      const { claim } = facts.now;
      if (claim === undefined) return facts.waitedMs >= deadlines.claimDeadlineMs ? { do: 'give-up-move', why: noAnswer(facts) } : { do: 'claim-destination' };
      if (claim.outcome === 'stale') return { do: 'renew-destination' };
      if (claim.outcome === 'refused') return { do: 'give-up-move', why: refused(facts, claim.explanation) };
      if (claim.cannot !== undefined) return { do: 'give-up-move', why: incapable(claim.cannot) };
      return evacuation ? { do: 'hand-over', claim } : { do: 'stop-at-source', claim };
    }
    // Off at the source: only then may another host have the disk.
    case 'stop': {
      if (moves.hostGone) return { do: 'give-up-move', why: fenced(open.source.name) };
      // Nobody asked for its memory to be kept, and it does not travel: whoever saved it wants it back.
      if (isMet(facts)) return facts.observed.savedMemory === true ? { do: 'give-up-move', why: memorySaved(open) } : { do: 'hand-over', claim: null };
      const waiting = watch(facts, deadlines);
      return isFault(waiting) ? { do: 'give-up-move', why: waiting } : waiting;
    }
    case 'arrive': {
      if (isThere(facts, deadlines) && !moves.hostGone) return evacuation ? { do: 'end-move', claims: 'settle-and-keep-old', status: 'done', fault: null } : { do: 'arrived' };
      const waiting = moves.hostGone ? fenced(facts.host?.name ?? '') : watch(facts, deadlines);
      if (!isFault(waiting)) return waiting;
      // There is nothing to go back to behind a fence: it is here now, and in ERROR, and a rebuild tries anew.
      return evacuation ? { do: 'end-move', claims: 'settle-and-keep-old', status: 'error', fault: waiting } : { do: 'give-up-move', why: waiting };
    }
    case 'verify': return undefined;
    // The source lets go. No deadline: it ends with its proof, or with a fence.
    case 'confirm': {
      const other = moves.others.find(({ open: under }) => under);
      if (other === undefined) return isThere(facts, deadlines) ? { do: 'end-move', claims: 'settle', status: 'confirmed', fault: null } : patience(facts, deadlines);
      if (!other.absent && !other.gone) return waitForOther(facts, other, deadlines);
      // Its own host may have been told anew meanwhile (a state that was reset), and may be lost: that is no part of the move.
      return { do: 'end-move', claims: other.absent ? 'settle' : 'settle-and-keep-old', status: 'confirmed', fault: null, ...(!isThere(facts, deadlines) && { unmet: true as const }) };
    }
    // The destination lets go: before that the source must not start.
    case 'revert': return isMet(facts) || moves.hostGone ? { do: 'go-back' } : patience(facts, deadlines);
    // The source has it again, as it was.
    case 'return': {
      const status = open.error === null ? 'reverted' : 'error';
      if (isThere(facts, deadlines) && !moves.hostGone) return { do: 'end-move', claims: 'release', status, fault: null };
      const waiting = moves.hostGone ? fenced(open.source.name) : watch(facts, deadlines);
      return isFault(waiting) ? { do: 'end-move', claims: 'release', status: 'error', fault: waiting } : waiting;
    }
  }
}

/** Deleted, at whatever phase: everyone is told at once, and all must have shown that nothing is left. */
function leave(facts: InstanceFacts, moves: MoveRows, deadlines: Deadlines): MoveStep | undefined {
  if (moves.others.some(({ wanted }) => wanted !== 'deleted')) return { do: 'tell-others' };
  // Its own host: as for any instance.
  if (facts.host !== null && !isMet(facts)) return undefined;
  const there = moves.others.find(({ absent, gone }) => !absent && !gone);
  return there ? waitForOther(facts, there, deadlines) : { do: 'end-moves-of-deleted' };
}

/** Its host has done its part. A guest that was started and has been off since by its own doing is there too: the loop takes note of that afterwards. */
const isThere = (facts: InstanceFacts, deadlines: Deadlines): boolean => isMet(facts) || (isDownByItself(facts) && facts.waitedMs >= deadlines.powerOffGraceMs);

/** Waits for the instance's own host, or says why that has no sense any more. */
function watch(facts: InstanceFacts, deadlines: Deadlines): Waiting | ExplainedFault {
  const { error, generation } = facts.observed;
  const name = facts.host?.name ?? '';
  if (generation === facts.generation && error?.final === true) return hostFault(error, name, true);
  const { hostAlive } = facts.now;
  if (hostAlive === true && facts.waitedMs >= deadlines.operateDeadlineMs) {
    return deadlineFault({ what: 'The host did not do its part of the move', waitedMs: facts.waitedMs, lastError: error?.message ?? facts.lastError, host: name });
  }
  return patience(facts, deadlines);
}

const isFault = (waiting: Waiting | ExplainedFault): waiting is ExplainedFault => 'code' in waiting;

function patience(facts: InstanceFacts, deadlines: Deadlines): Waiting {
  const { hostAlive } = facts.now;
  if (hostAlive === undefined) return { do: 'look-at-host' };
  return {
    do: 'wait-host', waitingFor: describeWait(facts, facts.host ?? { name: '(none)' }, hostAlive), wind: hostAlive === true,
    nudge: hostAlive === true && crosses(facts.waitedMs, deadlines.waitTickMs, deadlines), againMs: deadlines.waitTickMs,
  };
}

function waitForOther(facts: InstanceFacts, other: OtherHost, deadlines: Deadlines): MoveStep {
  const againMs = Math.min(deadlines.deleteTickMaxMs, Math.max(deadlines.waitTickMs, facts.waitedMs));
  return { do: 'wait-other', other, waitingFor: `host ${other.host.name} to show that nothing is left`, nudge: crosses(facts.waitedMs, againMs, deadlines), againMs };
}

const noAnswer = (facts: InstanceFacts): ExplainedFault =>
  deadlineFault({ what: 'Placement gave no answer but errors', waitedMs: facts.waitedMs, lastError: facts.lastError, host: facts.host?.name ?? null });
/** What was attached has to be there too; who only looks at the flavor would not know. */
function refused({ attachments }: InstanceFacts, explanation: PlacementExplanation): ExplainedFault {
  const fault = refusedFault(explanation);
  const attached = attachments.filter(({ wanted }) => wanted === 'attached').reduce((sum, { count }) => sum + count, 0);
  return attached === 0 ? fault : { ...fault, message: `${fault.message} ${attached} of the devices that it needs ${attached === 1 ? 'was' : 'were'} attached to it, and can be detached.` };
}
const incapable = (why: string): ExplainedFault => ({ code: 500, message: 'The host that was found for the server cannot take it now.', details: why });
const fenced = (host: string): ExplainedFault => ({
  code: 500, message: 'The host of the server was lost during a move, and is fenced.',
  details: `Host ${host} is fenced. What to do: evacuate the server, or take the host back (skylite host unfence).`,
});
const memorySaved = ({ source }: OpenMove): ExplainedFault => ({
  code: 500, message: 'The server was not moved: the memory of its guest was saved on its host, and would be lost.',
  details: `Somebody on host ${source.name} saved it (virsh managedsave, or libvirt-guests.service). What to do: start the server, which goes on from there, or remove the saved memory on the host (virsh managedsave-remove); then move it.`,
});
const cameBack = ({ source }: OpenMove): ExplainedFault => ({
  code: 500, message: 'The server was not rebuilt on another host: its own came back.',
  details: `Host ${source.name} is not fenced any more, or was heard while it was. What to do: look at the server there; fence the host again if it is lost.`,
});
