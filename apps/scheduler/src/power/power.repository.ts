import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { book, type By } from '../hosts/hosts.repository.js';
import type { PowerSettings } from './fence-agent.js';

export interface SealedPower extends Omit<PowerSettings, 'password'> { sealedPassword: Buffer }

/** scheduler.host_power. Passwords enter and leave sealed. */
@Injectable()
export class PowerRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async find(hostId: string): Promise<SealedPower | undefined> {
    const { rows } = await this.db.pool.query<SealedPower>(
      'SELECT kind, address, username, options, sealed_password AS "sealedPassword" FROM scheduler.host_power WHERE host_id = $1', [hostId]);
    return rows[0];
  }

  /** null takes the settings away. Answers false when there is no such host. */
  async set(hostId: string, power: SealedPower | null, by: By): Promise<boolean> {
    return this.db.transaction(async (client) => {
      const host = await client.query('SELECT FROM scheduler.hosts WHERE id = $1 FOR KEY SHARE', [hostId]);
      if (host.rowCount === 0) return false;
      if (power === null) await client.query('DELETE FROM scheduler.host_power WHERE host_id = $1', [hostId]);
      else {
        await client.query(`
          INSERT INTO scheduler.host_power (host_id, kind, address, username, options, sealed_password, updated_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
          ON CONFLICT (host_id) DO UPDATE SET kind = excluded.kind, address = excluded.address, username = excluded.username, options = excluded.options,
            sealed_password = excluded.sealed_password, updated_by = excluded.updated_by, updated_at = now()`,
        [hostId, power.kind, power.address, power.username, JSON.stringify(power.options), power.sealedPassword, by.userId]);
      }
      await book(client, { hostId, kind: 'power-set', message: power === null ? 'taken away' : `${power.kind} at ${power.address} as ${power.username}`, ...by });
      return true;
    });
  }
}
