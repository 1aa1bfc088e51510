/**
 * Stores what new claims may use of a host, in the transaction of its inventory. Takes nothing back from claims: what
 * holds more than there is now stays counted, and gets a limit of what is there. The host's row is held first, as every
 * claim does.
 */
import type { PoolClient } from '#libs/db';
import type { Limits } from '../decide/capacity.js';

export async function setLimits(client: PoolClient, hostId: string, { limit, largest, dedicatedCpus, cells, resources }: Limits): Promise<void> {
  await client.query('SELECT FROM scheduler.host_capacity WHERE host_id = $1 FOR NO KEY UPDATE', [hostId]);
  await client.query(
    `UPDATE scheduler.host_capacity SET limit_vcpus = $2, limit_memory_mib = $3, limit_disk_gib = $4, largest_vcpus = $5, largest_memory_mib = $6, limit_pcpus = $7
     WHERE host_id = $1 AND (limit_vcpus, limit_memory_mib, limit_disk_gib, largest_vcpus, largest_memory_mib, limit_pcpus) IS DISTINCT FROM ($2::integer, $3::integer, $4::integer, $5::integer, $6::integer, $7::integer)`,
    [hostId, limit.vcpus, limit.memoryMib, limit.diskGib, largest.vcpus, largest.memoryMib, dedicatedCpus.length],
  );
  await client.query(CELLS, [hostId, cells.map(({ cell }) => cell), cells.map(({ pageKib }) => pageKib), cells.map(({ kib }) => kib)]);
  await client.query(RESOURCES, [hostId, Object.keys(resources), Object.values(resources)]);
}

const replace = (table: string, key: string, arrays: string): string => `
  WITH told AS (SELECT * FROM unnest(${arrays}) AS t(${key}, amount)),
  unused AS (DELETE FROM scheduler.${table} m WHERE host_id = $1 AND used = 0 AND (${key}) NOT IN (SELECT ${key} FROM told)),
  gone AS (UPDATE scheduler.${table} m SET amount = 0 WHERE host_id = $1 AND used > 0 AND amount > 0 AND (${key}) NOT IN (SELECT ${key} FROM told))
  INSERT INTO scheduler.${table} AS m (host_id, ${key}, amount) SELECT $1, ${key}, amount FROM told
  ON CONFLICT (host_id, ${key}) DO UPDATE SET amount = excluded.amount WHERE m.amount <> excluded.amount`;
const CELLS = replace('cell_memory', 'cell, page_kib', '$2::integer[], $3::integer[], $4::bigint[]');
const RESOURCES = replace('host_resources', 'class', '$2::text[], $3::bigint[]');
