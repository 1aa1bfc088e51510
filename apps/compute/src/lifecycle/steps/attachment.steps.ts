/**
 * Owns: the turns of an instance's attached devices. The scheduler's side comes first where devices are claimed, and last where they are
 * released; both are idempotent by the attachment. A crash between: the next pass asks again and gets the same answer, and what was given
 * up meanwhile is refused by its tombstone.
 */
import { releaseDevices } from '#libs/contracts';
import { askForDevices } from '../../attachments/ask-for-devices.js';
import { event, given, noted, over, unwanted } from '../../attachments/decide/attachment-changes.js';
import type { Change } from '../../instances/change.js';
import type { InstanceRow } from '../../instances/instance-row.js';
import type { AttachmentStep } from '../decide/next-attachment-step.js';
import { ends, goesOn, type StepResult, type StepTools } from './step.js';

export async function performAttachmentStep(tools: StepTools, row: InstanceRow, step: AttachmentStep): Promise<StepResult> {
  const { attachment } = step;
  switch (step.do) {
    case 'claim-devices': {
      const devices = await askForDevices(tools.bus, row, attachment);
      if ('layout' in devices) return tell(tools, row, given(row, attachment, devices.layout, tools.tempo));
      return goesOn(await tools.instances.change(row.id, row.version, { ...unwanted(row, attachment, devices.refused, tools.tempo), events: [event('device-refused', attachment, devices.refused)] }));
    }
    case 'note-attached': return goesOn(await tools.instances.change(row.id, row.version, { ...noted(row, attachment), events: [event('device-attached', attachment)] }));
    case 'take-back': return tell(tools, row, { ...unwanted(row, attachment, step.why, tools.tempo), events: [event('device-attach-failed', attachment, step.why)] });
    case 'release-devices': {
      await tools.bus.ask(releaseDevices, { instanceId: row.id as never, hostId: row.host_id as never, attachment: attachment.id });
      return goesOn(await tools.instances.change(row.id, row.version, { ...over(row, attachment), ...(attachment.devices.length > 0 && { events: [event('device-detached', attachment)] }) }));
    }
  }
}

async function tell(tools: StepTools, row: InstanceRow, change: Change): Promise<StepResult> {
  const changed = await tools.instances.change(row.id, row.version, { ...change, release: true });
  if (changed) tools.hosts.hint(row.host_id as string);
  return ends(changed);
}
