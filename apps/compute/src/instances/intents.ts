import { Inject, Injectable } from '@nestjs/common';
import type { Caller, InstanceId } from '#libs/contracts';
import { conflict, notFound } from '#libs/errors';
import { HostDirectory } from '../hosts/host-directory.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { visible } from './caller-project.js';
import { NEEDED_OF_HOST, type Operation } from './decide/allowed.js';
import { intentChange, type Wish } from './decide/intent-change.js';
import { demandAllowed } from './demand-allowed.js';
import type { InstanceRow } from './instance-row.js';
import { InstancesRepository } from './instances.repository.js';

/**
 * The one way in which people change what is wanted of an instance: allowed now? then one version-compared write with
 * the new level, its place in the host's feed and its event; afterwards the host or the loop is woken. A crash before
 * the write leaves everything as it was; after it, polls find what the wake-up would have told.
 */
@Injectable()
export class Intents {
  constructor(private readonly instances: InstancesRepository, private readonly hosts: HostDirectory, private readonly bell: LoopBell, @Inject(TEMPO) private readonly tempo: Tempo) {}

  /** `wish`: the level, or what makes it of the row as it is. Answers the row as it is then. */
  async change(
    caller: Caller, id: InstanceId, operation: Operation, wish: Wish | ((row: InstanceRow) => Wish), event: { kind: string; message: string },
  ): Promise<InstanceRow> {
    await this.#demandCapable(caller, id, operation);
    let written = false;
    const row = await this.instances.decideAndChange(id, (found) => {
      written = false;
      // The same request again, after an answer that was lost.
      if (found?.last_request_id === caller.requestId && (typeof wish === 'function' || isWishOf(found, wish))) return undefined;
      const current = visible(found, caller, id);
      demandAllowed(operation, current, caller);
      written = true;
      return intentChange(current, typeof wish === 'function' ? wish(current) : wish, event, caller, this.tempo);
    });
    if (!row) throw notFound(`Instance ${id} could not be found.`);
    if (!written) return row;
    if (row.host_id !== null) this.hosts.hint(row.host_id);
    // Nobody has it, others have something of it too, or its host is gone: that is the loop's to do.
    if (row.host_id === null || row.elsewhere > 0 || isDue(row)) this.bell.ring(id);
    return row;
  }

  /** An older agent would only say that it does not know the word: better refused now. Whether it can is asked of nobody who is away. */
  async #demandCapable(caller: Caller, id: InstanceId, operation: Operation): Promise<void> {
    const capability = NEEDED_OF_HOST[operation];
    if (capability === undefined) return;
    const { host_id: hostId } = visible(await this.instances.find(id), caller, id);
    if (hostId === null) return;
    const host = await this.hosts.find(hostId).catch(() => undefined);
    if (host && !host.capabilities.includes(capability)) throw conflict(`Cannot '${operation}' instance ${id}: the agent of its host is older and cannot do it; update the agent, or move the server.`);
  }
}

/** The loop was asked for at once by the write itself. */
const isDue = (row: InstanceRow): boolean => row.reconcile_at !== null && row.reconcile_at <= row.updated_at;

const isWishOf = (row: InstanceRow, wish: Wish): boolean =>
  (wish.intent === undefined || row.intent === wish.intent) && (wish.reboot === undefined || row.reboot_type === wish.reboot);
