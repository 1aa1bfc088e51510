/** A scheduler of before 0011 beside a newer one, on one database: what it would write of claims of which it knows half. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Layout } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { ClaimsRepository } from '../../apps/scheduler/src/claims/claims.repository.js';
import { hostRow, layout, unsound } from '../support/fleet-rows.js';

let t: TestDatabase;
let claims: ClaimsRepository;
beforeAll(async () => {
  t = await startTestDatabase('scheduler');
  claims = new ClaimsRepository(t.db);
});
afterAll(() => t.stop());

/** How the scheduler settled a move before claims had layouts. */
const OLD_SETTLE = `
  WITH held AS MATERIALIZED (SELECT * FROM scheduler.claims WHERE instance_id = $1 AND purpose IN ('run', 'move') ORDER BY purpose FOR UPDATE),
  run AS (SELECT * FROM held WHERE purpose = 'run'),
  moving AS (SELECT * FROM held WHERE purpose = 'move' AND generation = $2 AND host_id IS NOT NULL AND EXISTS (SELECT FROM run WHERE run.generation < $2))
  UPDATE scheduler.claims c SET purpose = coalesce(CASE WHEN c.purpose = 'move' THEN $3::text END, c.purpose), generation = becomes.generation, host_id = becomes.host_id,
    vcpus = becomes.vcpus, memory_mib = becomes.memory_mib, disk_gib = becomes.disk_gib, released_at = becomes.released_at, released_from = becomes.released_from
  FROM (
    SELECT 'run' AS was, generation, host_id, vcpus, memory_mib, disk_gib, released_at, released_from FROM moving
    UNION ALL SELECT 'move', run.generation, run.host_id, run.vcpus, run.memory_mib, run.disk_gib, run.released_at, run.released_from FROM run, moving WHERE $3::text IS NOT NULL
    UNION ALL SELECT 'move', moving.generation, NULL, 0, 0, 0, now(), run.host_id FROM run, moving WHERE $3::text IS NULL) becomes
  WHERE c.instance_id = $1 AND c.purpose = becomes.was`;

const SHAPE = { dedicated: [2, 3, 4, 5], cells: [{ memoryMib: 1024 }] };
const pinned = (...cpus: number[]): Layout => layout([{ hostCell: 0, memoryMib: 64, pins: cpus }]);
async function moving(from: Layout | null, to: Layout | null, group: string | null = null): Promise<{ id: string; ends: () => Promise<unknown[]> }> {
  const id = randomUUID();
  const [home, away] = [await hostRow(t, SHAPE), await hostRow(t, SHAPE)];
  for (const [at, it] of [from, to].entries()) {
    const taken = await claims.claim([{
      instanceId: id, purpose: at === 0 ? 'run' : 'move', generation: at + 1, projectId: 'p', hostId: at === 0 ? home : away, diskGib: 1, vcpus: it === null ? 2 : 0, memoryMib: 64,
      exact: { layout: it, resources: {}, group: group === null ? null : { id: group, policy: 'anti-affinity', maxServerPerHost: 1 } },
    }]);
    expect(taken.taken[0]?.is).toBe('claimed');
  }
  const ends = async (): Promise<unknown[]> => (await t.admin.query('SELECT purpose, generation, host_id = $2 AS home, host_id = $3 AS away, layout FROM scheduler.claims WHERE instance_id = $1 AND host_id IS NOT NULL ORDER BY purpose', [id, home, away])).rows;
  return { id, ends };
}
const settle = (id: string, keepOldAs: string | null): Promise<unknown> => t.admin.query(OLD_SETTLE, [id, 2, keepOldAs]);

it.each([null, 'lost:m'])('never moves a claim without its CPUs (old one kept as %s): the newer scheduler does', async (keepOldAs) => {
  for (const [from, to] of [[pinned(2, 3), pinned(4, 5)], [pinned(2, 3), null], [null, pinned(4, 5)]] as const) {
    const { id, ends } = await moving(from, to);
    await expect(settle(id, keepOldAs)).rejects.toMatchObject({ code: '23514' });
    expect(await claims.settleMove(id, 2, keepOldAs)).toBe('settled');
    expect(await ends()).toEqual([
      ...(keepOldAs === null ? [] : [{ purpose: keepOldAs, generation: 1, home: true, away: false, layout: from }]), { purpose: 'run', generation: 2, home: false, away: true, layout: to },
    ]);
  }
  expect(await unsound(t)).toEqual([]);
});

it('moves what it knows all of, and what is the same on both', async () => {
  for (const [of, group] of [[null, null], [pinned(2, 3), null], [null, randomUUID()]] as const) {
    const { id, ends } = await moving(of, of, group);
    await settle(id, null);
    expect(await ends()).toEqual([{ purpose: 'run', generation: 2, home: false, away: true, layout: of }]);
  }
  expect(await unsound(t)).toEqual([]);
});
