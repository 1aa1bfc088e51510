import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { listDrift, migrateServer, rebuildServer, resizeServer, startServer, stopServer, type InstanceId } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, eventually } from '../support/compute-service.js';
import { callerOf, IMAGE_ID } from '../support/compute-world.js';
import { WholeCloud, type SimHost } from '../support/whole-cloud.js';

/** A host's folder is wiped, with or without its memory: what had run there is never built anew with an empty disk. */
let t: TestDatabase;
let cloud: WholeCloud;
let client: Client;
let a: SimHost;
let b: SimHost;

beforeAll(async () => { t = await startTestDatabase('compute'); });
afterAll(() => t.stop());
beforeEach(async () => {
  cloud = new WholeCloud(t);
  await cloud.start();
  a = await cloud.addHost(`a-${Date.now()}`);
  b = await cloud.addHost(`b-${Date.now()}`);
  client = new Client(cloud as never, callerOf('p1', { isAdmin: true, roles: ['admin'] }));
  await eventually(async () => (await cloud.view(a)).alive && (await cloud.view(b)).alive, () => 'hosts are not alive', 60_000);
});
afterEach(async () => {
  await cloud.close();
  await t.admin.query('TRUNCATE compute.instances, compute.instance_events, compute.host_feeds, compute.orphans, compute.drift, compute.departures, scheduler.claims CASCADE');
  await t.admin.query('UPDATE scheduler.hosts SET open = false');
  await t.admin.query('UPDATE scheduler.host_capacity SET enabled = false');
});

async function serverOn(host: SimHost): Promise<string> {
  const { id } = await client.create({ availabilityZone: 'nova', requestedHost: host.name });
  await client.reaches(id, 'ACTIVE', 60_000);
  return id;
}

const lost = (host: SimHost): Promise<void> => cloud.lost(host);

/** Its identity is kept; gives what was there. */
async function wipe(host: SimHost): Promise<string> {
  await host.powerOff();
  await lost(host);
  const kept = mkdtempSync(join(tmpdir(), 'kept-'));
  cpSync(host.folder, kept, { recursive: true });
  for (const name of readdirSync(host.folder)) rmSync(join(host.folder, name), { recursive: true });
  await host.boot();
  return kept;
}

const disks = async (host: SimHost, id: string): Promise<readonly number[]> => (await host.machine.list()).get(id)?.disks ?? [];
const drift = async (id: string) => (await cloud.bus.ask(listDrift, { limit: 100 })).drift.filter((entry) => entry.id === id);

describe('memory that was saved by hand on the host', () => {
  it('is shown, is not lost by a move, and is gone on from', async () => {
    const id = await serverOn(a);
    await a.machine.save(id); // virsh managedsave
    await client.reaches(id, 'SHUTOFF', 60_000);
    await eventually(async () => (await drift(id)).some(({ kind }) => kind === 'saved-memory'), () => 'not in drift');
    const move = () => cloud.bus.ask(migrateServer, { caller: client.as, instanceId: id as InstanceId, host: b.name });
    await expect(move()).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('memory is saved on its host') });
    await expect(cloud.bus.ask(resizeServer, { caller: client.as, instanceId: id as InstanceId, flavorId: '84' })).rejects.toMatchObject({ kind: 'conflict' });
    await cloud.bus.ask(startServer, { caller: client.as, instanceId: id as InstanceId });
    await client.reaches(id, 'ACTIVE', 60_000);
    await eventually(async () => (await drift(id)).length === 0, () => 'still in drift');
    await move();
    await client.reaches(id, 'VERIFY_RESIZE', 60_000);
  });
});

describe('a host that lost its folder', () => {
  it('says which disks are gone, builds nothing in their place, rebuilds when asked, and goes on with a disk that is put back', async () => {
    const [one, two, off] = [await serverOn(a), await serverOn(a), await serverOn(a)];
    await cloud.bus.ask(stopServer, { caller: client.as, instanceId: off as InstanceId });
    await client.reaches(off, 'SHUTOFF', 60_000);
    const kept = await wipe(a);
    for (const id of [one, two, off]) {
      const view = await client.reaches(id, 'ERROR', 60_000);
      expect(view.fault).toMatchObject({ message: expect.stringContaining('disk of this server is gone'), details: expect.stringMatching(new RegExp(`${a.name} has not found it[^]*put the disk back[^]*rebuild`)) });
      await eventually(async () => (await drift(id)).length === 1, () => 'not in drift');
      expect(await drift(id)).toMatchObject([{ kind: 'disk-missing', what: expect.stringContaining('disk.qcow2'), hostId: a.id }]);
      expect(await disks(a, id)).toEqual([]);
    }
    expect(await a.domains()).toEqual([]);
    // Also by an agent that starts anew on what it has heard since.
    await a.agent?.stop();
    await lost(a);
    await a.boot();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await disks(a, one)).toEqual([]);

    await cloud.bus.ask(rebuildServer, { caller: client.as, instanceId: one as InstanceId, imageId: IMAGE_ID });
    await client.reaches(one, 'ACTIVE', 60_000);
    expect(await disks(a, one)).toEqual([2]);
    await client.delete(off);
    await client.finished(off, 60_000);

    await a.powerOff();
    await lost(a);
    for (const name of readdirSync(join(kept, 'machine')).filter((file) => file.startsWith(two))) {
      // Its files alone: libvirt knows nothing of it.
      const line = JSON.parse(readFileSync(join(kept, 'machine', name), 'utf8').split('\n').at(-1) as string) as object;
      writeFileSync(join(a.folder, 'machine', name), JSON.stringify({ ...line, power: null, notes: null }));
    }
    await a.boot();
    const back = await client.reaches(two, 'ACTIVE', 60_000);
    expect(back.fault).toBeNull();
    await eventually(async () => (await drift(two)).length === 0, () => 'still in drift');
    rmSync(kept, { recursive: true });
  });

  it('builds what had never run', async () => {
    const { id } = await client.create({ availabilityZone: 'nova', requestedHost: a.name });
    await eventually(async () => (await client.get(id)).hostId === a.id, () => 'it is on no host');
    await wipe(a);
    await client.reaches(id, 'ACTIVE', 60_000);
  });

  it('is told of a disk that came from another host, and of one it keeps until a move is confirmed', async () => {
    const [moved, source] = [await serverOn(a), await serverOn(b)];
    for (const [id, host] of [[moved, b], [source, a]] as const) {
      await cloud.bus.ask(migrateServer, { caller: client.as, instanceId: id as InstanceId, host: host.name });
      await client.reaches(id, 'VERIFY_RESIZE', 60_000);
    }
    rmSync(await wipe(b), { recursive: true });
    await client.reaches(moved, 'ERROR', 60_000);
    expect(await disks(b, moved)).toEqual([]);
    await eventually(async () => (await drift(source)).some(({ kind }) => kind === 'disk-missing'), () => 'not in drift');
    expect(await disks(b, source)).toEqual([]);
    expect(await client.status(source)).toBe('VERIFY_RESIZE');
  });
});
