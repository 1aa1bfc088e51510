/**
 * What an attached device of an instance needs next. Each attachment is a level of its own beside the server's: it has no task, and what goes
 * wrong with it is no fault of the server. Owns when a device may be released: when its host, at the generation at which it was told to
 * let go, says that the domain has it not. Never performs anything. Answers undefined where nothing is to be done but to wait.
 */
import { isAttached, leaves, seenOf, stillThere, type Attachment } from '../../attachments/decide/attachment.js';
import type { InstanceFacts } from './facts.js';

export type AttachmentStep =
  /** Ask the scheduler for devices of its host, and tell the host. Repeats get the same ones. */
  | { do: 'claim-devices'; attachment: Attachment }
  /** The guest has them: the timeline says so. */
  | { do: 'note-attached'; attachment: Attachment }
  /** They can't be attached, for good: they go the way of every detached one. */
  | { do: 'take-back'; attachment: Attachment; why: string }
  /** Nothing of them is in the domain: they are free to be cleaned, and the attachment is over. */
  | { do: 'release-devices'; attachment: Attachment };

export function nextAttachmentStep(facts: InstanceFacts): AttachmentStep | undefined {
  // While it moves, two hosts know it, and what a move claims counts them in.
  if (facts.host === null || facts.move !== null || facts.intent === 'deleted' || facts.withdrawn) return undefined;
  const steps = facts.attachments.map((attachment) => stepOf(attachment, facts)).filter((step) => step !== undefined);
  // What needs nobody's answer, and what gives back, comes before what may be refused.
  return steps.find((step) => step.do !== 'claim-devices') ?? steps[0];
}

function stepOf(attachment: Attachment, { host, step, generation, observed }: InstanceFacts): AttachmentStep | undefined {
  const { wanted, devices } = attachment;
  // What its host was never told of can't be there. Else only an answer to this very generation counts, and only one that speaks of devices.
  const seen = observed.generation === generation ? observed.devices : undefined;
  // What is on a host that the server has left (it was not gone yet when the server moved) that host lets go with all the rest.
  if (wanted === 'detached') return !leaves(attachment, host?.id ?? '') || (seen !== undefined && stillThere(devices, seen) === undefined) ? { do: 'release-devices', attachment } : undefined;
  if (step !== 'settled') return undefined;
  if (devices.length === 0) return { do: 'claim-devices', attachment };
  if (seen === undefined) return undefined;
  // What it had once and lost (a function that fell off the bus) it keeps: that may come back.
  const failed = attachment.attached ? undefined : devices.map((device) => seenOf(device, seen)).find((one) => one?.state === 'failed');
  if (failed !== undefined) return { do: 'take-back', attachment, why: failed.message ?? 'its host can not attach it' };
  return !attachment.attached && isAttached(devices, seen) ? { do: 'note-attached', attachment } : undefined;
}
