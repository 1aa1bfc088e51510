/** Counts what a project uses, within the transaction of whoever is about to use more. Reads only. */
import type { PoolClient } from '#libs/db';
import type { Usage } from '../instances/decide/quota.js';
import { DEVICE_USAGE_SQL, USAGE_SQL } from './usage-sql.js';

/** @param devices by class, those that are wanted: they are counted when there are any */
export async function usageOf(runner: Pick<PoolClient, 'query'>, projectId: string, devices: Readonly<Record<string, number>> = {}): Promise<Usage> {
  const { rows } = await runner.query<Omit<Usage, 'devices'>>(USAGE_SQL, [projectId]);
  const usage = rows[0] ?? { instances: 0, cores: 0, ramMib: 0 };
  if (Object.keys(devices).length === 0) return usage;
  const { rows: counted } = await runner.query<{ class: string; count: number }>(DEVICE_USAGE_SQL, [projectId]);
  return { ...usage, devices: Object.fromEntries(counted.map((row) => [row.class, row.count])) };
}
