/**
 * Answers what is wanted of a host's devices, worked out of rows each time: nothing is stored of it. Reads only.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { DeviceIdentity, OutputOf, pullDeviceWishes, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { conflict, forbidden } from '#libs/errors';
import type { z } from 'zod';
import { LIMITS } from '../limits.js';
import { placeRows } from './decide/place-rows.js';
import { holdsOf, pageOf } from './decide/wishes.js';
import { DevicesRepository } from './devices.repository.js';
import { versionOf } from './wishes-version.js';

@Injectable()
export class PullWishes {
  constructor(private readonly devices: DevicesRepository, @Inject(DATABASE) private readonly db: Database) {}

  async execute(hostId: string, { bootId, knows, after }: ReceivedBy<typeof pullDeviceWishes>): Promise<OutputOf<typeof pullDeviceWishes>> {
    // All of one state: a claim that comes in between would be held by half.
    return this.db.transaction(async (client) => {
      await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
      const { rows: [session] } = await client.query<{ boot_id: string | null; epoch: number; adopted: boolean; fenced: boolean; asked_at: Date | null }>(
        'SELECT h.boot_id, h.epoch, h.adopted_incarnation = $2 AS adopted, h.fenced_at IS NOT NULL AS fenced, x.asked_at FROM scheduler.hosts h LEFT JOIN scheduler.device_hosts x ON x.host_id = h.id WHERE h.id = $1', [hostId, this.db.incarnation]);
      if (session === undefined) throw forbidden('This host is not enrolled.');
      if (session.boot_id !== bootId) throw conflict('Another session speaks for this host; report the inventory first.');
      const base = { incarnation: this.db.incarnation, epoch: session.epoch, reportOnly: session.fenced || !session.adopted };
      // What was known of holds before a restore may be over; nothing is wanted until they are compared.
      if (base.reportOnly) return { ...base, version: 'report-only', pools: [], holds: [], next: null };
      const definitions = await this.devices.definitions(client);
      const [host] = await this.devices.hosts([hostId], client);
      const rows = (await this.devices.stock([hostId], client)).get(hostId)!;
      const wishes = { pools: placeRows(host!, rows, definitions).wishes, holds: holdsOf(rows, definitions.classes) };
      const version = versionOf(wishes, session.asked_at);
      if (version === knows && after === null) return { ...base, version, pools: [], holds: [], next: null };
      const page = pageOf(wishes, after, { entries: LIMITS.wishesPage, bytes: LIMITS.wishesPageBytes }, (entry) => Buffer.byteLength(JSON.stringify(entry)));
      return { ...base, version, ...page, next: page.next as z.output<typeof DeviceIdentity> | null };
    });
  }
}
