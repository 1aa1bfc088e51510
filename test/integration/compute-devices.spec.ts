/** Servers with devices, from the flavor to the host: real compute and scheduler services, scripted hosts, devices as their reports leave them. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { confirmResize, createFlavor, deleteDeviceClass, evacuateServer, revertResize, setFlavorExtraSpecs, suspendServer, type Flavor, type InstanceId, type Layout } from '#libs/contracts';
import { eventually } from '../support/compute-service.js';
import { changeDevice, deviceRows, poolRow, unsoundDevices, vfsOf } from '../support/device-rows.js';
import { admin, as, client, expectGone, open, resize, server, sql, useMoves, world } from '../support/moves-test.js';

useMoves();

const ALIAS = 'pci_passthrough:alias';
const flavor = (id: string, extraSpecs: Record<string, string>, change: Partial<Flavor> = {}): Promise<unknown> =>
  world.bus.ask(createFlavor, { caller: admin(), flavor: { id, name: id, vcpus: 1, ramMib: 64, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs, ...change } });
const runner = { admin: { query: (text: string, values: unknown[] = []) => sql(text, values).then((rows) => ({ rows })) } } as unknown as Parameters<typeof poolRow>[0];

/** Two hosts; on each `count` VFs of one class, whose name is answered. */
async function start(count = 2): Promise<string> {
  await open({ capabilities: ['REBUILD', 'DISK_TRANSFER', 'RESIZE_IN_PLACE', 'LAYOUT', 'DEVICES', 'SUSPEND'] });
  const className = `net-${randomUUID().slice(0, 8)}`;
  const pool = { id: await poolRow(runner, className), className };
  for (const { id } of world.hosts) await deviceRows(runner, id, vfsOf(`mac:${id.slice(0, 8)}`, count, pool));
  await flavor('one', { [ALIAS]: `${className}:1` });
  await flavor('two', { [ALIAS]: `${className}:2` });
  return className;
}
const layoutOf = async (id: string): Promise<Layout | null> => (await sql<{ layout: Layout | null }>('SELECT layout FROM compute.instances WHERE id = $1', [id]))[0]?.layout ?? null;
const devicesOf = async (id: string): Promise<string[]> => ((await layoutOf(id))?.devices ?? []).map(({ deviceId }) => deviceId);
const held = (id: string): Promise<{ purpose: string; device_id: string }[]> => sql('SELECT purpose, device_id FROM scheduler.device_claims WHERE instance_id = $1 ORDER BY purpose, device_id', [id]);
const free = async (): Promise<number> => (await sql<{ n: number }>("SELECT count(*)::int AS n FROM scheduler.devices d WHERE scheduler.device_standing(d) = 'free'"))[0]!.n;

describe('flavors', () => {
  it('name classes that there are', async () => {
    const className = await start();
    await expect(flavor('bad', { [ALIAS]: 'nothing:1' })).rejects.toMatchObject({ kind: 'bad-request', message: expect.stringMatching(/^PCI alias nothing is not defined\. What to do: name a device class \(there are .*\), or make one: skylite device class create nothing …\.$/) });
    await flavor('late', {});
    await expect(world.bus.ask(setFlavorExtraSpecs, { caller: admin(), flavorId: 'late', extraSpecs: { 'device:nothing': '1' } })).rejects.toThrow('PCI alias nothing is not defined');
    await world.bus.ask(setFlavorExtraSpecs, { caller: admin(), flavorId: 'late', extraSpecs: { [`device:${className}`]: '1,tag=data' } });
    await sql('DELETE FROM scheduler.devices WHERE class_name = $1', [className]);
    await sql('DELETE FROM scheduler.device_pools WHERE class_name = $1', [className]);
    await expect(world.bus.ask(deleteDeviceClass, { caller: admin(), name: className })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining(`Class ${className} is asked for by flavors: late, one, two.`) });
    await sql('DELETE FROM compute.flavors WHERE extra_specs::text LIKE $1', [`%${className}%`]);
    await world.bus.ask(deleteDeviceClass, { caller: admin(), name: className });
  });

  it('that ask for more than any host has say so at once, in numbers', async () => {
    const className = await start();
    await flavor('many', { [ALIAS]: `${className}:3` });
    await expect(client().create({ flavorId: 'many' })).rejects.toThrow(`No valid host was found: flavor many asks for 3 of device class ${className}, and no host has more than 2 (4 on all hosts together).`);
  });
});

