import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  createKeypair, createServers, deleteKeypair, getConsoleLog, getUsage, hostImageUrl, listFlavors, listKeypairs, pullDesired, rebootServer, reportObserved, startServer, stopServer, updateServer,
  type InstanceId,
} from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { seedCompute } from '../../apps/compute/src/compute.module.js';
import { Client, ComputeUnderTest, eventually, FAST, request, watched } from '../support/compute-service.js';
import { callerOf, ComputeWorld, IMAGE_ID } from '../support/compute-world.js';

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest | undefined;
let client: Client;

beforeAll(async () => { t = await startTestDatabase('compute'); });
afterAll(() => t.stop());
beforeEach(() => {
  world = new ComputeWorld();
  client = new Client(world);
});
afterEach(async () => {
  await compute?.stop();
  compute = undefined;
  await world.close();
  await t.admin.query('TRUNCATE compute.instances, compute.instance_events, compute.host_feeds, compute.orphans, compute.keypairs, compute.flavors CASCADE');
  expect(world.broken).toEqual([]);
});
const serve = async (config: Partial<typeof FAST & { buildDeadlineMs: number; claimDeadlineMs: number }> = FAST): Promise<void> => { compute = await new ComputeUnderTest(world, t.db, config).start(); };
const id = (view: { id: string }): InstanceId => view.id as InstanceId;
const kinds = async (instanceId: string): Promise<string[]> => (await client.inspect(instanceId)).events.map(({ kind }) => kind).filter((kind) => !['wait', 'doing', 'trouble'].includes(kind));

