import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestDatabase, type TestDatabase } from '#libs/testing';

describe('the database', () => {
  let t: TestDatabase;
  beforeAll(async () => { t = await startTestDatabase('identity'); }, 60_000);
  afterAll(async () => { await t.stop(); });

  it('is migrated, has one cell, and answers through Prisma and plain SQL alike', async () => {
    expect(t.db.cellId).toBe('cell1');
    expect(t.db.incarnation).toBe(1);
    expect(await t.db.prisma.domain.count()).toBe(0);
    expect((await t.db.pool.query('SELECT count(*)::int AS n FROM identity.users')).rows[0]).toEqual({ n: 0 });
  });

  it("keeps every app out of the others' schemas", async () => {
    await expect(t.db.pool.query('SELECT 1 FROM compute.instances')).rejects.toThrow(/permission denied/);
    await expect(t.db.pool.query('UPDATE control.cell SET incarnation = 9')).rejects.toThrow(/permission denied/);
    await expect(t.db.pool.query('CREATE TABLE public.x (a int)')).rejects.toThrow(/permission denied/);
  });

  it('rolls a transaction back when its work fails', async () => {
    await expect(t.db.transaction(async (client) => {
      await client.query("INSERT INTO identity.domains (id, name) VALUES ('x', 'x')");
      throw new Error('no');
    })).rejects.toThrow('no');
    expect(await t.db.prisma.domain.count()).toBe(0);
  });
});
