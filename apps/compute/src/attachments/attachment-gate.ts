import { Injectable } from '@nestjs/common';
import { LIVE_DEVICES, type Caller, type InstanceId } from '#libs/contracts';
import { conflict } from '#libs/errors';
import { DeparturesRepository } from '../hosts/departures.repository.js';
import { HostDirectory } from '../hosts/host-directory.js';
import { visible } from '../instances/caller-project.js';
import { demandAllowed } from '../instances/demand-allowed.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { whyNotOnHost, type Operation, type Standing } from './decide/on-host.js';

/** May devices come to this server, or leave it, now? Asked of its row, and of its host. Changes nothing. */
@Injectable()
export class AttachmentGate {
  constructor(private readonly instances: InstancesRepository, private readonly hosts: HostDirectory, private readonly departures: DeparturesRepository) {}

  async row(caller: Caller, id: InstanceId): Promise<InstanceRow> { return visible(await this.instances.find(id), caller, id); }

  /** What the row alone says. */
  demand(row: InstanceRow, caller: Caller, operation: Operation): void {
    demandAllowed(operation, row, caller);
    if (row.move_id !== null) throw conflict(`Instance ${row.id} is being moved.`);
    if (row.host_id === null) throw conflict(`Instance ${row.id} is on no host.`);
  }

  /** Throws `unavailable` when nobody can say whether its host's agent is able to. */
  async demandHost({ id, host_id: hostId, host_name: name }: InstanceRow, operation: Operation): Promise<void> {
    if (hostId === null) return;
    const problem = whyNotOnHost(operation, { id, host: name ?? hostId }, await this.#standing(hostId));
    if (problem !== undefined) throw conflict(problem);
  }

  /** The row was read before, and is written by its version: a host that is fenced in between raises it. */
  async #standing(hostId: string): Promise<Standing> {
    if (await this.departures.isGone(hostId)) return 'fenced';
    return (await this.hosts.find(hostId))?.capabilities.includes(LIVE_DEVICES) === true ? 'able' : 'older';
  }
}
