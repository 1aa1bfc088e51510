import { Inject, Injectable } from '@nestjs/common';
import { listHosts, type migrateServer, type ReceivedBy } from '#libs/contracts';
import { badRequest, conflict, forbidden } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { HostDirectory } from '../hosts/host-directory.js';
import { BeginMove, type MovePlan } from './begin-move.js';

/** To another host as it is, with its disk: for administrators. Like a resize it waits to be confirmed or reverted. */
@Injectable()
export class MigrateInstance {
  constructor(private readonly moves: BeginMove, private readonly hosts: HostDirectory, @Inject(BUS) private readonly bus: Bus) {}

  migrate({ caller, instanceId, host }: ReceivedBy<typeof migrateServer>): Promise<Record<string, never>> {
    if (!caller.isAdmin) throw forbidden('Only an administrator may migrate servers.');
    return this.moves.begin(caller, instanceId, 'migrate', async (row): Promise<MovePlan> => {
      if (host !== null) {
        if (host === row.host_name) throw badRequest('Cannot migrate to the host where the server exists.');
        const { hosts } = await this.bus.ask(listHosts, { name: host });
        if (!hosts.some(({ name }) => name === host)) throw badRequest(`Compute host ${host} could not be found.`);
      }
      const source = await this.hosts.find(row.host_id as string).catch(() => undefined);
      if (source && !source.capabilities.includes('DISK_TRANSFER')) throw conflict(`Cannot 'migrate' instance ${row.id}: the agent of its host is older and cannot send its disk; update the agent.`);
      return { kind: 'migration', spec: row.spec, requestedHost: host, mayStay: false, message: host === null ? '' : `to host ${host}` };
    });
  }
}