describe('the life of a server', () => {
  it('is created, runs, stops, starts, reboots, and is gone without a trace', async () => {
    await serve();
    const made = await client.create({ name: 'My Web', metadata: { a: 'b' }, userData: Buffer.from('hi').toString('base64') });
    expect(made).toMatchObject({ name: 'My Web', hostname: 'my-web', intent: 'running', step: 'claim-host', hostId: null });
    const running = await client.reaches(made.id, 'ACTIVE');
    expect(running.launchedAt).not.toBeNull();
    expect(world.hostOf(made.id).ledger.get(made.id)?.configDrive).toMatchObject({ 'openstack/latest/user_data': 'hi' });

    await world.bus.ask(stopServer, { caller: client.as, instanceId: id(made) });
    await client.reaches(made.id, 'SHUTOFF');
    await expect(world.bus.ask(stopServer, { caller: client.as, instanceId: id(made) })).rejects.toMatchObject({ kind: 'conflict', message: `Cannot 'stop' instance ${made.id} while it is in vm_state stopped` });
    await world.bus.ask(startServer, { caller: client.as, instanceId: id(made) });
    await client.reaches(made.id, 'ACTIVE');
    const reboot = { caller: client.as, instanceId: id(made), type: 'soft' as const };
    await world.bus.ask(rebootServer, reboot);
    await world.bus.ask(rebootServer, reboot); // the same request again: its answer was lost
    expect((await client.reaches(made.id, 'ACTIVE')).rebootCount).toBe(1);
    await eventually(() => world.hostOf(made.id).domains.get(made.id)?.rebootCount === 1, () => 'the host rebooted it once');
    expect(await world.bus.ask(updateServer, { caller: client.as, instanceId: id(made), name: 'other' })).toMatchObject({ name: 'other', hostname: 'my-web' });
    expect((await world.bus.ask(getConsoleLog, { caller: client.as, instanceId: id(made) })).output).toContain('log of host-');

    await client.delete(made.id);
    await expect(client.get(made.id)).rejects.toMatchObject({ kind: 'not-found' });
    await expect(client.delete(made.id)).rejects.toMatchObject({ kind: 'not-found' });
    await client.finished(made.id);
    expect(await kinds(made.id)).toEqual(['create', 'assigned', 'launched', 'stop', 'stopped', 'start', 'started', 'reboot', 'rebooted', 'update', 'delete', 'absent', 'deleted']);
    await eventually(() => world.hosts.every(({ ledger, domains }) => ledger.size === 0 && domains.size === 0), () => 'the hosts forgot it');
    expect(world.claims.size).toBe(0);
    expect((await world.bus.ask(getUsage, { caller: client.as, projectId: 'p1' })).instances).toBe(0);
  });

  it('boots with three commits of its own: create, hand over, report', async () => {
    const writes: string[] = [];
    const db = watched(t.db, { after: (text, rows) => { if (rows > 0) writes.push(text.slice(0, 60)); } });
    compute = await new ComputeUnderTest(world, db, { ...FAST, leaseMs: 600_000, waitTickMs: 600_000, nudgeAfterMs: 600_000, loopPollMs: 600_000 }).start();
    const first = await client.create();
    await client.reaches(first.id, 'ACTIVE');
    await new Promise((done) => setTimeout(done, 100));
    writes.length = 0;
    const second = await client.create();
    await client.reaches(second.id, 'ACTIVE');
    await client.reaches((await client.create()).id, 'ACTIVE');
    // Both hosts are known by now (their epochs are stored): nothing is left but the three.
    writes.length = 0;
    await client.reaches((await client.create()).id, 'ACTIVE');
    expect(writes).toHaveLength(3);
  });

  it('is hidden at once and ends finished when deleted at any moment', async () => {
    await serve();
    for (let delay = 0; delay < 12; delay += 1) {
      const made = await client.create();
      await new Promise((done) => setTimeout(done, delay * 2));
      await client.delete(made.id);
      await expect(client.get(made.id)).rejects.toMatchObject({ kind: 'not-found' });
      await client.finished(made.id);
    }
    expect(world.claims.size).toBe(0);
  });

  it('ends in ERROR with filters and numbers when nothing has room, and a start tries again', async () => {
    world.full = true;
    await serve();
    const made = await client.create();
    const failed = await client.reaches(made.id, 'ERROR');
    expect(failed.fault?.message).toBe('No valid host was found. 2 hosts were considered. ram refused 2: 2 hosts have less than 128 MiB free (most: 64).');
    expect(failed.fault?.details).toContain('host-1: ram needs 128, free 64');
    expect((await client.inspect(made.id)).placement).toMatchObject({ hostsConsidered: 2 });
    world.full = false;
    await world.bus.ask(startServer, { caller: client.as, instanceId: id(made) });
    expect((await client.reaches(made.id, 'ACTIVE')).fault).toBeNull();
  });

  it('takes a failed build back from its host, releases its claim, and can be started again', async () => {
    for (const host of world.hosts) host.broken = true;
    await serve();
    const made = await client.create();
    expect((await client.reaches(made.id, 'ERROR')).fault?.message).toBe('Build of the server failed on its host: the disk is full');
    await eventually(async () => (await client.get(made.id)).hostId === null, () => 'it has no host any more');
    expect(world.claims.size).toBe(0);
    for (const host of world.hosts) host.broken = false;
    await world.bus.ask(startServer, { caller: client.as, instanceId: id(made) });
    await client.reaches(made.id, 'ACTIVE');
    await client.delete(made.id);
    await client.finished(made.id);
  });

  it('gives back a claim whose answer never came, and can be started again', async () => {
    world.schedulerStammers = true;
    await serve({ ...FAST, claimDeadlineMs: 1_000 });
    const made = await client.create();
    expect((await client.reaches(made.id, 'ERROR')).fault?.message).toMatch(/^Placement gave no answer but errors/);
    await eventually(() => world.claims.size === 0, () => 'the claim is held still');
    world.schedulerStammers = false;
    await world.bus.ask(startServer, { caller: client.as, instanceId: id(made) });
    await client.reaches(made.id, 'ACTIVE');
  });

  it('waits for what is out of reach, says so, and never makes it an ERROR', async () => {
    world.schedulerAway = true;
    await serve({ ...FAST, buildDeadlineMs: 1_000 });
    const made = await client.create();
    const since = performance.now();
    await eventually(async () => (await client.inspect(made.id)).attempts > 3 && performance.now() - since > 1_200, () => 'tried several times');
    expect((await client.inspect(made.id)).waitingFor).toContain('The scheduler is away.');
    expect(await client.status(made.id)).toBe('BUILD/scheduling');
    world.schedulerAway = false;
    await client.reaches(made.id, 'ACTIVE');
  });

  it('is deleted at once while its claim cannot be had, however long leases are', async () => {
    world.schedulerAway = true;
    await serve({ ...FAST, leaseMs: 600_000 });
    const made = await client.create();
    await eventually(async () => (await client.inspect(made.id)).attempts > 0, () => 'tried once');
    await client.delete(made.id);
    await expect(client.get(made.id)).rejects.toMatchObject({ kind: 'not-found' });
    world.schedulerAway = false;
    await client.finished(made.id, 60_000);
    expect(world.tombstones.get(made.id)).toBe(1);
  });

  it('counts a deadline only while the host is alive', async () => {
    for (const host of world.hosts) { host.idle = true; }
    await serve({ ...FAST, buildDeadlineMs: 2_000 });
    const made = await client.create();
    await eventually(async () => (await client.get(made.id)).hostId !== null, () => 'has a host');
    for (const host of world.hosts) host.alive = false;
    await new Promise((done) => setTimeout(done, 2_500));
    expect(await client.status(made.id)).toBe('BUILD/spawning');
    expect((await client.inspect(made.id)).waitingFor).toContain('which does not answer');
    for (const host of world.hosts) host.alive = true;
    expect((await client.reaches(made.id, 'ERROR')).fault?.message).toContain('The host did not finish building the server within');
    for (const host of world.hosts) host.idle = false;
    await eventually(async () => (await client.get(made.id)).hostId === null, () => 'taken back');
  });

  it('follows a guest that switches itself off, as Nova does', async () => {
    await serve();
    const made = await client.create();
    await client.reaches(made.id, 'ACTIVE');
    world.powerOff(made.id);
    await eventually(async () => (await client.get(made.id)).intent === 'stopped', () => 'the intent follows');
    await client.reaches(made.id, 'SHUTOFF');
    world.selfStopped.clear();
    await world.bus.ask(startServer, { caller: client.as, instanceId: id(made) });
    await client.reaches(made.id, 'ACTIVE');
    expect(await kinds(made.id)).toEqual(expect.arrayContaining(['powered-off']));
  });
});

