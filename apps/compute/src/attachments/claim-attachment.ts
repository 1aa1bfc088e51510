/**
 * Brings a new attachment to its devices within the request that asked for it, so that who asked hears at once that there are none. The
 * row stands already: whatever is out of reach or crashes here, the loop goes on by itself. Every write compares the row anew.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { Caller } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { HostDirectory } from '../hosts/host-directory.js';
import type { Change } from '../instances/change.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { LIMITS } from '../limits.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { askForDevices, type Devices } from './ask-for-devices.js';
import type { Attachment } from './decide/attachment.js';
import { event, given, named, unwanted } from './decide/attachment-changes.js';

@Injectable()
export class ClaimAttachment {
  constructor(
    private readonly instances: InstancesRepository, private readonly hosts: HostDirectory, private readonly bell: LoopBell,
    @Inject(BUS) private readonly bus: Bus, @Inject(TEMPO) private readonly tempo: Tempo,
  ) {}

  /** The row as it is then. Throws `conflict` when its host does not give them: then the attachment is over. One that is wanted still is not. */
  async claim(caller: Caller, row: InstanceRow, attachment: Attachment): Promise<InstanceRow> {
    let devices: Devices;
    try {
      devices = await askForDevices(this.bus, row, attachment, { requestId: caller.requestId, timeoutMs: LIMITS.attachAskMs });
    } catch {
      this.bell.ring(row.id);
      return row;
    }
    if ('layout' in devices) {
      const { layout } = devices;
      const told = await this.#change(row, attachment, (now, one) => given(now, one, layout, this.tempo));
      if (told.host_id !== null) this.hosts.hint(told.host_id);
      return told;
    }
    const { refused } = devices;
    const then = await this.#change(row, attachment, (now, one) => ({ ...unwanted(now, one, refused, this.tempo), events: [event('device-refused', one, refused)] }));
    // The refusal was not written, for the loop was faster, and may have got them: what the row says is the answer.
    if (then.attachments.some(({ id, wanted }) => id === attachment.id && wanted === 'attached')) return then;
    // What may have been claimed by a question whose answer was lost is released by the loop.
    this.bell.ring(row.id);
    throw conflict(`Cannot attach ${named(attachment)} to instance ${row.id}: ${caller.isAdmin ? devices.hosts : refused}`);
  }

  /** Nothing, where somebody else was at it meanwhile, or the claim is another one: that is the loop's to bring together. */
  async #change(row: InstanceRow, { id }: Attachment, change: (now: InstanceRow, one: Attachment) => Change): Promise<InstanceRow> {
    return await this.instances.decideAndChange(row.id, (now) => {
      const one = now?.attachments.find((each) => each.id === id);
      const open = now !== undefined && one?.wanted === 'attached' && one.devices.length === 0 && now.move_id === null && now.intent !== 'deleted' && now.host_id === row.host_id;
      return open ? change(now, one) : undefined;
    }) ?? row;
  }
}
