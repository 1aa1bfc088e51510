import { Inject, Injectable } from '@nestjs/common';
import type { detachDevices, OutputOf, ReceivedBy } from '#libs/contracts';
import { conflict, notFound } from '#libs/errors';
import { HostDirectory } from '../hosts/host-directory.js';
import { visible } from '../instances/caller-project.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { AttachmentGate } from './attachment-gate.js';
import { attachmentView, type Attachment } from './decide/attachment.js';
import { event, unwanted } from './decide/attachment-changes.js';

type Request = ReceivedBy<typeof detachDevices>;

/**
 * Devices of a server are wanted no more: one write, by which its host hears of a shorter layout. The claim keeps them until the host has
 * proved that the domain has them not, however long its guest takes; then the loop releases them.
 */
@Injectable()
export class DetachDevices {
  constructor(
    private readonly gate: AttachmentGate, private readonly instances: InstancesRepository, private readonly hosts: HostDirectory,
    private readonly bell: LoopBell, @Inject(TEMPO) private readonly tempo: Tempo,
  ) {}

  async detach(request: Request): Promise<OutputOf<typeof detachDevices>> {
    const { caller, instanceId } = request;
    const before = await this.gate.row(caller, instanceId);
    const known = find(before, request);
    if (known.wanted === 'detached') return { attachments: [attachmentView(known, before.observed)] };
    this.gate.demand(before, caller, 'detach-device');
    await this.gate.demandHost(before, 'detach-device');
    const row = await this.instances.decideAndChange(instanceId, (found) => {
      const current = visible(found, caller, instanceId);
      const attachment = find(current, request);
      if (attachment.wanted === 'detached') return undefined;
      this.gate.demand(current, caller, 'detach-device');
      return { ...unwanted(current, attachment, null, this.tempo), events: [{ ...event('device-detach', attachment), requestId: caller.requestId, userId: caller.userId, by: caller }] };
    }) ?? before;
    const attachment = find(row, request);
    if (attachment.devices.length === 0) this.bell.ring(instanceId);
    else if (row.host_id !== null) this.hosts.hint(row.host_id);
    return { attachments: [attachmentView(attachment, row.observed)] };
  }
}

function find({ id, attachments, layout }: InstanceRow, { attachment }: Request): Attachment {
  const found = attachments.find((one) => one.id === attachment);
  if (found !== undefined) return found;
  if (layout?.devices?.some((device) => device.deviceId === attachment && device.attachment === undefined) === true) {
    throw conflict(`Device ${attachment} came with the flavor of instance ${id}. What to do: resize to a flavor without it.`);
  }
  throw notFound(`Instance ${id} has no attachment ${attachment}.`);
}
