/**
 * Makes rows of devices anew, as far as they were lost: what servers have from their claims, at once; everything else from what hosts
 * see, by asking them to say it all again. Frees nothing. Some hosts are one transaction; a crash leaves the rest to the next time.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { OutputOf, ReceivedBy, rescanDevices } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { forbidden, notFound } from '#libs/errors';
import { book, byOf } from '../hosts/hosts.repository.js';
import { LIMITS } from '../limits.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { DeviceBell } from './device-bell.js';
import { DevicesRepository } from './devices.repository.js';

@Injectable()
export class RescanDevices {
  constructor(private readonly devices: DevicesRepository, private readonly bell: DeviceBell, private readonly snapshot: Snapshot, @Inject(DATABASE) private readonly db: Database) {}

  async execute({ caller, hostId }: ReceivedBy<typeof rescanDevices>): Promise<OutputOf<typeof rescanDevices>> {
    if (!caller.isAdmin) throw forbidden('Only an admin may have devices looked through.');
    const { rows: hosts } = await this.db.pool.query<{ id: string }>('SELECT id FROM scheduler.hosts WHERE $1::uuid IS NULL OR id = $1 ORDER BY id', [hostId]);
    if (hostId !== null && hosts.length === 0) throw notFound(`No host has the id ${hostId}.`);
    const sum = { hosts: hosts.length, devices: 0, restored: 0 };
    for (let at = 0; at < hosts.length; at += LIMITS.rescanHosts) {
      const some = hosts.slice(at, at + LIMITS.rescanHosts).map(({ id }) => id);
      const { devices, restored } = await this.db.transaction(async (client) => {
        await this.devices.lock(client, some);
        const held = async (): Promise<number> => (await client.query<{ count: number }>('SELECT count(*)::int AS count FROM scheduler.device_claims WHERE host_id = ANY ($1::uuid[])', [some])).rows[0]!.count;
        const before = await held();
        // What follows from claims is written by triggers alone: this is what begins them.
        await client.query('INSERT INTO scheduler.device_hosts (host_id, asked_at) SELECT id, now() FROM unnest($1::uuid[]) id ORDER BY id ON CONFLICT (host_id) DO UPDATE SET asked_at = now(), resolved = 0', [some]);
        const { rows: [counted] } = await client.query<{ devices: number }>('SELECT count(*)::int AS devices FROM scheduler.devices WHERE host_id = ANY ($1::uuid[])', [some]);
        // Under the lock nobody else claims or lets go; the history, which says the same, may be years long.
        return { devices: counted!.devices, restored: await held() - before };
      });
      sum.devices += devices;
      sum.restored += restored;
    }
    await this.db.transaction((client) => book(client, { hostId, kind: 'devices-rescanned', message: `${sum.devices} devices, ${sum.restored} of servers restored`, ...byOf(caller) }));
    this.bell.ring(hosts.map(({ id }) => id));
    this.snapshot.distrust();
    return sum;
  }
}