describe('quota and idempotence', () => {
  it('64 parallel creates against a quota of 10 make exactly 10', async () => {
    world.limits = { ...world.limits, instances: 10 };
    await serve();
    const answers = await Promise.allSettled(Array.from({ length: 64 }, () => client.create()));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ kind: 'over-quota', message: 'Quota exceeded for instances: Requested 1, but already used 10 of 10 instances' });
    await eventually(async () => (await t.admin.query("SELECT 1 FROM compute.instances WHERE step <> 'settled'")).rowCount === 0, () => 'all settle');
    expect((await t.admin.query('SELECT 1 FROM compute.instances')).rowCount).toBe(10);
  });

  it('makes several at once, as many as are allowed, and the same ids again are the same servers', async () => {
    world.limits = { ...world.limits, instances: 3 };
    await serve();
    const wanted = request(client.as, { instanceIds: Array.from({ length: 5 }, () => randomUUID()), minCount: 2, name: 'w' });
    const answers = await Promise.all(Array.from({ length: 4 }, () => world.bus.ask(createServers, wanted)));
    for (const { instances } of answers) expect(instances.map(({ name, launchIndex }) => `${name}:${launchIndex}`)).toEqual(['w-1:0', 'w-2:1', 'w-3:2']);
    expect((await t.admin.query('SELECT 1 FROM compute.instances')).rowCount).toBe(3);
    await expect(world.bus.ask(createServers, { ...wanted, caller: callerOf('p2') })).rejects.toMatchObject({ kind: 'conflict' });
  });

  it.each([
    [{ flavorId: 'none' }, 'Flavor none could not be found.'], [{ keyName: 'k' }, 'Invalid key_name provided: k.'], [{ userData: 'a' }, 'User data needs to be valid base 64.'],
    [{ availabilityZone: 'mars' }, 'The requested availability zone is not available: mars'],
  ])('refuses %j', async (change, message) => {
    await serve();
    await expect(client.create(change)).rejects.toMatchObject({ kind: 'bad-request', message });
  });
});

