/**
 * An operator's word of a device, recorded and audited. That it is in order, which was in quarantine, or which its host doubts: told to its
 * host as a hold of its own, so that no earlier word counts against it and no later one for it. Of one that a server has only that it is the
 * one it is taken for: it would count as clean else when the server gives it back. Of one that is missing only that it will not come back:
 * what has not been seen since is clean by nobody's word. Owns released_at, vouched, forgotten_at and the end of a quarantine. One
 * transaction; a repeat finds it done.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { OutputOf, ReceivedBy, releaseDevice } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { conflict, forbidden, notFound } from '#libs/errors';
import { byOf } from '../hosts/hosts.repository.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { heldBy, isClean, isDoubted, isForgettable, type StockDevice } from './decide/stock.js';
import { DeviceBell } from './device-bell.js';
import { DeviceViews } from './device-views.js';
import { DevicesRepository } from './devices.repository.js';

type Did = OutputOf<typeof releaseDevice>['did'];
interface Done { hostId: string; did: Did; /** It was so already. */ again: boolean }
const KINDS = { released: 'operator-released', vouched: 'operator-vouched', forgotten: 'operator-forgot' } as const satisfies Record<Did, string>;

@Injectable()
export class ReleaseDevice {
  constructor(
    private readonly devices: DevicesRepository, private readonly views: DeviceViews, private readonly bell: DeviceBell, private readonly snapshot: Snapshot, @Inject(DATABASE) private readonly db: Database,
  ) {}

  async execute({ caller, deviceId, statement, generation }: ReceivedBy<typeof releaseDevice>): Promise<OutputOf<typeof releaseDevice>> {
    if (!caller.isAdmin) throw forbidden('Only an admin may release devices.');
    const { hostId, did, again } = await this.db.transaction(async (client): Promise<Done> => {
      const { rows: [known] } = await client.query<{ host_id: string }>('SELECT host_id FROM scheduler.devices WHERE id = $1', [deviceId]);
      if (known === undefined) throw notFound(`Device ${deviceId} could not be found.`);
      await this.devices.lock(client, [known.host_id]);
      const rows = (await this.devices.stock([known.host_id], client)).get(known.host_id)!;
      const row = rows.find(({ id }) => id === deviceId)!;
      if (generation !== undefined && generation !== row.generation && !(row.releasedAt === row.generation && generation === row.generation - 1)) throw conflict(`Device ${row.identity} is at generation ${row.generation}, not ${generation}: somebody has had it since. Look at it again.`);
      const { host_id: host } = known;
      // Its host has not answered to the last word yet.
      if (row.quarantine === null && row.releasedAt === row.generation && row.cleanAt !== row.generation) return { hostId: host, did: 'released', again: true };
      const doing = whatOf(row);
      if (doing === 'forgotten' && row.forgotten) return { hostId: host, did: doing, again: true };
      // The same request once more: a word is for what was seen, and not for a doubt that comes after it.
      if (doing === 'vouched' && await this.devices.isTold(client, deviceId, KINDS.vouched, caller.requestId)) return { hostId: host, did: doing, again: true };
      const after = spoken(row, doing);
      await this.devices.write(client, host, [row], [after]);
      await this.devices.tell(client, host, [{ identity: row.identity, kind: KINDS[doing], generation: after.generation, instanceId: row.holder?.instanceId ?? null, message: statement }], byOf(caller));
      return { hostId: host, did: doing, again: false };
    });
    if (!again) {
      this.bell.ring([hostId]);
      this.snapshot.wake();
    }
    const { devices: [device] } = await this.views.list({ id: deviceId, after: null, limit: 1 });
    if (device === undefined) throw notFound(`Device ${deviceId} could not be found.`);
    return { device, did };
  }
}

/** @throws SkyError `conflict`: no word is needed of it now, or none would help */
function whatOf(row: StockDevice): Did {
  const holder = heldBy(row);
  if (holder !== null) {
    if (row.holder !== null && !row.missing && isDoubted(row)) return 'vouched';
    throw conflict(`Device ${row.identity} is with ${holder}: it can be released when that is over.`);
  }
  if (row.fenced && row.quarantine === null && !row.missing && row.facts !== null) throw conflict(`The host of device ${row.identity} is fenced: when it is back, it says itself how the device is. Until then it stands in the way of no change, and nothing is to be said of it.`);
  if (isForgettable(row)) return 'forgotten';
  if (row.missing || row.facts === null) throw conflict(`Device ${row.identity} is missing, and was clean when it went: nothing is to be said of it. It comes back by itself when its host sees it.`);
  if (row.quarantine === null && !isDoubted(row)) {
    throw conflict(isClean(row) ? `Device ${row.identity} is not in quarantine.` : `Device ${row.identity} is not in quarantine: its host is making it clean, and says so when it is.`);
  }
  return 'released';
}

function spoken(row: StockDevice, doing: Did): StockDevice {
  const now = row.generation + 1;
  if (doing === 'released') return { ...row, generation: now, releasedAt: now, quarantine: null };
  if (doing === 'forgotten') return { ...row, forgotten: true };
  // The clock's own number, so that it rises also when the row was lost with what it had counted: its host remembers the last one.
  return { ...row, vouched: Math.max(row.vouched + 1, Date.now()) };
}
