import { Injectable } from '@nestjs/common';
import { LIVE_DEVICES, type Caller, type InstanceId } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { DeparturesRepository } from '../hosts/departures.repository.js';
import { HostDirectory } from '../hosts/host-directory.js';
import { visible } from '../instances/caller-project.js';
import { demandAllowed } from '../instances/demand-allowed.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { InstancesRepository } from '../instances/instances.repository.js';

/** May devices come to this server, or leave it, now? Asked of its row, and of its host. Changes nothing. */
@Injectable()
export class AttachmentGate {
  constructor(private readonly instances: InstancesRepository, private readonly hosts: HostDirectory, private readonly departures: DeparturesRepository) {}

  async row(caller: Caller, id: InstanceId): Promise<InstanceRow> { return visible(await this.instances.find(id), caller, id); }

  /** What the row alone says. */
  demand(row: InstanceRow, caller: Caller, operation: 'attach-device' | 'detach-device'): void {
    demandAllowed(operation, row, caller);
    if (row.move_id !== null) throw conflict(`Instance ${row.id} is being moved.`);
    if (row.host_id === null) throw conflict(`Instance ${row.id} is on no host.`);
  }

  /** Throws `unavailable` when nobody can say whether its host's agent is able to. */
  async demandHost({ id, host_id: hostId, host_name: name }: InstanceRow): Promise<void> {
    if (hostId === null) return;
    // The row was read before, and is written by its version: a host that is fenced in between raises it.
    if (await this.departures.isGone(hostId)) throw conflict(`The host of instance ${id} is fenced: nothing is attached or detached there. What to do: evacuate the server, or take the host back.`);
    const host = await this.hosts.find(hostId);
    if (host?.capabilities.includes(LIVE_DEVICES) !== true) throw conflict(`The agent of the host of instance ${id} is older (or gives no devices) and cannot attach or detach them. What to do: update the agent of ${name ?? hostId}, or resize the server to another flavor.`);
  }
}
