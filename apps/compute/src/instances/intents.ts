import { Inject, Injectable } from '@nestjs/common';
import type { Caller, InstanceId } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { deriveStatus } from '#libs/openstack';
import { HostDirectory } from '../hosts/host-directory.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { visible } from './caller-project.js';
import { whyNotAllowed, type Operation } from './decide/allowed.js';
import { intentChange, type Wish } from './decide/intent-change.js';
import { viewOf, type InstanceRow } from './instance-row.js';
import { InstancesRepository } from './instances.repository.js';

/**
 * The one way in which people change what is wanted of an instance: allowed now? then one version-compared write with
 * the new level, its place in the host's feed and its event; afterwards the host or the loop is woken. A crash before
 * the write leaves everything as it was; after it, polls find what the wake-up would have told.
 */
@Injectable()
export class Intents {
  constructor(private readonly instances: InstancesRepository, private readonly hosts: HostDirectory, private readonly bell: LoopBell, @Inject(TEMPO) private readonly tempo: Tempo) {}

  async change(caller: Caller, id: InstanceId, operation: Operation, wish: Wish, event: { kind: string; message: string }): Promise<void> {
    let written = false;
    const row = await this.instances.decideAndChange(id, (found) => {
      written = false;
      // The same request again, after an answer that was lost.
      if (found?.last_request_id === caller.requestId && isWishOf(found, wish)) return undefined;
      const current = visible(found, caller, id);
      const problem = whyNotAllowed(operation, { id, locked: current.locked, launched: current.launched_at !== null, state: deriveStatus(viewOf(current)) }, caller.isAdmin);
      if (problem !== undefined) throw conflict(problem);
      written = true;
      return intentChange(current, wish, event, caller, this.tempo);
    });
    if (!written || !row) return;
    if (row.host_id !== null) this.hosts.hint(row.host_id);
    else this.bell.ring(id);
  }
}

const isWishOf = (row: InstanceRow, wish: Wish): boolean =>
  (wish.intent === undefined || row.intent === wish.intent) && (wish.reboot === undefined || row.reboot_type === wish.reboot);
