/** What the tests of moves share: a cloud for each test, a server in it, and what must be true when it is gone. */
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { createFlavor, listMigrations, resizeServer, type Caller, type HostInventory, type InstanceId, type InstanceView } from '#libs/contracts';
import type { Database } from '#libs/db';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { callerOf } from './compute-world.js';
import { Client, ComputeUnderTest, eventually, FAST } from './compute-service.js';
import { MovesWorld, type MovingHost } from './moves-world.js';

let t: TestDatabase;
let scheduling: Database;
export let world: MovesWorld;
let compute: ComputeUnderTest | undefined;
export const database = (): Database => t.db;
export const client = (): Client => new Client(world);
export const admin = (): Caller => ({ ...callerOf('p1', { isAdmin: true, roles: ['admin'] }) });
export const as = (instance: { id: string }): { caller: Caller; instanceId: InstanceId } => ({ caller: admin(), instanceId: instance.id as InstanceId });

/** Called once in a test file: its database, and a fresh cloud after each test. */
export function useMoves(): void {
  beforeAll(async () => {
    t = await startTestDatabase('compute');
    scheduling = await t.open('scheduler', 4);
  });
  afterAll(() => t.stop());
  afterEach(async () => {
    await compute?.stop();
    compute = undefined;
    await world.close();
    await t.admin.query('TRUNCATE compute.instances, compute.instance_events, compute.host_feeds, compute.orphans, compute.departures, compute.flavors CASCADE');
    await t.admin.query('DELETE FROM scheduler.claims');
    await t.admin.query('TRUNCATE scheduler.hosts CASCADE');
    expect(world.broken).toEqual([]);
  });
}

export async function open(options: { inPlace?: boolean; sizes?: number[]; capabilities?: string[]; operateDeadlineMs?: number; shape?: Partial<HostInventory> } = {}): Promise<void> {
  world = await new MovesWorld(t, scheduling).open(options.sizes, options.capabilities, options.shape);
  compute = await new ComputeUnderTest(world, t.db, { ...FAST, operateDeadlineMs: options.operateDeadlineMs ?? 60_000 }, { resizeInPlace: options.inPlace ?? false }).start();
  for (const [id, vcpus, ramMib, diskGib] of [['big', 3, 256, 2], ['huge', 4, 1024, 4], ['zero', 1, 64, 0]] as const) {
    await world.bus.ask(createFlavor, { caller: admin(), flavor: { id, name: id, vcpus, ramMib, diskGib, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: {} } });
  }
}

/** A server that runs, and has written something to its disk. */
export async function server(change: Parameters<Client['create']>[0] = {}): Promise<{ view: InstanceView; home: MovingHost; away: MovingHost }> {
  const { id } = await client().create(change);
  const view = await client().reaches(id, 'ACTIVE');
  const home = world.hostNamed(view.hostName);
  (home.guests.get(id) as { disk: string }).disk += ' + work';
  return { view, home, away: world.other(home) };
}
/** For what no service tells. */
export const sql = async <T extends object>(text: string, values: unknown[] = []): Promise<T[]> => (await t.admin.query<T>(text, values)).rows;
export const resize = (view: InstanceView, flavorId = 'big'): Promise<unknown> => world.bus.ask(resizeServer, { ...as(view), flavorId });
export const migrations = async (view: InstanceView): Promise<{ status: string; error: string | null }[]> =>
  (await world.bus.ask(listMigrations, { caller: admin(), filters: { instanceId: view.id }, limit: 10 })).migrations.map(({ status, error }) => ({ status, error }));
/** Nothing of it is left anywhere, in any table. */
export async function expectGone(id: string): Promise<void> {
  await client().finished(id);
  await eventually(() => world.having(id).length === 0 && world.hosts.every(({ ledger }) => !ledger.has(id)), () => `${id} is still on ${world.having(id).join()}`);
  expect(await world.claims(id)).toEqual([]);
  const { rows } = await t.admin.query('SELECT * FROM compute.migrations WHERE instance_id = $1 AND (finished_at IS NULL OR other_host_id IS NOT NULL OR transfer_key IS NOT NULL)', [id]);
  expect(rows).toEqual([]);
  const { rows: awake } = await t.admin.query('SELECT step FROM compute.instances WHERE id = $1 AND (reconcile_at IS NOT NULL OR elsewhere <> 0 OR move_id IS NOT NULL)', [id]);
  expect(awake).toEqual([]);
}
