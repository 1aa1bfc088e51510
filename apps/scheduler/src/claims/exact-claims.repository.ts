/**
 * Claims that need more than plain amounts: a layout, custom resources, a place in a group. One call for a batch; the
 * database judges each by its constraints, leaves out what they refuse, and answers how the hosts stand afterwards. A
 * crash here: the call is done or not done, and a repeat finds its claims.
 */
import type { Layout } from '#libs/contracts';
import type { Database } from '#libs/db';
import { deviceRowOf, type DeviceTuple } from '../decide/devices/device-row.js';
import type { Claimed } from '../decide/host-row.js';
import type { CapacityNow, Taken, Wanted } from './wanted.js';
import type { Place } from './whereabouts.js';
import { capacityOfRow, type CapacityColumns } from '../snapshot/capacity-row.js';

interface Answer {
  /** In the order asked. generation, hostId, layout: of the claim (or tombstone) that stands now; null: none does. */
  taken: { generation: number | null; hostId: string | null; layout: Layout | null; hostName: string | null; availabilityZone: string | null }[];
  hosts: (CapacityColumns & { host_id: string; enabled: boolean; exact: Claimed })[];
  /** As they stand that were wanted, each with its host. */
  devices: [hostId: string, device: DeviceTuple][];
}

export async function claimExactly(db: Database, wanted: readonly Wanted[]): Promise<{ taken: Taken[]; hosts: CapacityNow[] }> {
  const asked = wanted.map(({ exact, ...want }) => ({
    ...want, layout: exact?.layout ?? null, resources: exact !== null && Object.keys(exact.resources).length > 0 ? exact.resources : null,
    groupId: exact?.group?.id ?? null, groupPolicy: exact?.group?.policy ?? null, groupMax: exact?.group?.maxServerPerHost ?? null,
  }));
  const { rows } = await db.pool.query<{ answer: Answer }>({ name: 'scheduler-claim-exactly', text: 'SELECT scheduler.claim_exactly($1::jsonb) AS answer', values: [JSON.stringify(asked)] });
  const { taken, hosts, devices } = rows[0]!.answer;
  return { taken: taken.map((one, at) => outcome(wanted[at]!, one)), hosts: hosts.map((host) => ({ ...toCapacity(host), devices: devices.filter(([hostId]) => hostId === host.host_id).map(([, device]) => deviceRowOf(device)) })) };
}

export async function placesOf(db: Database, groups: readonly string[], instances: readonly string[], within: string | null): Promise<Place[]> {
  return (await db.pool.query<Place>({ name: 'scheduler-places', text: PLACES, values: [groups, instances, within] })).rows;
}

function outcome(want: Wanted, there: Answer['taken'][number]): Taken {
  if (there.hostId !== null && there.generation === want.generation) return { is: 'claimed', hostId: there.hostId, hostName: there.hostName!, availabilityZone: there.availabilityZone!, layout: there.layout };
  if (there.generation === null || (there.hostId === null && there.generation < want.generation)) return { is: 'lost' };
  return there.generation >= want.generation ? { is: 'stale', generation: there.generation } : { is: 'held', generation: there.generation };
}

const toCapacity = (row: Answer['hosts'][number]): CapacityNow => ({
  hostId: row.host_id,
  enabled: row.enabled,
  capacity: { ...capacityOfRow(row), claimed: row.exact },
});

const PLACES = `
  SELECT c.instance_id, c.host_id, c.group_id, h.fenced_at IS NOT NULL AS fenced FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id
  WHERE c.group_id = ANY ($1::uuid[]) AND c.host_id IS NOT NULL AND c.purpose IN ('run', 'move')
  UNION
  SELECT c.instance_id, c.host_id, c.group_id, h.fenced_at IS NOT NULL FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id
  WHERE c.instance_id = ANY ($2::uuid[]) AND ($3::text IS NULL OR c.project_id = $3) AND c.host_id IS NOT NULL AND c.purpose IN ('run', 'move')`;