describe('hosts', () => {
  it('hear of their own servers only, in the order of their feed, and read images they need', async () => {
    await serve();
    for (let i = 0; i < 4; i += 1) await client.reaches((await client.create()).id, 'ACTIVE');
    const [one, two] = world.hosts as [typeof world.hosts[0], typeof world.hosts[0]];
    const pull = (hostId: string, bootId: string, since = 0): ReturnType<typeof world.bus.ask<typeof pullDesired>> => world.bus.ask(pullDesired, { bootId, since }, { hostId });
    const ofOne = await pull(one.id, one.bootId);
    expect(ofOne.entries.map(({ instance }) => instance.id).sort()).toEqual([...one.ledger.keys()].sort());
    expect(ofOne.entries.map(({ sequence }) => sequence)).toEqual([...ofOne.entries.map(({ sequence }) => sequence)].sort((a, b) => a - b));
    expect(await pull(one.id, one.bootId, ofOne.upTo)).toMatchObject({ entries: [], upTo: ofOne.upTo, more: false, reportOnly: false });
    expect(await pull(one.id, one.bootId, ofOne.upTo + 1)).toMatchObject({ entries: [], reportOnly: true });
    await expect(pull(one.id, randomUUID())).rejects.toMatchObject({ kind: 'conflict' });
    await expect(pull(randomUUID(), one.bootId)).rejects.toMatchObject({ kind: 'forbidden' });
    expect((await world.bus.ask(hostImageUrl, { imageId: IMAGE_ID }, { hostId: two.id })).url).toContain('http');
    await expect(world.bus.ask(hostImageUrl, { imageId: randomUUID() }, { hostId: two.id })).rejects.toMatchObject({ kind: 'forbidden' });
  });

  it('get pages that fit a message', async () => {
    for (const host of world.hosts) host.idle = true;
    world.hosts.splice(1);
    await serve();
    const userData = Buffer.alloc(48_000, 'x').toString('base64');
    const { instances } = await world.bus.ask(createServers, request(client.as, { instanceIds: Array.from({ length: 30 }, () => randomUUID()), minCount: 30, userData }));
    const [host] = world.hosts as [typeof world.hosts[0]];
    await eventually(() => host.ledger.size === 30, () => `the ledger holds ${host.ledger.size}`);
    const page = await world.bus.ask(pullDesired, { bootId: host.bootId, since: 0 }, { hostId: host.id });
    expect(page.more).toBe(true);
    expect(JSON.stringify(page).length).toBeLessThan(600_000);
    expect(instances).toHaveLength(30);
    host.idle = false;
  });

  it('count only in their epoch, incarnation and session, and only for their own servers', async () => {
    await serve();
    const made = await client.create();
    await client.reaches(made.id, 'ACTIVE');
    const owner = world.hostOf(made.id);
    const other = world.hosts.find((host) => host !== owner) as typeof owner;
    const seen = { ...owner.observe(made.id), state: 'crashed' as const } as NonNullable<ReturnType<typeof owner.observe>>;
    const report = (host: typeof owner, change: object): Promise<unknown> =>
      world.bus.ask(reportObserved, { bootId: host.bootId, epoch: 1, incarnation: 1, instances: [seen], orphans: [], ...change }, { hostId: host.id });
    await expect(report(owner, { incarnation: 2 })).rejects.toMatchObject({ kind: 'stale' });
    await expect(report(owner, { epoch: 2 })).rejects.toMatchObject({ kind: 'stale' });
    await expect(report(owner, { bootId: randomUUID() })).rejects.toMatchObject({ kind: 'conflict' });
    await report(other, {});
    await report(owner, { instances: [{ ...seen, generation: 0 + seen.generation - 1 }] });
    expect(await client.status(made.id)).toBe('ACTIVE');
    // What the other host said it has is nobody's wish there: shown as an orphan.
    expect((await t.admin.query('SELECT host_id FROM compute.orphans')).rows).toEqual([{ host_id: other.id }]);
    // Fenced: what the old session still says does not count, even where only the stored epoch is known.
    owner.epoch = 2;
    await eventually(async () => (await t.admin.query('SELECT 1 FROM compute.host_feeds WHERE host_id = $1 AND epoch = 2', [owner.id])).rowCount === 1, () => 'its new epoch is not stored');
    world.schedulerAway = true;
    await new Promise((done) => setTimeout(done, 50));
    await expect(report(owner, { epoch: 1 })).rejects.toMatchObject({ kind: 'stale' });
    world.schedulerAway = false;
  });
});

describe('flavors and keypairs', () => {
  it('seeds the known flavors once', async () => {
    await serve();
    await seedCompute(t.db);
    const { flavors } = await world.bus.ask(listFlavors, { caller: client.as, isPublic: null, limit: 1000 });
    expect(flavors.map(({ id: flavorId, name, ramMib }) => `${flavorId} ${name} ${ramMib}`)).toEqual(['1 m1.tiny 512', '2 m1.small 2048', '3 m1.medium 4096', '4 m1.large 8192', '42 m1.nano 128', '84 m1.micro 192']);
    expect(await world.bus.ask(listFlavors, { caller: client.as, isPublic: null, limit: 2, marker: '2' })).toMatchObject({ flavors: [{ id: '3' }, { id: '4' }], more: true });
  });

  it('makes keys, goes into servers with them, and keeps to the limit', async () => {
    world.limits = { ...world.limits, keypairs: 2 };
    await serve();
    const make = (name: string): Promise<{ privateKey: string | null; keypair: { publicKey: string } }> => world.bus.ask(createKeypair, { caller: client.as, name, type: 'ssh', publicKey: null });
    const { privateKey, keypair } = await make('k1');
    expect(privateKey).toContain('RSA PRIVATE KEY');
    await expect(make('k1')).rejects.toMatchObject({ kind: 'conflict' });
    const answers = await Promise.allSettled(['a', 'b', 'c'].map(make));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const made = await client.create({ keyName: 'k1' });
    await world.bus.ask(deleteKeypair, { caller: client.as, userId: 'u1', name: 'k1' });
    await client.reaches(made.id, 'ACTIVE');
    expect(world.hostOf(made.id).ledger.get(made.id)?.configDrive['openstack/latest/meta_data.json']).toContain(keypair.publicKey);
    await expect(world.bus.ask(listKeypairs, { caller: client.as, userId: 'somebody', limit: 10 })).rejects.toMatchObject({ kind: 'forbidden' });
  });
});
