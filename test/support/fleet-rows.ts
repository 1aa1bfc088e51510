import { randomUUID } from 'node:crypto';
import type { Layout } from '#libs/contracts';
import type { TestDatabase } from '#libs/testing';

export interface CellRow { pages?: Record<number, number>; memoryMib?: number }
export interface HostShape { vcpus?: number; memoryMib?: number; diskGib?: number; dedicated?: number[]; cells?: CellRow[]; resources?: Record<string, number>; zone?: string }

/** A host by SQL alone, outside the code: its rows as an inventory would leave them. Answers its id. */
export async function hostRow({ admin }: Pick<TestDatabase, 'admin'>, shape: HostShape = {}): Promise<string> {
  const id = randomUUID();
  const dedicated = shape.dedicated ?? [];
  await admin.query(`INSERT INTO scheduler.hosts (id, cell_id, name, availability_zone, public_nkey, simulated, cpu_ratio, ram_ratio, disk_ratio, dedicated_cpus)
    VALUES ($1::uuid, 'cell1', $1::text, $2, $1::text, true, 1, 1, 1, $3)`, [id, shape.zone ?? 'nova', dedicated]);
  await admin.query('INSERT INTO scheduler.host_capacity (host_id, limit_vcpus, limit_memory_mib, limit_disk_gib, largest_vcpus, largest_memory_mib, limit_pcpus) VALUES ($1, $2, $3, $4, $2, $3, $5)',
    [id, shape.vcpus ?? 16, shape.memoryMib ?? 16_384, shape.diskGib ?? 1_000, dedicated.length]);
  for (const [cell, { pages = {}, memoryMib = 0 }] of (shape.cells ?? []).entries()) {
    await admin.query('INSERT INTO scheduler.cell_memory (host_id, cell, page_kib, amount) VALUES ($1, $2, 4, $3)', [id, cell, memoryMib * 1024]);
    for (const [kib, total] of Object.entries(pages)) await admin.query('INSERT INTO scheduler.cell_memory (host_id, cell, page_kib, amount) VALUES ($1, $2, $3, $4)', [id, cell, Number(kib), Number(kib) * total]);
  }
  for (const [name, amount] of Object.entries(shape.resources ?? {})) await admin.query('INSERT INTO scheduler.host_resources (host_id, class, amount) VALUES ($1, $2, $3)', [id, name, amount]);
  await admin.query('INSERT INTO scheduler.host_beats (host_id, hypervisor_up, last_seen_at) VALUES ($1, true, now())', [id]);
  return id;
}

/** A layout of cells: host CPUs for the guest's own, in order; null: as many as said float. */
export function layout(cells: { hostCell: number; memoryMib: number; pageKib?: number; pins?: number[]; floating?: number }[], more: Partial<Layout> = {}): Layout {
  let guest = 0;
  return {
    cells: cells.map(({ hostCell, memoryMib, pageKib = null, pins = [], floating = 0 }) => ({
      hostCell, memoryMib, pageKib, pins: pins.map((host) => ({ guest: guest++, host })), floating: Array.from({ length: floating }, () => guest++),
    })),
    emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: cells.length > 1, ...more,
  };
}

/**
 * Plain SQL, outside the code: every count is the sum of the claims' own words, nothing exceeds its limit, no CPU has two
 * owners, no hard rule of a group is broken. Answers what is wrong.
 */
