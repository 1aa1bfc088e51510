import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { asSkyError } from '#libs/errors';
import { startTestDatabase, type TestDatabase } from '#libs/testing';

describe('the database', () => {
  let t: TestDatabase;
  beforeAll(async () => { t = await startTestDatabase('identity'); });
  afterAll(async () => { await t.stop(); });

  it('is migrated, has one cell, and answers through Prisma and plain SQL alike', async () => {
    expect(t.db.cellId).toBe('cell1');
    expect(t.db.incarnation).toBe(1);
    expect(await t.db.prisma.domain.count()).toBe(0);
    expect((await t.db.pool.query('SELECT count(*)::int AS n FROM identity.users')).rows[0]).toEqual({ n: 0 });
  });

  it('is as the schema files say: no column that is not there, and all of identity\'s', async () => {
    const said = new Map<string, string[]>();
    for (const file of readdirSync('prisma/schema')) {
      for (const [, body] of readFileSync(`prisma/schema/${file}`, 'utf8').matchAll(/^model \w+ \{\n([\s\S]*?)^\}/gm)) {
        const [, schema] = /@@schema\("(\w+)"\)/.exec(body ?? '') ?? [];
        const [, table] = /@@map\("(\w+)"\)/.exec(body ?? '') ?? [];
        said.set(`${schema}.${table}`, [...(body ?? '').matchAll(/^ {2}(\w+) .*$/gm)].map(([line, field]) => /@map\("(\w+)"\)/.exec(line)?.[1] ?? field ?? '').sort());
      }
    }
    const { rows } = await t.admin.query<{ it: string; columns: string[] }>(
      `SELECT table_schema || '.' || table_name AS it, array_agg(column_name::text ORDER BY column_name::text COLLATE "C") AS columns FROM information_schema.columns
        WHERE table_schema IN ('control', 'identity', 'image', 'scheduler', 'compute') GROUP BY 1`);
    const there = new Map(rows.map(({ it, columns }) => [it, columns]));
    for (const [table, columns] of said) expect([table, columns.filter((column) => !there.get(table)?.includes(column))]).toEqual([table, []]);
    for (const [table, columns] of there) if (table.startsWith('identity.')) expect([table, said.get(table)]).toEqual([table, columns]);
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

  it('that goes away between two statements of a transaction fails that transaction, and not the process', async () => {
    let gone = false;
    await expect(t.db.transaction(async (client) => {
      const { rows: [backend] } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const heard = new Promise<void>((resolve) => { client.once('end', () => { gone = true; resolve(); }); });
      await t.admin.query('SELECT pg_terminate_backend($1)', [backend!.pid]);
      await heard;
      await client.query('SELECT 1');
    })).rejects.toThrow();
    expect(gone).toBe(true);
    expect((await t.db.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('waits for a server that says nothing no longer than it must, and goes on when it speaks again', async () => {
    const db = await t.open('identity', 1, 300);
    const { rows: [backend] } = await db.pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const pid = backend?.pid as number;
    process.kill(pid, 'SIGSTOP');
    try {
      const failure: unknown = await db.transaction((client) => client.query('SELECT 1')).catch((error: unknown) => error);
      expect(asSkyError(failure).kind).toBe('unavailable');
      expect((await db.pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid).not.toBe(pid);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  it('that does not take connections is unreachable, not a bug', async () => {
    for (const text of ['Connection terminated due to connection timeout', 'Connection terminated unexpectedly', 'timeout exceeded when trying to connect', 'Query read timeout']) {
      expect(asSkyError(new Error(text)).kind).toBe('unavailable');
    }
    expect(asSkyError(new Error('connection')).kind).toBe('internal');
  });
});
