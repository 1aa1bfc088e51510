/**
 * Brings classes and pools as they are now into the rows of hosts that were placed by older ones, host by host, and wakes those whose
 * wishes changed by it. Owns pool, class, role and unit of devices' rows, together with the reports of hosts. Each host is one
 * transaction; a crash leaves the rest to the next tick, here or in another replica.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { LOGGER, type Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import { Periodic } from '../periodic.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { placeRows } from './decide/place-rows.js';
import { holdsOf } from './decide/wishes.js';
import { DeviceBell } from './device-bell.js';
import { DevicesRepository, VERSION } from './devices.repository.js';
import { versionOf } from './wishes-version.js';

@Injectable()
export class DevicePlacer implements OnModuleInit, OnApplicationShutdown {
  readonly #periodic: Periodic;

  constructor(
    private readonly devices: DevicesRepository, private readonly bell: DeviceBell, private readonly snapshot: Snapshot,
    @Inject(DATABASE) private readonly db: Database, @Inject(LOGGER) logger: Logger,
  ) {
    this.#periodic = new Periodic('devices', LIMITS.placePollMs, () => this.place(), logger);
  }

  onModuleInit(): void { this.#periodic.start(LIMITS.placePollMs * Math.random()); }
  async onApplicationShutdown(): Promise<void> { await this.#periodic.stop(); }
  wake(): void { this.#periodic.wake(); }

  /** Until every host stands as it is defined now. */
  async place(): Promise<void> {
    for (;;) {
      const { rows } = await this.db.pool.query<{ host_id: string }>(`SELECT host_id FROM scheduler.device_hosts WHERE resolved::float8 <> ${VERSION} ORDER BY resolved, host_id LIMIT ${LIMITS.placeHosts}`);
      if (rows.length === 0) return;
      const changed: string[] = [];
      for (const { host_id: hostId } of rows) if (await this.#placeHost(hostId)) changed.push(hostId);
      this.bell.ring(changed);
      this.snapshot.wake();
    }
  }

  /** @returns whether the host has something to learn */
  #placeHost(hostId: string): Promise<boolean> {
    return this.db.transaction(async (client) => {
      await this.devices.lock(client, [hostId]);
      const definitions = await this.devices.definitions(client);
      const { rows: [known] } = await client.query<{ resolved: number; applied: string | null; asked_at: Date | null }>('SELECT resolved::float8 AS resolved, applied, asked_at FROM scheduler.device_hosts WHERE host_id = $1', [hostId]);
      const [host] = await this.devices.hosts([hostId], client);
      if (known === undefined || host === undefined || known.resolved === definitions.version) return false;
      const before = (await this.devices.stock([hostId], client)).get(hostId)!;
      const placed = placeRows(host, before, definitions);
      await this.devices.write(client, hostId, before, placed.rows);
      await this.devices.tell(client, hostId, placed.told);
      await client.query('UPDATE scheduler.device_hosts SET resolved = $2 WHERE host_id = $1', [hostId, definitions.version]);
      return versionOf({ pools: placed.wishes, holds: holdsOf(placed.rows, definitions.classes) }, known.asked_at) !== known.applied;
    });
  }
}
