/** Statements that are planned once per connection, over real PostgreSQL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HOT } from '#libs/db';
import { startTestDatabase, type TestDatabase } from '#libs/testing';

describe('a hot statement', () => {
  let t: TestDatabase;
  beforeAll(async () => { t = await startTestDatabase('compute'); });
  afterAll(async () => { await t?.stop(); });
  const again = async (): Promise<object> => (await t.db.pool.query<object>(`${HOT} SELECT * FROM compute.hot_things WHERE id = $1`, [7])).rows[0]!;

  it('gets a plan by name after some uses, which outlives a migration that changes its result', async () => {
    await t.admin.query('CREATE TABLE compute.hot_things (id int PRIMARY KEY); INSERT INTO compute.hot_things VALUES (7); GRANT SELECT ON compute.hot_things TO PUBLIC');
    for (let n = 0; n < 40; n += 1) expect(await again()).toEqual({ id: 7 });
    await t.admin.query("ALTER TABLE compute.hot_things ADD COLUMN name text DEFAULT 'x'");
    for (let n = 0; n < 3; n += 1) expect(await again()).toEqual({ id: 7, name: 'x' });
  });

  it('goes through an index even while its table is empty, and leaves other statements as they are', async () => {
    const seqscan = async (text: string): Promise<string> => (await t.db.pool.query<{ enable_seqscan: string }>(text, [])).rows[0]!.enable_seqscan;
    expect([await seqscan(`${HOT} SHOW enable_seqscan`), await seqscan('SHOW enable_seqscan')]).toEqual(['off', 'on']);
  });

  it('is not planned anew for each list that it is given', async () => {
    const text = `${HOT} SELECT id FROM compute.hot_things WHERE id = ANY($1::int[])`;
    for (let n = 0; n < 60; n += 1) expect((await t.db.pool.query<{ id: number }>(text, [[7]])).rows).toEqual([{ id: 7 }]);
    const { rows } = await t.db.pool.query<{ generic: number; custom: number }>(
      `${HOT} SELECT sum(generic_plans)::int AS generic, sum(custom_plans)::int AS custom FROM pg_prepared_statements WHERE statement LIKE '%ANY($1::int[])%'`, []);
    expect(rows[0]).toEqual({ generic: expect.any(Number), custom: 0 });
    expect(rows[0]!.generic).toBeGreaterThan(20);
  });
});
