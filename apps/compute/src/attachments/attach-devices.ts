import { Inject, Injectable } from '@nestjs/common';
import type { attachDevices, OutputOf, ReceivedBy } from '#libs/contracts';
import { conflict, overQuota, unavailable } from '#libs/errors';
import { DeviceClasses } from '../flavors/device-classes.js';
import type { Usage } from '../instances/decide/quota.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { needsOf } from '../instances/needs-of.js';
import { LIMITS } from '../limits.js';
import { ProjectLimitsCopy } from '../quota/project-limits.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { AttachmentGate } from './attachment-gate.js';
import { AttachmentsRepository } from './attachments.repository.js';
import { ClaimAttachment } from './claim-attachment.js';
import { attachmentView, type Attachment } from './decide/attachment.js';
import { event } from './decide/attachment-changes.js';
import { overQuotaOf, whyNotMore } from './decide/new-attachment.js';

type Request = ReceivedBy<typeof attachDevices>;

/**
 * More devices for a server that is there. The row comes first, together with the quota: from then on the loop brings it to its end, whatever
 * becomes of the request. The same attachment again is answered, not made again.
 */
@Injectable()
export class AttachDevices {
  constructor(
    private readonly gate: AttachmentGate, private readonly rows: AttachmentsRepository, private readonly claims: ClaimAttachment,
    private readonly classes: DeviceClasses, private readonly limits: ProjectLimitsCopy, @Inject(TEMPO) private readonly tempo: Tempo,
  ) {}

  async attach(request: Request): Promise<OutputOf<typeof attachDevices>> {
    const row = await this.#write(request);
    const attachment = find(row, request);
    const then = attachment.wanted === 'attached' && attachment.devices.length === 0 ? await this.claims.claim(request.caller, row, attachment) : row;
    return { attachments: [attachmentView(then.attachments.find(({ id }) => id === attachment.id) ?? attachment, then.observed)] };
  }

  async #write(request: Request): Promise<InstanceRow> {
    const { caller, instanceId, className } = request;
    for (let attempt = 0; attempt < LIMITS.writeAttempts; attempt += 1) {
      const row = await this.gate.row(caller, instanceId);
      if (row.attachments.some(({ id }) => id === request.attachment)) return row;
      this.gate.demand(row, caller, 'attach-device');
      await this.classes.demandNamed([className], (name) => `There is no device class ${name}.`);
      await this.gate.demandHost(row, 'attach-device');
      const problem = whyNotMore(row, needsOf(row.spec)?.devices ?? [], request);
      if (problem !== undefined) throw conflict(`Cannot attach ${className} to instance ${instanceId}: ${problem}.`);
      const limits = await this.limits.of(row.project_id);
      const limit = (limits.devices?.[className] ?? -1) < 0 ? undefined : (used: Usage): void => {
        const over = overQuotaOf(limits, used, request);
        if (over !== undefined) throw overQuota(over.refused, { details: over.details });
      };
      const attachment = made(request, new Date().toISOString());
      const written = await this.rows.add(row, {
        set: { attachments: [...row.attachments, attachment] },
        // Should this request end here, the loop goes on.
        reconcileInMs: this.tempo.waitTickMs, events: [{ ...event('device-attach', attachment), requestId: caller.requestId, userId: caller.userId, by: caller }],
      }, className, limit);
      if (written !== undefined) return written;
    }
    throw unavailable(`Instance ${instanceId} is being changed by many at once; try again.`, { retryAfterS: 1 });
  }
}

const made = ({ attachment: id, className, count, tag, vlan, numaPolicy }: Request, createdAt: string): Attachment =>
  ({ id, className, count, tag, vlan, numaPolicy, wanted: 'attached', attached: false, reason: null, devices: [], hostId: null, createdAt });

function find({ attachments }: InstanceRow, { attachment }: Request): Attachment {
  const found = attachments.find(({ id }) => id === attachment);
  if (found === undefined) throw unavailable(`Attachment ${attachment} is being changed; try again.`, { retryAfterS: 1 });
  return found;
}
