/**
 * The instance loop's one decision: what is the next step of this instance towards what is wanted?
 *
 * Owns: the order of steps, the deadlines, the words for what is being waited for. Never performs anything: no clock,
 * no random, no bus, no database. A crash cannot happen here; steps may crash anywhere, and the next pass decides anew
 * from the facts that were stored.
 */
import { deadlineFault, hostFault, refusedFault, type ExplainedFault } from './faults.js';
import { isDownByItself, isMet, type Claim, type InstanceFacts } from './facts.js';
import { nextAttachmentStep, type AttachmentStep } from './next-attachment-step.js';
import { nextMoveStep, type MoveStep } from './next-move-step.js';
import { crosses, describeWait, type Deadlines } from './waits.js';

export type Step =
  /** Ask the scheduler for a host. Repeats get the same answer. */
  | { do: 'claim-host' }
  /** The claim's generation was released before: take a new one. */
  | { do: 'renew-claim' }
  /** Store where it goes and put it into that host's feed. */
  | { do: 'hand-to-host'; claim: Claim }
  /** Find out whether the host is alive, before waiting for it. */
  | { do: 'look-at-host' }
  /** Come again later. `wind`: this time counts towards the deadline. `nudge`: tell the host anew. */
  | { do: 'wait-host'; waitingFor: string; wind: boolean; nudge: boolean; againMs: number }
  /** Tell the host `deleted` because the build failed; the instance itself stays. */
  | { do: 'withdraw' }
  /** Give up a fenced host without its proof of absence. */
  | { do: 'leave-host' }
  /** Free the claim, with a tombstone, so that late ones are refused. */
  | { do: 'release-claim' }
  /** A failed build left its host: the instance has none any more. */
  | { do: 'unassign' }
  /** Nothing is left anywhere: the row is finished. */
  | { do: 'finish-delete' }
  /** The guest switched itself off: that is what is wanted from now on. */
  | { do: 'accept-power-off'; crashed: boolean }
  | { do: 'settle' }
  | { do: 'fail'; fault: ExplainedFault }
  /** What a move needs: see next-move-step.ts. */
  | MoveStep
  /** What devices need that come and go by themselves: see next-attachment-step.ts. */
  | AttachmentStep
  /** Nothing to do until something happens. */
  | { do: 'rest' };

export type { Deadlines } from './waits.js';

export function nextStep(facts: InstanceFacts, deadlines: Deadlines): Step {
  if (facts.finished) return { do: 'rest' };

  // Two hosts know it, or are about to: what the move needs comes first. Often that is nothing now.
  const moving = nextMoveStep(facts, deadlines);
  if (moving !== undefined) return moving;

  // Leaving: a deletion, or a failed build being taken back. The claim goes only when nothing is left on the host.
  if (facts.intent === 'deleted' || facts.withdrawn) {
    // A fenced host proves nothing any more, and need not: what it has left is told to go when it is taken back.
    if (facts.host !== null && !isMet(facts)) return facts.now.hostGone === true ? { do: 'leave-host' } : waitForAbsence(facts, facts.host, deadlines);
    // Without a host too: a claim may be under way, and the tombstone refuses it.
    if (facts.now.claimReleased !== true) return { do: 'release-claim' };
    return facts.intent === 'deleted' ? { do: 'finish-delete' } : { do: 'unassign' };
  }

  if (facts.step === 'failed') {
    // What came right by itself is right; what never ran goes back from its host, and gives back a claim whose answer never came.
    if (facts.launched && facts.host !== null) return isMet(facts) ? { do: 'settle' } : nextAttachmentStep(facts) ?? { do: 'rest' };
    if (facts.host !== null) return { do: 'withdraw' };
    return facts.now.claimReleased === true ? { do: 'rest' } : { do: 'release-claim' };
  }

  // Arriving: a claim, then a host.
  if (facts.host === null) {
    const { claim } = facts.now;
    if (claim === undefined) {
      return facts.waitedMs >= deadlines.claimDeadlineMs
        ? { do: 'fail', fault: deadlineFault({ what: 'Placement gave no answer but errors', waitedMs: facts.waitedMs, lastError: facts.lastError, host: null }) }
        : { do: 'claim-host' };
    }
    if (claim.outcome === 'stale') return { do: 'renew-claim' };
    if (claim.outcome === 'refused') return { do: 'fail', fault: refusedFault(claim.explanation) };
    return { do: 'hand-to-host', claim };
  }

  // Being there: the host makes it so, we watch.
  if (facts.step === 'settled') {
    const attachment = nextAttachmentStep(facts);
    if (attachment !== undefined) return attachment;
  }
  if (isMet(facts)) return facts.step === 'settled' ? { do: 'rest' } : { do: 'settle' };
  const { error } = facts.observed;
  if (facts.observed.generation === facts.generation && error?.final === true) return { do: 'fail', fault: hostFault(error, facts.host.name, facts.launched) };
  // It was up before (settled), or it has been down for so long that nobody can be about to start it.
  if (isDownByItself(facts) && (facts.step === 'settled' || facts.waitedMs >= deadlines.powerOffGraceMs)) {
    return { do: 'accept-power-off', crashed: facts.observed.state === 'crashed' };
  }
  return waitForHost(facts, facts.host, deadlines);
}

function waitForHost(facts: InstanceFacts, host: { name: string }, deadlines: Deadlines): Step {
  const { hostAlive } = facts.now;
  if (hostAlive === undefined) return { do: 'look-at-host' };
  // Nothing but its devices was asked for since it was done: that is no task of the server's, and no failure of it.
  const deadlineMs = isNoTask(facts) ? Infinity : facts.launched ? deadlines.operateDeadlineMs : deadlines.buildDeadlineMs;
  if (hostAlive === true && facts.waitedMs >= deadlineMs) {
    const what = facts.launched ? `The host did not bring the server to '${facts.intent}'` : 'The host did not finish building the server';
    return { do: 'fail', fault: deadlineFault({ what, waitedMs: facts.waitedMs, lastError: facts.observed.error?.message ?? facts.lastError, host: host.name }) };
  }
  return {
    do: 'wait-host', waitingFor: describeWait(facts, host, hostAlive), wind: hostAlive === true,
    nudge: hostAlive === true && crosses(facts.waitedMs, deadlines.waitTickMs, deadlines), againMs: deadlines.waitTickMs,
  };
}

const isNoTask = (facts: InstanceFacts): boolean => facts.step === 'settled' && facts.attachments.length > 0 && facts.observed.generation !== facts.generation;

/** No deadline here: it ends with the host's proof, or with a fence. It only looks more and more rarely. */
function waitForAbsence(facts: InstanceFacts, host: { name: string }, deadlines: Deadlines): Step {
  const { hostAlive } = facts.now;
  if (hostAlive === undefined) return { do: 'look-at-host' };
  const againMs = Math.min(deadlines.deleteTickMaxMs, Math.max(deadlines.waitTickMs, facts.waitedMs));
  return {
    do: 'wait-host', waitingFor: `${describeWait(facts, host, hostAlive)} to show that nothing is left`, wind: hostAlive === true,
    nudge: hostAlive === true && crosses(facts.waitedMs, againMs, deadlines), againMs,
  };
}
