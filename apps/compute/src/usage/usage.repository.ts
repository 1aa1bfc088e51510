import { Inject, Injectable } from '@nestjs/common';
import type { listServerUsages, ReceivedBy, ServerUsage } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { vmStateSql } from '#libs/openstack';

type Asked = Omit<ReceivedBy<typeof listServerUsages>, 'caller'>;
type Row = Omit<ServerUsage, 'launchedAt' | 'terminatedAt'> & { launchedAt: Date; terminatedAt: Date | null };

/** compute.instances, also of what is gone, as far as people pay for it. Reads only. */
@Injectable()
export class UsageRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** The marker's project; undefined: there is no such server. */
  async placeOf(id: string): Promise<string | undefined> {
    const { rows } = await this.db.pool.query<{ project_id: string }>('SELECT project_id FROM compute.instances WHERE id = $1', [id]);
    return rows[0]?.project_id;
  }

  /** Servers that ran between `from` and `to`, by project and id, after `after`. */
  async list({ projectId, from, to, limit }: Asked, after: { projectId: string; id: string } | null): Promise<ServerUsage[]> {
    const { rows } = await this.db.pool.query<Row>(`
      SELECT i.id, i.project_id AS "projectId", i.name, i.spec -> 'flavor' ->> 'name' AS "flavorName", i.vcpus, i.ram_mib AS "ramMib",
        (i.spec -> 'flavor' ->> 'diskGib')::int + (i.spec -> 'flavor' ->> 'ephemeralGib')::int AS "diskGib",
        ${vmStateSql('i')} AS "vmState", i.launched_at AS "launchedAt", i.terminated_at AS "terminatedAt"
      FROM compute.instances i
      WHERE i.launched_at < $2 AND (i.terminated_at IS NULL OR i.terminated_at > $1) AND ($3::text IS NULL OR i.project_id = $3)
        AND ($4::text IS NULL OR (i.project_id, i.id) > ($4, $5::uuid))
      ORDER BY i.project_id, i.id LIMIT $6`, [from, to, projectId, after?.projectId ?? null, after?.id ?? null, limit]);
    return rows.map((row) => ({ ...row, launchedAt: row.launchedAt.toISOString(), terminatedAt: row.terminatedAt?.toISOString() ?? null }));
  }
}