describe('a server with devices', () => {
  it('has the claimed ones in its row and on its host, wherever it goes; what it leaves is free when it is clean', async () => {
    await start();
    const { view, home, away } = await server({ flavorId: 'one' });
    const [first] = await devicesOf(view.id);
    expect([await held(view.id), home.ledger.get(view.id)?.layout?.devices?.map(({ deviceId }) => deviceId)]).toEqual([[{ purpose: 'run', device_id: first }], [first]]);
    await expect(world.bus.ask(suspendServer, as(view))).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('it has devices of its host') });
    await resize(view, 'two');
    await client().reaches(view.id, 'VERIFY_RESIZE');
    const second = await devicesOf(view.id);
    expect(second).toHaveLength(2);
    expect(away.ledger.get(view.id)?.layout?.devices).toHaveLength(2);
    expect(await held(view.id)).toHaveLength(3);
    await world.bus.ask(revertResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    expect([await devicesOf(view.id), await held(view.id)]).toEqual([[first], [{ purpose: 'run', device_id: first }]]);
    // Nobody has cleaned what the move gave back: it can't have it again.
    expect(await free()).toBe(1);
    for (const id of second) await changeDevice(runner, id, 'clean_at = generation');
    await resize(view, 'two');
    await client().reaches(view.id, 'VERIFY_RESIZE');
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    expect((await held(view.id)).map(({ purpose }) => purpose)).toEqual(['run', 'run']);
    expect(await unsoundDevices(runner)).toEqual([]);
    await client().delete(view.id);
    await expectGone(view.id);
    expect([await sql('SELECT * FROM scheduler.device_claims'), await unsoundDevices(runner)]).toEqual([[], []]);
  });

  it('is not suspended: what its devices have in themselves can not be saved', async () => {
    await start();
    const { view } = await server({ flavorId: 'one' });
    await expect(world.bus.ask(suspendServer, as(view))).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining("Cannot 'suspend' instance") });
    expect(await sql('SELECT intent, step FROM compute.instances WHERE id = $1', [view.id])).toEqual([{ intent: 'running', step: 'settled' }]);
  });

  it('evacuated from a fenced host has others where it goes; its own stay held there until nothing is left of it, and are free when they are clean', async () => {
    await start();
    const { view, home, away } = await server({ flavorId: 'two' });
    const before = await devicesOf(view.id);
    await world.fence(home);
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    await client().reaches(view.id, 'ACTIVE');
    const after = await devicesOf(view.id);
    expect(new Set([...before, ...after]).size).toBe(4);
    expect([away.ledger.get(view.id)?.layout?.devices?.length, (await held(view.id)).map(({ purpose }) => purpose.split(':')[0])]).toEqual([2, ['lost', 'lost', 'run', 'run']]);
    (home.guests.get(view.id) as { power: string }).power = 'stopped';
    await world.readmit(home);
    await eventually(async () => (await held(view.id)).length === 2, () => 'the old devices are still held');
    expect([await free(), await unsoundDevices(runner)]).toEqual([0, []]);
    for (const id of before) await changeDevice(runner, id, 'clean_at = generation');
    expect(await free()).toBe(2);
  });

  it('is one of as many as there are: the next is refused in numbers, and a project has as many as it may', async () => {
    const className = await start();
    world.limits = { ...world.limits, devices: { [className]: 6 } };
    const ids = await Promise.all(Array.from({ length: 4 }, () => client().create({ flavorId: 'one' })));
    await Promise.all(ids.map(({ id }) => client().reaches(id, 'ACTIVE')));
    expect(new Set((await Promise.all(ids.map(({ id }) => devicesOf(id)))).flat()).size).toBe(4);
    const { id } = await client().create({ flavorId: 'one' });
    expect((await client().reaches(id as InstanceId, 'ERROR')).fault?.message).toContain(`2 hosts have not enough devices free: 1 ${className} needed (most: 0 ${className}).`);
    await expect(client().create({ flavorId: 'two' })).rejects.toThrow(`Quota exceeded for devices:${className}: Requested 2, but already used 5 of 6 devices:${className}`);
  });
});
