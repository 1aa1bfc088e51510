import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { attachDevices, detachDevices, listServerDevices, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { AttachDevices } from './attach-devices.js';
import { AttachmentGate } from './attachment-gate.js';
import { attachmentView, serverDevices } from './decide/attachment.js';
import { DetachDevices } from './detach-devices.js';

@Controller()
export class AttachmentsController {
  constructor(private readonly attacher: AttachDevices, private readonly detacher: DetachDevices, private readonly gate: AttachmentGate) {}

  @Handles(attachDevices)
  attach(@Payload() input: ReceivedBy<typeof attachDevices>): Promise<OutputOf<typeof attachDevices>> { return this.attacher.attach(input); }

  @Handles(detachDevices)
  detach(@Payload() input: ReceivedBy<typeof detachDevices>): Promise<OutputOf<typeof detachDevices>> { return this.detacher.detach(input); }

  @Handles(listServerDevices)
  async list(@Payload() { caller, instanceId }: ReceivedBy<typeof listServerDevices>): Promise<OutputOf<typeof listServerDevices>> {
    const row = await this.gate.row(caller, instanceId);
    return { devices: serverDevices(row), attachments: row.attachments.map((one) => attachmentView(one, row.observed)) };
  }
}
