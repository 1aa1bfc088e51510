import { Inject, Injectable } from '@nestjs/common';
import type { adoptClaims, Caller, GroupWish, InputOf, RememberedInstance } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { conflict } from '#libs/errors';
import { withDevices } from '#libs/openstack';
import { attachmentsAgain, attachmentsOf, leaves, type Attachment } from '../attachments/decide/attachment.js';
import { lockServers } from '../hosts/lock-servers.js';
import type { InstanceRow } from '../instances/instance-row.js';
import { needsOf } from '../instances/needs-of.js';
import type { Finding, KnownRow } from './decide/compare.js';
import type { RememberedRow } from './decide/row-from-memory.js';

export type HeldClaim = InputOf<typeof adoptClaims>['claims'][number];
type HeldRow = Pick<HeldClaim, 'instanceId' | 'generation' | 'projectId' | 'vcpus' | 'memoryMib' | 'diskGib' | 'layout' | 'moving'> & { group: GroupWish | null; spec: Pick<InstanceRow['spec'], 'flavor' | 'imageProperties'>; attachments: InstanceRow['attachments'] };

const RESTORED = 'The database was restored to a state of before.';

/** `gave`: by a device's identity, whose it is by what the host remembers. */
interface Followed { id: string; name: string; zone: string; occasion?: string; gave?: ReadonlyMap<string, string> }

