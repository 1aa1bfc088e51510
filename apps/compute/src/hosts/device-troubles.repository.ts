import { Inject, Injectable } from '@nestjs/common';
import type { InputOf, bookDeviceTroubles } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { LIMITS } from '../limits.js';

/** Books in servers' timelines what became of their devices. */
@Injectable()
export class DeviceTroublesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** A server that is not on that host (any more) has nothing to do with it. */
  async book(instanceId: string, hostId: string, hostName: string, kind: string, message: string): Promise<void> {
    await this.db.pool.query(`
      INSERT INTO compute.instance_events (instance_id, project_id, host_id, host_name, step, kind, message)
      SELECT i.id, i.project_id, $2, $3, i.step, $4, $5 FROM compute.instances i WHERE i.id = $1 AND i.host_id = $2 AND i.terminated_at IS NULL`, [instanceId, hostId, hostName, kind, message]);
  }

  /** Each of them once, however often it is said: the whole of it, or nothing. Of what comes late it is said when it was. */
  async bookOnce(troubles: InputOf<typeof bookDeviceTroubles>['troubles']): Promise<void> {
    await this.db.pool.query(`
      WITH said AS (
        SELECT * FROM jsonb_to_recordset($1::jsonb) AS t(nth integer, id uuid, at timestamptz, "hostId" uuid, "hostName" text, "instanceId" uuid, kind text, message text)
      ), news AS (INSERT INTO compute.booked_troubles (id) SELECT id FROM said ORDER BY id ON CONFLICT DO NOTHING RETURNING id)
      INSERT INTO compute.instance_events (instance_id, project_id, host_id, host_name, step, kind, message)
      SELECT i.id, i.project_id, s."hostId", s."hostName", i.step, s.kind,
        s.message || CASE WHEN s.at < now() - interval '1 minute' THEN ' (at ' || to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ')' ELSE '' END
      FROM said s JOIN news USING (id) JOIN compute.instances i ON i.id = s."instanceId" AND i.host_id = s."hostId" AND i.terminated_at IS NULL ORDER BY s.nth`,
    [JSON.stringify(troubles.map(({ kind, identity, message, ...rest }, nth) => ({ ...rest, nth, kind: `device-${kind}`, message: `device ${identity}: ${message}` })))]);
    await this.db.pool.query('DELETE FROM compute.booked_troubles WHERE at < now() - make_interval(days => $1)', [LIMITS.bookedTroublesDays]);
  }
}
