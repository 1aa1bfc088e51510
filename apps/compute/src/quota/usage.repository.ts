/** Counts what a project uses, within the transaction of whoever is about to use more. Reads only. */
import type { Flavor } from '#libs/contracts';
import type { PoolClient } from '#libs/db';
import { devicesOfFlavor } from '#libs/openstack';
import type { Usage } from '../instances/decide/quota.js';
import { DEVICE_USAGE_SQL, USAGE_SQL } from './usage-sql.js';

/** @param flavor of what is wanted: devices are counted when it asks for any */
export async function usageOf(runner: Pick<PoolClient, 'query'>, projectId: string, flavor?: Flavor): Promise<Usage> {
  const { rows } = await runner.query<Omit<Usage, 'devices'>>(USAGE_SQL, [projectId]);
  const usage = rows[0] ?? { instances: 0, cores: 0, ramMib: 0 };
  if (flavor === undefined || Object.keys(devicesOfFlavor(flavor)).length === 0) return usage;
  const { rows: devices } = await runner.query<{ class: string; count: number }>(DEVICE_USAGE_SQL, [projectId]);
  return { ...usage, devices: Object.fromEntries(devices.map((row) => [row.class, row.count])) };
}
