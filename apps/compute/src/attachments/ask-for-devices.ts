/** The question to the scheduler for an attachment's devices. Writes no row: the claim is the scheduler's, keyed by the attachment, and a repeat gets the same. */
import { claimDevices, type Layout, type PlacementExplanation } from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import type { InstanceRow } from '../instances/instance-row.js';
import { needOf, type Attachment } from './decide/attachment.js';

/** refused: why its host does not give them. hosts: the same with its host's numbers, which are for administrators. */
export type Devices = { layout: Layout } | { refused: string; hosts: string };

export async function askForDevices(bus: Bus, row: InstanceRow, attachment: Attachment, options: { requestId?: string; timeoutMs?: number } = {}): Promise<Devices> {
  try {
    const answer = await bus.ask(claimDevices, { instanceId: row.id as never, hostId: row.host_id as never, attachment: attachment.id, need: needOf(attachment) }, options);
    return answer.outcome === 'claimed' ? { layout: answer.layout } : { refused: reasons(answer.explanation), hosts: `${reasons(answer.explanation)} ${numbers(answer.explanation)}` };
  } catch (error) {
    const { kind, message } = asSkyError(error);
    if (kind !== 'conflict') throw error;
    return { refused: message, hosts: message };
  }
}

const reasons = ({ filters }: PlacementExplanation): string => filters.map(({ reason }) => reason).join(' ');
const numbers = ({ filters }: PlacementExplanation): string => filters.flatMap(({ hosts }) => hosts.map(({ name, needed, free }) => `${name}: ${needed} needed, free: ${free}.`)).join(' ');
