import { Inject, Injectable } from '@nestjs/common';
import { listHosts, type evacuateServer, type ReceivedBy } from '#libs/contracts';
import { badRequest, conflict, forbidden, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { DeparturesRepository } from '../hosts/departures.repository.js';
import { BeginMove, type MovePlan } from './begin-move.js';

/**
 * Rebuilds a server of its image on another host, because its own is lost: only behind a fence, for two hosts must never run
 * it. Its id, name and flavor stay, its disk does not. What the old host has is removed when that is taken back.
 */
@Injectable()
export class EvacuateInstance {
  constructor(private readonly moves: BeginMove, private readonly departures: DeparturesRepository, @Inject(BUS) private readonly bus: Bus) {}

  evacuate({ caller, instanceId, host, stopped }: ReceivedBy<typeof evacuateServer>): Promise<Record<string, never>> {
    if (!caller.isAdmin) throw forbidden('Only an administrator may evacuate servers.');
    return this.moves.begin(caller, instanceId, 'evacuate', async (row): Promise<MovePlan> => {
      if (host !== null) {
        if (host === row.host_name) throw badRequest("The target host can't be the same one.");
        const { hosts } = await this.bus.ask(listHosts, { name: host });
        if (!hosts.some(({ name }) => name === host)) throw notFound(`Compute host ${host} not found.`);
      }
      // The row was read before, and is written by its version: a host that is taken back in between makes the write fail.
      if (!(await this.departures.isGone(row.host_id as string))) {
        const name = row.host_name ?? row.host_id;
        throw conflict(`Compute service of ${name} is still in use: the host is not fenced, and its servers may run there. Make sure that it is off, then: skylite host fence ${name} --confirm "how it was verified"`);
      }
      return { kind: 'evacuation', spec: row.spec, requestedHost: host, mayStay: false, leaveOff: stopped, message: `off host ${row.host_name ?? ''}` };
    });
  }
}
