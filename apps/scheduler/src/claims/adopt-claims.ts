/**
 * After a restore: books the claims of what a host really has, wherever they were booked and however full it is, and at
 * the end that the host is adopted. Each page is one transaction; a repeat finds it done. A crash between pages: the host is
 * not adopted yet, and adopting it again goes on.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { adoptClaims, ReceivedBy } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { notFound, stale } from '#libs/errors';
import { book, openOrShut } from '../hosts/hosts.repository.js';
import { Snapshot } from '../snapshot/snapshot.js';

@Injectable()
export class AdoptClaims {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly snapshot: Snapshot) {}

  async execute({ hostId, incarnation, epoch, claims, last, statement, userId, requestId }: ReceivedBy<typeof adoptClaims>): Promise<Record<string, never>> {
    if (incarnation !== this.db.incarnation) throw stale(`The database is in incarnation ${this.db.incarnation}, not ${incarnation}.`);
    await this.db.transaction(async (client) => {
      await client.query("SELECT set_config('skylite.adopting', 'on', true)");
      // Its row before any capacity, as everybody who needs both; then capacity in order, as every claim.
      await client.query('SELECT FROM scheduler.hosts WHERE id = $1 FOR NO KEY UPDATE', [hostId]);
      const { rowCount } = await client.query(`
        SELECT FROM scheduler.host_capacity WHERE host_id = $1 OR host_id IN (SELECT host_id FROM scheduler.claims WHERE instance_id = ANY($2::uuid[]) AND purpose IN ('run', 'move'))
        ORDER BY host_id FOR NO KEY UPDATE`, [hostId, claims.map(({ instanceId }) => instanceId)]);
      if (rowCount === 0) throw notFound(`No host has the id ${hostId}.`);
      const resting = claims.filter(({ moving }) => !moving);
      await client.query(ADOPT, columns(hostId, resting));
      await client.query(ADOPT_MISSING, columns(hostId, claims.filter(({ moving }) => moving)));
      // None of these servers is being moved (any more): a claim for a move that the restore brought back holds room for nothing.
      await client.query(`
        UPDATE scheduler.claims SET released_at = now(), released_from = host_id, host_id = NULL, vcpus = 0, memory_mib = 0, disk_gib = 0, layout = NULL, resources = NULL, group_id = NULL, group_policy = NULL
        WHERE purpose = 'move' AND host_id IS NOT NULL AND instance_id = ANY($1::uuid[])`, [resting.map(({ instanceId }) => instanceId)]);
      if (!last) return;
      const { rowCount: adopted } = await client.query('UPDATE scheduler.hosts SET adopted_incarnation = $2, epoch = greatest(epoch, $3) WHERE id = $1 AND adopted_incarnation <> $2', [hostId, incarnation, epoch]);
      await openOrShut(client, hostId, incarnation);
      if (adopted === 1) await book(client, { hostId, kind: 'adopted', message: `in incarnation ${incarnation}: ${statement}`, userId, requestId });
    });
    this.snapshot.distrust();
    return {};
  }
}

type Claims = ReceivedBy<typeof adoptClaims>['claims'];
const columns = (hostId: string, claims: Claims): unknown[] => [
  hostId, claims.map((claim) => claim.instanceId), claims.map((claim) => claim.generation), claims.map((claim) => claim.projectId),
  claims.map((claim) => claim.vcpus), claims.map((claim) => claim.memoryMib), claims.map((claim) => claim.diskGib),
  claims.map(({ layout }) => layout && JSON.stringify(layout)), claims.map(({ resources }) => resources && JSON.stringify(resources)),
  claims.map(({ group }) => group && group.id), claims.map(({ group }) => group && group.policy), claims.map(({ group }) => group?.maxServerPerHost ?? 1),
];

// A guest with cells takes of the plain amounts what its layout leaves: CPUs that float, ordinary pages.
const INSERT = `
  INSERT INTO scheduler.claims AS c (instance_id, purpose, generation, host_id, project_id, vcpus, memory_mib, disk_gib, layout, resources, group_id, group_policy, group_max)
  SELECT e.instance_id, 'run', e.generation, $1, e.project_id, CASE WHEN celled THEN scheduler.layout_vcpus(e.layout) ELSE e.vcpus END, CASE WHEN celled THEN scheduler.layout_memory_mib(e.layout) ELSE e.memory_mib END, e.disk_gib,
    e.layout, e.resources, e.group_id, e.group_policy, e.group_max
  FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::integer[], $6::integer[], $7::integer[], $8::jsonb[], $9::jsonb[], $10::uuid[], $11::text[], $12::integer[])
      AS e(instance_id, generation, project_id, vcpus, memory_mib, disk_gib, layout, resources, group_id, group_policy, group_max),
    LATERAL (SELECT e.layout IS NOT NULL AND e.layout -> 'cells' <> '[]' AS celled) l
  ORDER BY e.instance_id`;
const ADOPT_MISSING = `${INSERT} ON CONFLICT (instance_id, purpose) DO NOTHING`;
const ADOPT = `${INSERT}
  ON CONFLICT (instance_id, purpose) DO UPDATE SET generation = greatest(c.generation, excluded.generation), host_id = excluded.host_id, project_id = excluded.project_id,
    vcpus = excluded.vcpus, memory_mib = excluded.memory_mib, disk_gib = excluded.disk_gib, layout = excluded.layout, resources = excluded.resources,
    group_id = excluded.group_id, group_policy = excluded.group_policy, group_max = excluded.group_max, released_at = NULL, released_from = NULL
  WHERE (c.host_id, c.generation, c.vcpus, c.memory_mib, c.disk_gib, c.layout, c.resources, c.group_id) IS DISTINCT FROM
    (excluded.host_id, greatest(c.generation, excluded.generation), excluded.vcpus, excluded.memory_mib, excluded.disk_gib, excluded.layout, excluded.resources, excluded.group_id)`;