/** Rows that follow their hosts after a restore. */
@Injectable()
export class AdoptionRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** A host is told to remove it: an orphan that somebody gave up, or what is left of a server. */
  async isLeaving(id: string): Promise<boolean> {
    return ((await this.db.pool.query('SELECT FROM compute.departures WHERE instance_id = $1', [id])).rowCount ?? 0) > 0;
  }

  /** Rows of these ids, and all rows of this host, also of what moves left on it. */
  async rows(hostId: string, ids: readonly string[]): Promise<Map<string, KnownRow>> {
    const { rows } = await this.db.pool.query<{ id: string; name: string; intent: string; generation: string; spec_generation: number; disk_generation: number; host_id: string | null; host_name: string | null; finished: boolean; seen: boolean; phase: string | null; devices: string[]; others: KnownRow['others'] }>(`
      SELECT id, name, CASE WHEN withdrawn OR hold = 'gone' THEN 'deleted' ELSE intent END AS intent, generation, spec_generation, disk_generation, host_id, host_name, deleted_at IS NOT NULL AS finished,
        launched_at IS NOT NULL OR observed_state NOT IN ('building', 'absent') AS seen, move_phase AS phase,
        ARRAY(SELECT d ->> 'identity' FROM jsonb_array_elements(coalesce(layout -> 'devices', '[]')) d UNION SELECT d ->> 'identity' FROM jsonb_array_elements(attachments) a, jsonb_array_elements(a -> 'devices') d) AS devices,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('hostId', m.other_host_id, 'wanted', m.other_wanted, 'open', m.finished_at IS NULL)), '[]') FROM compute.migrations m
          WHERE m.instance_id = compute.instances.id AND m.other_host_id IS NOT NULL) AS others
      FROM compute.instances WHERE id = ANY($2::uuid[]) OR (host_id = $1 AND deleted_at IS NULL) OR id IN (SELECT instance_id FROM compute.migrations WHERE other_host_id = $1)`, [hostId, ids]);
    return new Map(rows.map((row) => [row.id, {
      id: row.id, name: row.name, intent: row.intent, generation: Number(row.generation), specGeneration: row.spec_generation, diskGeneration: row.disk_generation, hostId: row.host_id, hostName: row.host_name, finished: row.finished, seen: row.seen === true, phase: row.phase, devices: row.devices, others: row.others,
    }]));
  }

  /** How often rows were made to follow each of these hosts. */
  async followed(hostIds: readonly string[]): Promise<Map<string, number>> {
    const { rows } = await this.db.pool.query<{ id: string; followed: number }>('SELECT host_id AS id, followed FROM compute.host_feeds WHERE host_id = ANY($1::uuid[])', [hostIds]);
    return new Map(rows.map(({ id, followed }) => [id, followed]));
  }

  /**
   * Makes the rows follow this host, and its feed go on above everything it has heard: one transaction. A repeat finds agreement.
   * Throws `conflict` when somebody else's adoption of it was written after `asOf` (`followed`, before it was asked): the host goes on by that one, and
   * what was found out before is old. Left out: not asked.
   * @returns other hosts that have something new to hear by it
   */
  async follow(host: Followed & { upTo: number; epoch: number; asOf?: number }, findings: readonly Finding[], remembered: (entry: RememberedInstance) => RememberedRow, caller: Caller): Promise<string[]> {
    return this.db.transaction(async (client) => {
      await lockServers(client, host.id, findings.map((finding) => finding.id));
      const others = new Set<string>();
      for (const finding of findings) for (const id of await this.#apply(client, host, finding, remembered, caller)) others.add(id);
      const { rows: [feed] } = await client.query<{ followed: number }>(`
        INSERT INTO compute.host_feeds AS f (host_id, sequence, epoch, followed) VALUES ($1, $2, $3, 1)
        ON CONFLICT (host_id) DO UPDATE SET sequence = greatest(f.sequence, excluded.sequence), epoch = greatest(f.epoch, excluded.epoch), followed = f.followed + 1
        RETURNING followed`, [host.id, host.upTo, host.epoch]);
      if (host.asOf !== undefined && feed?.followed !== host.asOf + 1) throw conflict(`Somebody else was adopting host ${host.name} at the same time; look again.`);
      // Everything on it takes a new place, above what it has heard: it hears it all anew.
      await client.query(`
        WITH placed AS (SELECT id, row_number() OVER (ORDER BY host_sequence, id) AS place FROM compute.instances WHERE host_id = $1 AND deleted_at IS NULL),
        moved AS (SELECT id, row_number() OVER (ORDER BY other_sequence, id) + (SELECT count(*) FROM placed) AS place FROM compute.migrations WHERE other_host_id = $1),
        left_over AS (SELECT instance_id, row_number() OVER (ORDER BY sequence, instance_id) + (SELECT count(*) FROM placed) + (SELECT count(*) FROM moved) AS place FROM compute.departures WHERE host_id = $1),
        feed AS (UPDATE compute.host_feeds SET sequence = sequence + (SELECT count(*) FROM placed) + (SELECT count(*) FROM moved) + (SELECT count(*) FROM left_over) WHERE host_id = $1
          RETURNING sequence - (SELECT count(*) FROM placed) - (SELECT count(*) FROM moved) - (SELECT count(*) FROM left_over) AS base),
        a AS (UPDATE compute.instances i SET host_sequence = feed.base + placed.place, version = i.version + 1, reconcile_at = coalesce(i.reconcile_at, now()) FROM placed, feed WHERE i.id = placed.id),
        b AS (UPDATE compute.migrations m SET other_sequence = feed.base + moved.place, version = m.version + 1 FROM moved, feed WHERE m.id = moved.id)
        UPDATE compute.departures d SET sequence = feed.base + left_over.place FROM left_over, feed WHERE d.host_id = $1 AND d.instance_id = left_over.instance_id`, [host.id]);
      others.delete(host.id);
      return [...others];
    });
  }

  /**
   * The claims that a host holds by its rows. Those of servers that are being moved are two, and stand as they were restored with the
   * move; but a row that an adoption made has none yet, should it be moved before that adoption has come to its claims.
   */
  async held(hostId: string): Promise<HeldClaim[]> {
    const { rows } = await this.db.pool.query<HeldRow>(`
      SELECT i.id AS "instanceId", coalesce(i.claim_generation, i.spec_generation) AS generation, i.project_id AS "projectId", i.vcpus, i.ram_mib AS "memoryMib", (i.spec ->> 'claimDiskGib')::integer AS "diskGib",
        i.layout, i.attachments, jsonb_build_object('flavor', i.spec -> 'flavor', 'imageProperties', i.spec -> 'imageProperties') AS spec,
        CASE WHEN g.id IS NOT NULL THEN jsonb_build_object('id', g.id, 'policy', g.policy, 'maxServerPerHost', coalesce(g.max_server_per_host, 1)) END AS group, i.move_id IS NOT NULL AS moving
      FROM compute.instances i LEFT JOIN compute.server_groups g ON g.id = i.group_id WHERE i.host_id = $1 AND i.deleted_at IS NULL AND (i.move_id IS NULL OR i.move_phase IN ('claim', 'stop')) ORDER BY i.id`, [hostId]);
    return rows.map(({ spec, attachments, layout, ...claim }): HeldClaim => {
      const resources = needsOf(spec)?.resources ?? {};
      // What is detached is the claim's until its host has proved that it is gone.
      const leaving = attachments.filter((one) => leaves(one, hostId)).flatMap(({ devices }) => devices);
      return { ...claim, layout: leaving.length === 0 ? layout : withDevices((layout ?? null) as InstanceRow['layout'], leaving), resources: Object.keys(resources).length === 0 ? null : resources };
    });
  }

  async #apply(client: PoolClient, host: Followed, finding: Finding, remembered: (entry: RememberedInstance) => RememberedRow, caller: Caller): Promise<string[]> {
    let said = '';
    let told: string[] = [];
    switch (finding.is) {
      case 'agrees': case 'conflict': case 'left': return [];
      case 'unknown': said = await this.#create(client, host, remembered(finding.entry)); await this.#stays(client, host.id, finding.id); break;
      case 'newer': case 'moved': await this.#advance(client, host, remembered(finding.entry)); await this.#stays(client, host.id, finding.id); break;
      case 'missing': told = await this.#missing(client, host.id, finding.id); break;
      case 'returns': await this.#returns(client, finding); break;
      case 'let-go': await this.#letGo(client, host.id, finding); break;
      case 'elsewhere': await this.#depart(client, host.id, finding); return [];
    }
    await client.query(`
      INSERT INTO compute.instance_events (instance_id, project_id, host_id, host_name, step, kind, message, request_id, user_id, detail, user_name, address)
      SELECT id, project_id, $2, $3, step, 'adopted', $4, $5, $6, $7, $8, $9 FROM compute.instances WHERE id = $1`,
    [finding.id, host.id, host.name, `${host.occasion ?? 'after a restore of the database'}: ${finding.is}`, caller.requestId, caller.userId, `${finding.detail}${said}`, caller.userName, caller.address ?? null]);
    return told;
  }

  /** @returns what of it could not be brought back, in words that go on from what was found */
  async #create(client: PoolClient, host: { id: string; name: string; zone: string }, row: RememberedRow): Promise<string> {
    const { rows } = await client.query<{ group_id: string | null }>(`
      INSERT INTO compute.instances (id, cell_id, project_id, user_id, name, hostname, metadata, intent, generation, spec_generation, disk_generation, reboot_count, reboot_type,
        flavor_id, image_id, spec, vcpus, ram_mib, key_name, user_data, reservation_id, launch_index, host_id, host_name, availability_zone, claim_generation, host_sequence, layout, group_id, hints, attachments,
        step, waiting_for, reconcile_at, checked_at, launched_at, launched_disk_generation)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 'r-adopted', $21, $22, $23, $24, $10, 0, $26, (SELECT id FROM compute.server_groups WHERE id = $27 FOR KEY SHARE), $28, $29,
        'wait-host', 'its host to report', now(), now(), CASE WHEN $25 THEN now() END, CASE WHEN $25 THEN $11::integer END)
      ON CONFLICT (id) DO NOTHING RETURNING group_id`,
    [row.id, this.db.cellId, row.projectId, row.userId, row.name, row.hostname, JSON.stringify(row.metadata), row.intent, row.generation, row.specGeneration, row.diskGeneration, row.rebootCount, row.rebootType,
      row.flavorId, row.imageId, JSON.stringify(row.spec), row.vcpus, row.ramMib, row.keyName, row.userData, row.launchIndex, host.id, host.name, host.zone, row.launched, layoutOf(row), row.groupId, row.hints === null ? null : JSON.stringify(row.hints), attachedOf(row, host.id)]);
    return row.groupId !== null && rows[0] !== undefined && rows[0].group_id === null ? `; its server group ${row.groupId} does not exist any more: it is in none` : '';
  }

  async #advance(client: PoolClient, host: Followed, row: RememberedRow): Promise<void> {
    const { rows: [was] } = await client.query<{ host_id: string | null; attachments: Attachment[] }>('SELECT host_id, attachments FROM compute.instances WHERE id = $1', [row.id]);
    const before = (was?.attachments ?? []).filter((one) => (one.hostId ?? was?.host_id) === host.id);
    const others = new Set([...host.gave ?? []].flatMap(([identity, id]) => (id === row.id ? [] : [identity])));
    const attachments = attachmentsAgain(before, row.layout, host.id, others, new Date().toISOString());
    await client.query(`UPDATE compute.migrations SET status = 'error', error = $2, finished_at = coalesce(finished_at, now()), other_host_id = NULL, other_sequence = NULL, other_wanted = NULL, version = version + 1
      WHERE instance_id = $1 AND (finished_at IS NULL OR other_host_id IS NOT NULL)`, [row.id, RESTORED]);
    await client.query(`
      UPDATE compute.instances SET name = $2, hostname = $3,
        -- Deleted stays deleted: somebody said so after the restore, and no host can know of it. The host hears it as a later word.
        -- The same is true of what else was asked for since, when the numbers tell so.
        -- And a disk that was to be made anew since (its number is above every one of before) is made.
        intent = CASE WHEN intent = 'deleted' OR generation >= $5 OR disk_generation > $7 THEN intent ELSE $4 END,
        generation = CASE WHEN intent = 'deleted' OR generation >= $5 OR disk_generation > $7 THEN greatest(generation, $5) + 1 ELSE $5 END,
        spec_generation = CASE WHEN disk_generation > $7 THEN greatest(spec_generation, $6) ELSE $6 END, disk_generation = greatest(disk_generation, $7), reboot_count = greatest(reboot_count, $8), reboot_type = $9,
        flavor_id = CASE WHEN vcpus = $12 AND ram_mib = $13 THEN flavor_id ELSE $10 END, image_id = CASE WHEN disk_generation > $7 THEN image_id ELSE $11 END,
        spec = CASE WHEN disk_generation > $7 AND vcpus = $12 AND ram_mib = $13 THEN spec
          WHEN disk_generation > $7 THEN spec || jsonb_build_object('flavor', $14::jsonb -> 'flavor', 'claimDiskGib', $14::jsonb -> 'claimDiskGib')
          WHEN vcpus = $12 AND ram_mib = $13 THEN spec || jsonb_build_object('image', $14::jsonb -> 'image', 'diskGib', $14::jsonb -> 'diskGib', 'claimDiskGib', $14::jsonb -> 'claimDiskGib') ELSE spec || $14::jsonb END,
        vcpus = $12, ram_mib = $13, host_id = $15, host_name = $16, availability_zone = $17, claim_generation = $6, host_sequence = 0, layout = $19, attachments = $20,
        withdrawn = false, rebuilding = disk_generation > $7, hold = NULL, move_id = NULL, move_kind = NULL, move_phase = NULL, elsewhere = 0, deleted_at = NULL, terminated_at = NULL,
        observed_state = NULL, observed_generation = 0, observed = NULL, fault = NULL, step = 'wait-host', waiting_for = 'its host to report', attempts = 0, waited_ms = 0, checked_at = now(),
        launched_at = CASE WHEN $18 THEN coalesce(launched_at, now()) ELSE launched_at END, launched_disk_generation = CASE WHEN $18 AND disk_generation <= $7 THEN $7::integer ELSE launched_disk_generation END, reconcile_at = now(), version = version + 1, updated_at = now()
      WHERE id = $1`,
    [row.id, row.name, row.hostname, row.intent, row.generation, row.specGeneration, row.diskGeneration, row.rebootCount, row.rebootType, row.flavorId, row.imageId, row.vcpus, row.ramMib,
      JSON.stringify(row.spec), host.id, host.name, host.zone, row.launched, layoutOf(row), JSON.stringify(attachments)]);
  }

  /** It may have left this host while that was fenced, or somebody gave it up there as an orphan: it lives here, and is not told to go as well. */
  async #stays(client: PoolClient, hostId: string, id: string): Promise<void> {
    await client.query('DELETE FROM compute.departures WHERE host_id = $1 AND instance_id = $2', [hostId, id]);
  }

  /**
   * It is taken back from its host as a failed build is, and rests in ERROR without one; nothing is built in its place.
   * @returns hosts whose feeds rose: one may be adopted already, and hears of it by that
   */
  async #missing(client: PoolClient, hostId: string, id: string): Promise<string[]> {
    const fault = {
      code: 500, message: 'The server was not found on its host after the database was restored.', createdAt: new Date().toISOString(),
      details: 'It was deleted, or moved to a host that did not answer, after the backup was made.\nWhat to do: delete it; or adopt the host that has it; or start it, which builds it anew from its image.',
    };
    await client.query(`
      UPDATE compute.instances SET withdrawn = true, generation = generation + 1, step = 'failed', fault = $2, waiting_for = 'its host to show that nothing is left', attempts = 0, waited_ms = 0,
        checked_at = now(), reconcile_at = now(), version = version + 1, updated_at = now()
      WHERE id = $1 AND NOT withdrawn`, [id, JSON.stringify(fault)]);
    const { rows: own } = await client.query<{ host_id: string }>(`
      WITH feed AS (UPDATE compute.host_feeds f SET sequence = f.sequence + 1 FROM compute.instances i WHERE i.id = $1 AND i.withdrawn AND f.host_id = i.host_id AND f.host_id <> $2 RETURNING f.host_id, f.sequence)
      UPDATE compute.instances i SET host_sequence = feed.sequence FROM feed WHERE i.id = $1 RETURNING feed.host_id`, [id, hostId]);
    // A host that a move left is told so with the first word it hears: of `stopped` it would make an empty disk.
    const { rows: left } = await client.query<{ host_id: string }>(`
      WITH feed AS (UPDATE compute.host_feeds f SET sequence = f.sequence + 1 FROM compute.migrations m WHERE m.instance_id = $1 AND m.other_wanted = 'stopped' AND f.host_id = m.other_host_id RETURNING f.host_id, f.sequence)
      UPDATE compute.migrations m SET other_wanted = 'deleted', other_generation = m.other_generation + 1, other_sequence = feed.sequence, transfer_key = NULL, version = m.version + 1
      FROM feed WHERE m.instance_id = $1 AND m.other_wanted = 'stopped' AND m.other_host_id = feed.host_id RETURNING feed.host_id`, [id]);
    return [...own, ...left].map((row) => row.host_id);
  }

  /** The move goes back by its own way: the destination shows that nothing is left there, then the source has it again. */
  async #returns(client: PoolClient, { id, generation }: { id: string; generation: number }): Promise<void> {
    await client.query("UPDATE compute.migrations SET status = 'reverting', error = $2, transfer_key = NULL, version = version + 1 WHERE instance_id = $1 AND finished_at IS NULL", [id, RESTORED]);
    await client.query(`
      UPDATE compute.instances SET move_phase = 'revert', hold = 'gone', generation = greatest(generation, $2) + 1, step = 'wait-host', waiting_for = 'its host to show that nothing is left', attempts = 0,
        waited_ms = 0, checked_at = now(), reconcile_at = now(), version = version + 1, updated_at = now()
      WHERE id = $1`, [id, generation]);
  }

  /** As if somebody confirmed it, which is what somebody did. */
  async #letGo(client: PoolClient, hostId: string, { id, generation }: { id: string; generation: number }): Promise<void> {
    await client.query(`
      UPDATE compute.migrations SET status = 'confirming', other_wanted = 'deleted', other_generation = greatest(other_generation, $3) + 1, transfer_key = NULL, version = version + 1
      WHERE instance_id = $1 AND other_host_id = $2 AND finished_at IS NULL`, [id, hostId, generation]);
    await client.query(`
      UPDATE compute.instances SET move_phase = 'confirm', step = 'wait-host', waiting_for = 'the other host to show that nothing is left', attempts = 0,
        waited_ms = 0, checked_at = now(), reconcile_at = now(), version = version + 1, updated_at = now()
      WHERE id = $1`, [id]);
  }

  async #depart(client: PoolClient, hostId: string, finding: Extract<Finding, { is: 'elsewhere' }>): Promise<void> {
    const desired = { ...finding.entry.desired, intent: 'deleted', configDrive: {}, generation: finding.generation };
    await client.query(`
      INSERT INTO compute.departures AS d (host_id, instance_id, sequence, generation, desired) VALUES ($1, $2, 0, $3, $4)
      ON CONFLICT (host_id, instance_id) DO UPDATE SET generation = greatest(d.generation, excluded.generation), desired = excluded.desired`, [hostId, finding.id, finding.generation, JSON.stringify(desired)]);
  }
}

const attachedOf = ({ layout }: RememberedRow, hostId: string): string => JSON.stringify(attachmentsOf(layout, hostId, new Date().toISOString()));
const layoutOf = ({ layout }: RememberedRow): string | null => (layout === null ? null : JSON.stringify(layout));
