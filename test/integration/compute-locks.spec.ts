import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { AdoptionRepository } from '../../apps/compute/src/adoption/adoption.repository.js';
import { ObservationsRepository } from '../../apps/compute/src/hosts/observations.repository.js';
import { LIMITS } from '../../apps/compute/src/limits.js';
import { callerOf } from '../support/compute-world.js';

let t: TestDatabase;
beforeAll(async () => { t = await startTestDatabase('compute'); });
afterAll(() => t.stop());

const spec = JSON.stringify({ claimDiskGib: 1, flavor: { vcpus: 1, ramMib: 128, extraSpecs: {} } });
const serverOn = async (hostId: string): Promise<string> => {
  const id = randomUUID();
  await t.admin.query(`
    INSERT INTO compute.instances (id, cell_id, project_id, user_id, name, hostname, intent, flavor_id, image_id, spec, vcpus, ram_mib, reservation_id, host_id, host_name, claim_generation, host_sequence, step)
    VALUES ($1, 1, 'p', 'u', 'n', 'n', 'running', '42', gen_random_uuid(), $3, 1, 128, 'r-1', $2, 'h', 1, 1, 'settled')`, [id, hostId, spec]);
  return id;
};

describe('a host that the database follows', () => {
  it('follows nobody who looked before somebody else made it follow', async () => {
    const [hostId, repository] = [randomUUID(), new AdoptionRepository(t.db)];
    const follow = (asOf: number): Promise<unknown> => repository.follow({ id: hostId, name: 'h', zone: 'nova', upTo: 9, epoch: 1, asOf }, [], () => { throw new Error('nothing is remembered'); }, callerOf('p'));
    expect([await repository.followed([hostId]), await follow(0)]).toEqual([new Map(), []]);
    const sequences = async () => (await t.admin.query('SELECT sequence, followed FROM compute.host_feeds WHERE host_id = $1', [hostId])).rows;
    const before = await sequences();
    await expect(follow(0)).rejects.toMatchObject({ kind: 'conflict' });
    expect([await sequences(), await repository.followed([hostId])]).toEqual([before, new Map([[hostId, 1]])]);
    await follow(1);
  });

  it('locks servers before its feed, as every change of a server does', async () => {
    const hostId = randomUUID();
    await t.admin.query('INSERT INTO compute.host_feeds (host_id, sequence, epoch) VALUES ($1, 5, 1)', [hostId]);
    const id = await serverOn(hostId);
    const follow = (): Promise<unknown> => new AdoptionRepository(t.db).follow({ id: hostId, name: 'h', zone: 'nova', upTo: 9, epoch: 1 }, [], () => { throw new Error('nothing is remembered'); }, callerOf('p'));
    const client = await t.db.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT FROM compute.instances WHERE id = $1 FOR UPDATE', [id]);
      const following = follow();
      await new Promise((resolve) => setTimeout(resolve, 300));
      // It waits for the server, and holds nothing that whoever has the server needs.
      await client.query("SET LOCAL lock_timeout = '2s'");
      await client.query('UPDATE compute.host_feeds SET sequence = sequence + 1 WHERE host_id = $1', [hostId]);
      await client.query('COMMIT');
      await following;
      expect(await new AdoptionRepository(t.db).held(hostId)).toMatchObject([{ instanceId: id }]);
    } finally {
      client.release();
    }
    const { rows } = await t.admin.query<{ sequence: string; host_sequence: string }>('SELECT f.sequence, i.host_sequence FROM compute.host_feeds f JOIN compute.instances i ON i.host_id = f.host_id WHERE f.host_id = $1', [hostId]);
    expect(rows).toEqual([{ sequence: '10', host_sequence: '10' }]);
  });
});

describe('notes of orphans', () => {
  it('are so many of each host, and go when nobody has seen them for days', async () => {
    const observations = new ObservationsRepository(t.db, undefined as never, undefined as never);
    const [hostId, other] = [randomUUID(), randomUUID()];
    const orphans = (count: number): { uuid: string; name: string }[] => Array.from({ length: count }, () => ({ uuid: randomUUID(), name: 'x' }));
    const count = async (host: string): Promise<number> => (await t.admin.query<{ count: number }>('SELECT count(*)::int AS count FROM compute.orphans WHERE host_id = $1', [host])).rows[0]!.count;
    await observations.noteOrphans(other, orphans(1));
    const first = orphans(500);
    await observations.noteOrphans(hostId, first);
    for (let report = 0; report < 6; report += 1) await observations.noteOrphans(hostId, orphans(500));
    expect(await count(hostId)).toBe(LIMITS.orphansOfHost);
    // What is known stays known, and is seen again.
    await t.admin.query("UPDATE compute.orphans SET last_seen_at = now() - interval '8 days' WHERE host_id = $1", [hostId]);
    await observations.noteOrphans(hostId, first);
    expect(await observations.forgetOrphans(LIMITS.orphansKeptMs, 1_000)).toBe(1_000);
    expect(await observations.forgetOrphans(LIMITS.orphansKeptMs, 1_000)).toBe(500);
    expect([await count(hostId), await count(other)]).toEqual([500, 1]);
  });
});
