/**
 * What each turn of an attachment writes into its server's row: always one statement, by version. Owns what its host is told: a layout
 * that is longer or shorter, at the same build and a higher generation. Pure.
 */
import type { Layout } from '#libs/contracts';
import { devicesOfAttachment, withDevices, withoutAttachment } from '#libs/openstack';
import type { Change, ChangeEvent } from '../../instances/change.js';
import type { InstanceRow } from '../../instances/instance-row.js';
import { replaced, type Attachment } from './attachment.js';

type Tempo = { waitTickMs: number };

export const named = ({ count, className }: Pick<Attachment, 'count' | 'className'>): string => (count === 1 ? className : `${count} ${className}`);

/** The layout of its host's next word. The loop looks after it once, should the host's answer be lost. */
const told = (row: InstanceRow, layout: Layout | null, attachments: Attachment[], { waitTickMs }: Tempo): Change => ({
  set: { layout, attachments, generation: Number(row.generation) + 1 }, feedOf: row.host_id as string, reconcileInMs: waitTickMs,
});

/** @param claimed the claim's layout. Of the row's own nothing else changes: it may say more of what the guest sees. */
export function given(row: InstanceRow, { id }: Attachment, claimed: Layout, tempo: Tempo): Change {
  const devices = devicesOfAttachment(claimed, id);
  return told(row, withDevices(withoutAttachment(row.layout, id), devices), replaced(row.attachments, id, { devices, hostId: row.host_id }), tempo);
}

/** Wanted no more. `reason`: it is taken back by itself. What its host was never told of it need not be told to let go. */
export function unwanted(row: InstanceRow, attachment: Attachment, reason: string | null, tempo: Tempo): Change {
  const attachments = replaced(row.attachments, attachment.id, { wanted: 'detached', reason });
  return attachment.devices.length === 0 ? { set: { attachments }, reconcileInMs: 0 } : told(row, withoutAttachment(row.layout, attachment.id), attachments, tempo);
}

export const noted = (row: InstanceRow, { id }: Attachment): Change => ({ set: { attachments: replaced(row.attachments, id, { attached: true }) } });

export const over = (row: InstanceRow, { id }: Attachment): Change => ({ set: { attachments: row.attachments.filter((one) => one.id !== id) } });

export const event = (kind: string, attachment: Attachment, more: string | null = null): ChangeEvent => ({ kind, message: `${named(attachment)}${more === null ? '' : `: ${more}`}` });
