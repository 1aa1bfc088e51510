/** What people ask of a server beside start, stop and reboot: the owner's side against PostgreSQL and scripted hosts. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  deleteServerMetadata, deleteServerTag, forceDeleteServer, lockServer, pauseServer, rebootServer, rebuildServer, resetServerState, resumeServer, setServerMetadata, setServerTags,
  startServer, stopServer, suspendServer, unlockServer, unpauseServer, type Caller, type InstanceId, type InstanceView,
} from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, ComputeUnderTest, eventually } from '../support/compute-service.js';
import { callerOf, ComputeWorld, IMAGE_ID } from '../support/compute-world.js';

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest;
let client: Client;
let admin: Client;

beforeAll(async () => { t = await startTestDatabase('compute'); });
afterAll(() => t.stop());
beforeEach(async () => {
  world = new ComputeWorld();
  client = new Client(world);
  admin = new Client(world, callerOf('p-admin', { isAdmin: true, userId: 'root' }));
  compute = await new ComputeUnderTest(world, t.db).start();
});
afterEach(async () => {
  await compute.stop();
  await world.close();
  await t.admin.query('TRUNCATE compute.instances, compute.instance_events, compute.host_feeds, compute.orphans, compute.keypairs, compute.flavors CASCADE');
  expect(world.broken).toEqual([]);
});

const active = async (): Promise<InstanceView> => client.reaches((await client.create({ metadata: { a: 'b' }, tags: ['one'] })).id, 'ACTIVE');
type ById = { caller: Caller; instanceId: InstanceId };
const of = (view: { id: string }, as: Client = client): ById => ({ caller: as.as, instanceId: view.id as InstanceId });

describe('levels', () => {
  it('pauses and goes on, suspends and resumes', async () => {
    const server = await active();
    await world.bus.ask(pauseServer, of(server));
    await client.reaches(server.id, 'PAUSED');
    expect(world.hostOf(server.id).domains.get(server.id)?.state).toBe('paused');
    await expect(world.bus.ask(suspendServer, of(server))).rejects.toMatchObject({ kind: 'conflict', message: `Cannot 'suspend' instance ${server.id} while it is in vm_state paused` });
    await world.bus.ask(unpauseServer, of(server));
    await client.reaches(server.id, 'ACTIVE');
    await world.bus.ask(suspendServer, of(server));
    await client.reaches(server.id, 'SUSPENDED');
    await world.bus.ask(resumeServer, of(server));
    await client.reaches(server.id, 'ACTIVE');
    await world.bus.ask(pauseServer, of(server));
    await client.reaches(server.id, 'PAUSED');
    await world.bus.ask(rebootServer, { ...of(server), type: 'hard' });
    await client.reaches(server.id, 'ACTIVE');
    const kinds = (await client.inspect(server.id)).events.map(({ kind }) => kind).filter((kind) => !['wait', 'doing', 'trouble'].includes(kind));
    expect(kinds.slice(3)).toEqual(['pause', 'paused', 'unpause', 'started', 'suspend', 'suspended', 'resume', 'started', 'pause', 'paused', 'reboot', 'rebooted']);
  });

  it('a paused guest that is gone from its memory is off from then on', async () => {
    const server = await active();
    await world.bus.ask(pauseServer, of(server));
    await client.reaches(server.id, 'PAUSED');
    world.powerOff(server.id);
    await client.reaches(server.id, 'SHUTOFF');
  });
});

it('is refused where the host’s agent is too old for it', async () => {
  const server = await active();
  world.hostOf(server.id).capabilities = [];
  await new Promise((done) => setTimeout(done, 50));
  await expect(world.bus.ask(pauseServer, of(server))).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('the agent of its host is older') });
  await expect(world.bus.ask(rebuildServer, { ...of(server), imageId: IMAGE_ID })).rejects.toMatchObject({ kind: 'conflict' });
  expect(await client.status(server.id)).toBe('ACTIVE');
});

describe('lock', () => {
  it('holds back its owner, not an admin; an admin’s lock is not its owner’s to take off', async () => {
    const server = await active();
    await world.bus.ask(lockServer, { ...of(server), reason: 'mine' });
    expect(await client.get(server.id)).toMatchObject({ locked: true, lockedReason: 'mine' });
    for (const contract of [stopServer, pauseServer, forceDeleteServer]) {
      await expect(world.bus.ask(contract, of(server))).rejects.toMatchObject({ kind: 'conflict', message: `Instance ${server.id} is locked` });
    }
    await world.bus.ask(stopServer, of(server, admin));
    await client.reaches(server.id, 'SHUTOFF');
    await world.bus.ask(lockServer, { ...of(server, admin), reason: null });
    await expect(world.bus.ask(unlockServer, of(server))).rejects.toMatchObject({ kind: 'forbidden' });
    await world.bus.ask(unlockServer, of(server, admin));
    await world.bus.ask(startServer, of(server));
    expect(await client.reaches(server.id, 'ACTIVE')).toMatchObject({ locked: false, lockedReason: null });
  });
});

describe('rebuild', () => {
  it('keeps id, host and claim; the disk is of the other image', async () => {
    const server = await active();
    const host = world.hostOf(server.id);
    const before = host.domains.get(server.id)?.built;
    const request = { ...of(server), imageId: IMAGE_ID, name: 'anew', metadata: { c: 'd' }, userData: null };
    await world.bus.ask(rebuildServer, request);
    await world.bus.ask(rebuildServer, request); // its answer was lost
    const after = await client.reaches(server.id, 'ACTIVE');
    expect(after).toMatchObject({ name: 'anew', metadata: { c: 'd' }, rebuilding: false, hostId: host.id, specGeneration: server.specGeneration + 1 });
    expect(host.domains.get(server.id)?.built).toEqual({ specGeneration: before!.specGeneration + 1, diskGeneration: 2 });
    expect((await client.inspect(server.id)).events.map(({ kind }) => kind).slice(3)).toEqual(['rebuild', 'rebuilt']);
  });

  it('is not done before the host has built it', async () => {
    const server = await active();
    const host = world.hostOf(server.id);
    host.idle = true;
    await world.bus.ask(rebuildServer, { ...of(server), imageId: IMAGE_ID });
    await client.reaches(server.id, 'REBUILD/rebuilding');
    await new Promise((done) => setTimeout(done, 300));
    expect(await client.status(server.id)).toBe('REBUILD/rebuilding');
    await expect(world.bus.ask(stopServer, of(server))).rejects.toMatchObject({ message: `Cannot 'stop' instance ${server.id} while it is in task_state rebuilding` });
    host.idle = false;
    await client.reaches(server.id, 'ACTIVE');
  });

  it('leaves a stopped one stopped, and makes a failed build of another image', async () => {
    const server = await active();
    await world.bus.ask(stopServer, of(server));
    await client.reaches(server.id, 'SHUTOFF');
    await world.bus.ask(rebuildServer, { ...of(server), imageId: IMAGE_ID });
    await client.reaches(server.id, 'SHUTOFF');
    expect(world.hostOf(server.id).domains.get(server.id)?.built?.diskGeneration).toBe(2);

    world.full = true;
    const failed = await client.create();
    await client.reaches(failed.id, 'ERROR');
    world.full = false;
    await world.bus.ask(rebuildServer, { ...of(failed), imageId: IMAGE_ID });
    await client.reaches(failed.id, 'ACTIVE');
  });

  it('refuses an image that needs more than was claimed', async () => {
    const server = await active();
    world.image = { ...world.image, virtualSizeBytes: 5000 * 1024 ** 3 };
    await expect(world.bus.ask(rebuildServer, { ...of(server), imageId: IMAGE_ID })).rejects.toMatchObject({ kind: 'bad-request', message: expect.stringContaining("Flavor's disk is too small") });
    expect(await client.status(server.id)).toBe('ACTIVE');
  });

  it('is deleted while it is rebuilt', async () => {
    const server = await active();
    world.hostOf(server.id).idle = true;
    await world.bus.ask(rebuildServer, { ...of(server), imageId: IMAGE_ID });
    await client.delete(server.id);
    for (const host of world.hosts) host.idle = false;
    await client.finished(server.id);
    await eventually(() => world.claims.size === 0, () => 'the claim is released');
  });
});

describe('reset state', () => {
  it('puts an ERROR on, and takes it away', async () => {
    const server = await active();
    await world.bus.ask(resetServerState, { ...of(server, admin), state: 'error' });
    expect((await client.reaches(server.id, 'ERROR')).fault?.message).toBe('An administrator set the server to ERROR.');
    await world.bus.ask(resetServerState, { ...of(server, admin), state: 'active' });
    expect((await client.reaches(server.id, 'ACTIVE')).fault).toBeNull();
  });

  it('an ERROR put on while placement has not answered yet holds nothing', async () => {
    world.schedulerStammers = true;
    const server = await client.create();
    await eventually(() => world.claims.has(server.id), () => 'no claim');
    // The loop that asked is no more: nobody else would ever look at the server.
    await t.admin.query("UPDATE compute.instances SET lease_owner = gen_random_uuid(), lease_until = now() + interval '1 second', version = version + 1 WHERE id = $1", [server.id]);
    await world.bus.ask(resetServerState, { ...of(server, admin), state: 'error' });
    world.schedulerStammers = false;
    await eventually(() => !world.claims.has(server.id), () => 'its claim stays');
    expect((await client.reaches(server.id, 'ERROR')).fault?.message).toBe('An administrator set the server to ERROR.');
    await world.bus.ask(startServer, of(server));
    await client.reaches(server.id, 'ACTIVE');
  });

  it('an ERROR put on a build takes it back from its host', async () => {
    for (const host of world.hosts) host.idle = true;
    const server = await client.create();
    await eventually(() => world.hosts.some(({ ledger }) => ledger.has(server.id)), () => 'no host has it');
    await world.bus.ask(resetServerState, { ...of(server, admin), state: 'error' });
    const where = async (): Promise<string> => JSON.stringify((await t.admin.query('SELECT step, host_id FROM compute.instances WHERE id = $1', [server.id])).rows[0]);
    await eventually(async () => (await where()) === '{"step":"failed","host_id":null}', () => 'it stays on its host');
    expect(world.claims.has(server.id)).toBe(false);
  });

  it('an ERROR put on a failed build that is taken back does not hold that up', async () => {
    for (const host of world.hosts) host.broken = true;
    const server = await client.create();
    await eventually(() => world.hosts.some(({ ledger }) => ledger.has(server.id)), () => 'no host has it');
    world.schedulerAway = true;
    await eventually(async () => (await client.inspect(server.id)).lastError !== null, () => 'it was not tried');
    await world.bus.ask(resetServerState, { ...of(server, admin), state: 'error' });
    world.schedulerAway = false;
    await eventually(async () => (await client.inspect(server.id)).host === null, () => 'it stays on its host');
    expect(world.claims.has(server.id)).toBe(false);
  });
});

describe('labels', () => {
  it('metadata is held to the same limits however it comes', async () => {
    const server = await active();
    const many = (count: number, chars: number): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`.padEnd(255, 'x'), 'v'.repeat(chars)]));
    const ways = [
      (metadata: Record<string, string>) => client.create({ metadata }),
      (metadata: Record<string, string>) => world.bus.ask(rebuildServer, { ...of(server), imageId: IMAGE_ID, metadata }),
      (metadata: Record<string, string>) => world.bus.ask(setServerMetadata, { ...of(server), metadata, replace: true }),
    ];
    for (const way of ways) {
      await expect(way(many(129, 1))).rejects.toMatchObject({ kind: 'over-quota', message: 'Maximum number of metadata items exceeds 128' });
    }
    // The contract that says metadata alone holds it by itself.
    for (const way of ways.slice(0, 2)) await expect(way({ a: 'v'.repeat(256) })).rejects.toMatchObject({ kind: 'bad-request' });
    // What is added counts with what is there.
    await world.bus.ask(setServerMetadata, { ...of(server), metadata: many(128, 255), replace: true });
    await expect(world.bus.ask(setServerMetadata, { ...of(server), metadata: { one: 'more' }, replace: false })).rejects.toMatchObject({ kind: 'over-quota' });
  });

  it('metadata: added, replaced, taken away', async () => {
    const server = await active();
    expect(await world.bus.ask(setServerMetadata, { ...of(server), metadata: { c: 'd' }, replace: false })).toEqual({ metadata: { a: 'b', c: 'd' } });
    await world.bus.ask(deleteServerMetadata, { ...of(server), key: 'a' });
    expect((await client.get(server.id)).metadata).toEqual({ c: 'd' });
    await expect(world.bus.ask(deleteServerMetadata, { ...of(server), key: 'a' })).rejects.toMatchObject({ kind: 'not-found' });
    expect(await world.bus.ask(setServerMetadata, { ...of(server), metadata: {}, replace: true })).toEqual({ metadata: {} });
    world.limits = { ...world.limits, metadataItems: 1 };
    await new Promise((done) => setTimeout(done, 2_100));
    await expect(world.bus.ask(setServerMetadata, { ...of(server), metadata: { a: '1', b: '2' }, replace: true })).rejects.toMatchObject({ kind: 'over-quota' });
  });

  it('tags: added, replaced, taken away; fifty at most', async () => {
    const server = await active();
    expect(await world.bus.ask(setServerTags, { ...of(server), tags: ['two'], replace: false })).toEqual({ tags: ['one', 'two'], added: true });
    expect(await world.bus.ask(setServerTags, { ...of(server), tags: ['two'], replace: false })).toEqual({ tags: ['one', 'two'], added: false });
    await world.bus.ask(deleteServerTag, { ...of(server), tag: 'one' });
    await expect(world.bus.ask(deleteServerTag, { ...of(server), tag: 'one' })).rejects.toMatchObject({ kind: 'not-found' });
    const fifty = Array.from({ length: 50 }, (_, n) => `t${n}`);
    await world.bus.ask(setServerTags, { ...of(server), tags: fifty, replace: true });
    await expect(world.bus.ask(setServerTags, { ...of(server), tags: ['more'], replace: false })).rejects.toMatchObject({ kind: 'bad-request' });
    await world.bus.ask(deleteServerTag, { ...of(server), tag: null });
    expect((await client.get(server.id)).tags).toEqual([]);
  });

  it('many at once: each is kept, none is refused', async () => {
    const server = await active();
    await Promise.all(Array.from({ length: 40 }, (_, n) => world.bus.ask(setServerTags, { ...of(server), tags: [`t${n}`], replace: false })));
    expect((await client.get(server.id)).tags).toHaveLength(41);
  });

  it('a stranger sees none of it', async () => {
    const server = await active();
    const stranger = new Client(world, callerOf('p2'));
    for (const ask of [
      () => world.bus.ask(pauseServer, of(server, stranger)), () => world.bus.ask(lockServer, { ...of(server, stranger), reason: null }),
      () => world.bus.ask(rebuildServer, { ...of(server, stranger), imageId: IMAGE_ID }), () => world.bus.ask(setServerMetadata, { ...of(server, stranger), metadata: {}, replace: true }),
      () => world.bus.ask(setServerTags, { ...of(server, stranger), tags: [], replace: true }), () => world.bus.ask(resetServerState, { ...of(server, stranger), state: 'error' }),
    ]) await expect(ask()).rejects.toMatchObject({ kind: 'not-found' });
  });
});