export async function unsound({ admin }: Pick<TestDatabase, 'admin'>): Promise<unknown[]> {
  const { rows } = await admin.query(`
    WITH live AS (SELECT * FROM scheduler.claims WHERE host_id IS NOT NULL),
    cell AS (SELECT l.host_id, l.instance_id, l.purpose, c.* FROM live l, jsonb_to_recordset(l.layout -> 'cells') AS c("hostCell" int, "memoryMib" bigint, "pageKib" int, pins jsonb, floating jsonb)),
    pinned AS (
      SELECT cell.host_id, cell.instance_id, cell.purpose, (p ->> 'host')::int AS cpu FROM cell, jsonb_array_elements(cell.pins) p
      UNION ALL SELECT host_id, instance_id, purpose, (layout ->> 'emulatorCpu')::int FROM live WHERE layout ->> 'emulatorCpu' IS NOT NULL
      UNION ALL SELECT host_id, instance_id, purpose, i::int FROM live, jsonb_array_elements_text(layout -> 'idleCpus') i WHERE layout IS NOT NULL),
    page AS (SELECT host_id, "hostCell" AS cell, coalesce("pageKib", 4) AS page_kib, sum("memoryMib" * 1024) AS kib FROM cell GROUP BY 1, 2, 3),
    resource AS (SELECT host_id, r.key AS class, sum(r.value::bigint) AS amount FROM live, jsonb_each_text(resources) r GROUP BY 1, 2)
    SELECT 'amounts' AS what, h.host_id::text AS host, to_jsonb(h) AS it FROM scheduler.host_capacity h LEFT JOIN (
        SELECT host_id, sum(vcpus) AS v, sum(memory_mib) AS m, sum(disk_gib) AS d, count(*) AS n, count(*) FILTER (WHERE layout IS NOT NULL OR resources IS NOT NULL) AS e FROM live GROUP BY 1) s USING (host_id)
      LEFT JOIN (SELECT host_id, count(*) AS p FROM pinned GROUP BY 1) p USING (host_id)
      WHERE (h.used_vcpus, h.used_memory_mib, h.used_disk_gib, h.used_instances, h.used_exact, h.used_pcpus) IS DISTINCT FROM (coalesce(s.v, 0), coalesce(s.m, 0), coalesce(s.d, 0), coalesce(s.n, 0), coalesce(s.e, 0), coalesce(p.p, 0))
        OR h.used_vcpus > h.limit_vcpus OR h.used_memory_mib > h.limit_memory_mib OR h.used_disk_gib > h.limit_disk_gib OR h.used_pcpus > h.limit_pcpus
    UNION ALL SELECT 'a CPU twice', host_id::text, to_jsonb(cpu) FROM pinned GROUP BY host_id, cpu HAVING count(*) > 1
    UNION ALL SELECT 'a CPU that is not dedicated', p.host_id::text, to_jsonb(p.cpu) FROM pinned p JOIN scheduler.hosts h ON h.id = p.host_id WHERE p.cpu <> ALL (h.dedicated_cpus)
    UNION ALL SELECT 'owners of CPUs', coalesce(p.host_id, k.host_id)::text, to_jsonb(coalesce(p.cpu, k.cpu)) FROM pinned p FULL JOIN scheduler.claimed_cpus k USING (host_id, cpu, instance_id, purpose) WHERE p.cpu IS NULL OR k.cpu IS NULL
    UNION ALL SELECT 'memory of cells', coalesce(p.host_id, m.host_id)::text, to_jsonb(m) || jsonb_build_object('sum', p.kib) FROM page p FULL JOIN scheduler.cell_memory m USING (host_id, cell, page_kib) WHERE coalesce(p.kib, 0) IS DISTINCT FROM m.used OR m.used > m.amount
    UNION ALL SELECT 'resources', coalesce(p.host_id, m.host_id)::text, to_jsonb(m) || jsonb_build_object('sum', p.amount) FROM resource p FULL JOIN scheduler.host_resources m USING (host_id, class) WHERE coalesce(p.amount, 0) IS DISTINCT FROM m.used OR m.used > m.amount
    UNION ALL SELECT 'too many of a group', host_id::text, to_jsonb(group_id) FROM live WHERE group_policy = 'anti-affinity' AND purpose IN ('run', 'move') GROUP BY host_id, group_id HAVING count(DISTINCT instance_id) > max(group_max)
    UNION ALL SELECT 'a group apart', NULL, to_jsonb(group_id) FROM live WHERE group_policy = 'affinity' AND purpose IN ('run', 'move') GROUP BY group_id HAVING count(DISTINCT host_id) > 1 AND count(DISTINCT instance_id) > 1`);
  return rows;
}

/** Hosts of two cells by SQL alone: of each cell 4 CPUs in 2 cores are dedicated; 1 GiB of 2 MiB pages and 2 GiB of ordinary memory; two keys. */
export async function celledFleet(test: Pick<TestDatabase, 'admin'>, hosts: number): Promise<void> {
  const cells = [0, 1].map((id) => ({
    id, socket: id, cpus: [0, 1, 2, 3, 4, 5].map((cpu) => id * 6 + cpu), cores: [0, 2, 4].map((cpu) => [id * 6 + cpu, id * 6 + cpu + 1]), memoryMib: 3072,
    pages: [{ kib: 2048, total: 512 }], distances: id === 0 ? [10, 20] : [20, 10],
  }));
  const dedicated = [2, 3, 4, 5, 8, 9, 10, 11];
  const inventory = { cpuArch: 'x86_64', cells, sharedCpus: [0, 1, 6, 7], dedicatedCpus: dedicated, cpuFlags: [], traits: [], resources: { CUSTOM_KEY: 2 } };
  for (let at = 0; at < hosts; at += 1) {
    const id = await hostRow(test, { vcpus: 12, memoryMib: 4096, dedicated, cells: cells.map(() => ({ memoryMib: 2048, pages: { 2048: 512 } })), resources: { CUSTOM_KEY: 2 } });
    await test.admin.query("UPDATE scheduler.hosts SET inventory = $2, capabilities = '{LAYOUT,DEVICES}' WHERE id = $1", [id, JSON.stringify(inventory)]);
  }
}
