/**
 * An operator's word that a device is in order that was in quarantine, or whose host doubts it: recorded, audited, and told to its host
 * as a hold of its own, so that no earlier word counts against it and no later one for it. Owns released_at and the end of a
 * quarantine. One transaction; a repeat finds it done.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { OutputOf, ReceivedBy, releaseDevice } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { conflict, forbidden, notFound } from '#libs/errors';
import { byOf } from '../hosts/hosts.repository.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { heldBy, isClean, isDoubted, type StockDevice } from './decide/stock.js';
import { DeviceBell } from './device-bell.js';
import { DeviceViews } from './device-views.js';
import { DevicesRepository } from './devices.repository.js';

@Injectable()
export class ReleaseDevice {
  constructor(
    private readonly devices: DevicesRepository, private readonly views: DeviceViews, private readonly bell: DeviceBell, private readonly snapshot: Snapshot, @Inject(DATABASE) private readonly db: Database,
  ) {}

  async execute({ caller, deviceId, statement, generation }: ReceivedBy<typeof releaseDevice>): Promise<OutputOf<typeof releaseDevice>> {
    if (!caller.isAdmin) throw forbidden('Only an admin may release devices.');
    const hostId = await this.db.transaction(async (client) => {
      const { rows: [known] } = await client.query<{ host_id: string }>('SELECT host_id FROM scheduler.devices WHERE id = $1', [deviceId]);
      if (known === undefined) throw notFound(`Device ${deviceId} could not be found.`);
      await this.devices.lock(client, [known.host_id]);
      const rows = (await this.devices.stock([known.host_id], client)).get(known.host_id)!;
      const row = rows.find(({ id }) => id === deviceId)!;
      if (generation !== undefined && generation !== row.generation && !(row.releasedAt === row.generation && generation === row.generation - 1)) throw conflict(`Device ${row.identity} is at generation ${row.generation}, not ${generation}: somebody has had it since. Look at it again.`);
      // Its host has not answered to the last word yet.
      if (row.quarantine === null && row.releasedAt === row.generation && row.cleanAt !== row.generation) return null;
      refuse(row);
      const now = row.generation + 1;
      await this.devices.write(client, known.host_id, [row], [{ ...row, generation: now, releasedAt: now, quarantine: null }]);
      await this.devices.tell(client, known.host_id, [{ identity: row.identity, kind: 'operator-released', generation: now, instanceId: null, message: statement }], byOf(caller));
      return known.host_id;
    });
    if (hostId !== null) {
      this.bell.ring([hostId]);
      this.snapshot.wake();
    }
    const { devices: [device] } = await this.views.list({ id: deviceId, after: null, limit: 1 });
    if (device === undefined) throw notFound(`Device ${deviceId} could not be found.`);
    return { device };
  }
}

function refuse(row: StockDevice): void {
  const holder = heldBy(row);
  if (holder !== null) throw conflict(`Device ${row.identity} is with ${holder}: it can be released when that is over.`);
  if (row.quarantine === null && !isDoubted(row)) {
    throw conflict(isClean(row) ? `Device ${row.identity} is not in quarantine.` : `Device ${row.identity} is not in quarantine: its host is making it clean, and says so when it is.`);
  }
}
