import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';

/** Books in a server's timeline what became of its device. */
@Injectable()
export class DeviceTroublesRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** A server that is not on that host (any more) has nothing to do with it. */
  async book(instanceId: string, hostId: string, hostName: string, kind: string, message: string): Promise<void> {
    await this.db.pool.query(`
      INSERT INTO compute.instance_events (instance_id, project_id, host_id, host_name, step, kind, message)
      SELECT i.id, i.project_id, $2, $3, i.step, $4, $5 FROM compute.instances i WHERE i.id = $1 AND i.host_id = $2 AND i.terminated_at IS NULL`, [instanceId, hostId, hostName, kind, message]);
  }
}
