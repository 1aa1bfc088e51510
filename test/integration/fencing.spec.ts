import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { evacuateServer, fenceHost, hostFenced, hostServers, inspectHost, setHostPower, setHostRestart, unfenceHost, updateHost, type InstanceId } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, eventually } from '../support/compute-service.js';
import { callerOf } from '../support/compute-world.js';
import { admin } from '../support/scheduler.js';
import { WholeCloud, type SimHost } from '../support/whole-cloud.js';

let t: TestDatabase;
let cloud: WholeCloud;
let client: Client;
let a: SimHost;
let b: SimHost;
let tempo: WholeCloud['computeTempo'] = {};
/** Passwords that power switches were given. */
let asked: string[];

beforeAll(async () => { t = await startTestDatabase('compute'); });
afterAll(() => t.stop());
beforeEach(async () => {
  cloud = new WholeCloud(t);
  cloud.computeTempo = tempo;
  asked = [];
  const machine = { powerOff: async ({ address, password }: { address: string; password: string }) => { asked.push(password); await (address === 'bmc-a' ? a : b).powerOff(); return { text: 'it says Off' }; } };
  cloud.fenceAgents = { ipmi: machine, redfish: machine };
  await cloud.start();
  a = await cloud.addHost(`a-${Date.now()}`);
  b = await cloud.addHost(`b-${Date.now()}`);
  client = new Client(cloud as never, callerOf('p1', { isAdmin: true, roles: ['admin'] }));
  await eventually(async () => (await cloud.view(a)).alive && (await cloud.view(b)).alive && a.ledger.host.lease.required && b.ledger.host.lease.required, () => 'hosts are not alive', 60_000);
});
afterEach(async () => {
  await cloud.close();
  await t.admin.query('TRUNCATE compute.instances, compute.instance_events, compute.host_feeds, compute.orphans, compute.departures, scheduler.fences, scheduler.claims CASCADE');
  await t.admin.query('DELETE FROM scheduler.host_power');
  await t.admin.query('UPDATE scheduler.hosts SET open = false');
  await t.admin.query('UPDATE scheduler.host_capacity SET enabled = false');
});

const statement = 'looked at the machine: its power is off';
const fence = (host: SimHost, method: 'statement' | 'machine' = 'statement', force = false) => cloud.bus.ask(fenceHost, { caller: admin, hostId: host.id, method, statement, force });
const phase = async (host: SimHost): Promise<string | undefined> => (await cloud.bus.ask(inspectHost, { hostId: host.id })).fence?.phase;
const fenced = (host: SimHost): Promise<void> => eventually(async () => (await phase(host)) === 'done', () => 'the fence is not done', 60_000);
const lost = (host: SimHost): Promise<void> => cloud.lost(host);
const unfence = async (host: SimHost): Promise<void> => {
  await cloud.bus.ask(unfenceHost, { caller: admin, hostId: host.id });
  await eventually(async () => (await cloud.view(host)).fenced === false, () => 'it is not taken back', 60_000);
};
const servers = (host: SimHost) => cloud.bus.ask(hostServers, { caller: admin, hostId: host.id });

async function serverOn(host: SimHost): Promise<string> {
  const { id } = await client.create({ availabilityZone: 'nova', requestedHost: host.name });
  await client.reaches(id, 'ACTIVE', 60_000);
  await eventually(async () => (await host.running()).includes(id), () => 'it does not run there');
  return id;
}

describe('a host that does not answer', () => {
  it('is shown as lost within seconds, since when and why; takes nothing new; its servers keep their claims; it comes back', async () => {
    const id = await serverOn(a);
    const before = Date.now();
    a.cut();
    await lost(a);
    expect(Date.now() - before).toBeLessThan(30_000);
    const view = await cloud.view(a);
    expect(view).toMatchObject({ alive: false, condition: { state: 'lost', reason: expect.stringContaining('no beats') }, used: { instances: 1 } });
    expect(Math.abs(Date.parse(view.condition!.since!) - before)).toBeLessThan(10_000);
    await eventually(async () => (await t.admin.query("SELECT 1 FROM scheduler.host_events WHERE host_id = $1 AND kind = 'lost'", [a.id])).rowCount === 1, () => 'not booked');
    const other = await client.create();
    await client.reaches(other.id, 'ACTIVE', 60_000);
    expect((await client.get(other.id)).hostId).toBe(b.id);
    a.reconnect();
    await eventually(async () => (await cloud.view(a)).alive, () => 'it is not back', 60_000);
    await eventually(async () => (await t.admin.query("SELECT 1 FROM scheduler.host_events WHERE host_id = $1 AND kind = 'back'", [a.id])).rowCount === 1, () => 'not booked');
    expect(await a.running()).toContain(id);
    expect(cloud.twice.size).toBe(0);
  });

  it('is not called lost by a judge who was deaf', async () => {
    cloud.bus.setConnected(false);
    await new Promise((resolve) => setTimeout(resolve, cloud.aliveTimeoutMs * 2));
    cloud.bus.setConnected(true);
    for (let look = 0; look < 20; look += 1) {
      expect([(await cloud.view(a)).alive, (await cloud.view(b)).alive]).toEqual([true, true]);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect((await t.admin.query("SELECT 1 FROM scheduler.host_events WHERE kind = 'lost' AND host_id = ANY($1)", [[a.id, b.id]])).rowCount).toBe(0);
  });
});

describe('a fence', () => {
  it('is refused while the host is alive, and begun twice is one', async () => {
    await expect(fence(a)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('not gone') });
    await expect(cloud.bus.ask(fenceHost, { caller: { ...admin, isAdmin: false }, hostId: a.id, method: 'statement', statement })).rejects.toMatchObject({ kind: 'forbidden' });
    await a.powerOff();
    await lost(a);
    const [one, two] = await Promise.all([fence(a), fence(a)]);
    expect(one.id).toBe(two.id);
    await fenced(a);
    expect(await cloud.view(a)).toMatchObject({ epoch: 2, fenced: true });
    expect((await t.admin.query('SELECT epoch, fenced_epoch FROM compute.host_feeds WHERE host_id = $1', [a.id])).rows).toEqual([{ epoch: 2, fenced_epoch: 1 }]);
    expect((await t.admin.query("SELECT message, user_id FROM scheduler.host_events WHERE host_id = $1 AND kind = 'fence'", [a.id])).rows).toEqual([{ message: `by statement: ${statement}`, user_id: 'u-admin' }]);
  });

  it('lets a deletion end, and the host is told when it is taken back', async () => {
    const [gone, stays] = [await serverOn(a), await serverOn(a)];
    await a.powerOff();
    await lost(a);
    await client.delete(gone);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect((await client.inspect(gone)).step).not.toBe('finished');
    await fence(a);
    await client.finished(gone, 60_000);
    expect((await t.admin.query('SELECT host_id FROM scheduler.claims WHERE instance_id = $1', [gone])).rows).toEqual([{ host_id: null }]);

    // It boots and only reports: the disk of both is there, nothing is started and nothing destroyed.
    await a.boot();
    a.reconnect();
    await eventually(async () => (await servers(a)).returnedAt !== null, () => 'it is not back', 60_000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([await a.running(), a.destroyed, a.ledger.host.reportOnly]).toEqual([[], [], true]);
    expect((await servers(a)).leftovers.map(({ id }) => id)).toEqual([gone]);

    await unfence(a);
    await eventually(async () => (await a.running()).includes(stays), () => 'what stays does not run again', 60_000);
    await eventually(async () => !(await a.domains()).includes(gone), () => 'what is gone is still there', 60_000);
    await eventually(async () => (await servers(a)).leftovers.length === 0, () => 'its absence is not booked', 60_000);
    expect(a.destroyed).not.toContain(stays);
    await client.reaches(stays, 'ACTIVE', 60_000);
    expect((await cloud.view(a)).enabled).toBe(true);
  });

  it('a host that boots while it is cut off starts nothing; one that was never off ends what was moved, by word', async () => {
    const id = await serverOn(a);
    await a.powerOff();
    await lost(a);
    await fence(a);
    await fenced(a);
    a.cut();
    await a.boot();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await a.running()).toEqual([]);
    await rebuildElsewhere(id);
    await eventually(async () => (await b.running()).includes(id), () => 'it is not rebuilt elsewhere', 60_000);
    await client.reaches(id, 'ACTIVE', 60_000);
    a.reconnect();
    await eventually(async () => (await servers(a)).leftovers.some((left) => left.id === id && left.observedState === 'crashed'), () => 'what is left there is not shown', 60_000);
    expect([await a.running(), a.destroyed]).toEqual([[], []]);
    await unfence(a);
    await eventually(async () => !(await a.domains()).includes(id), () => 'its old disk is still there', 60_000);
    expect([await b.running(), b.destroyed]).toEqual([[id], []]);
    expect(cloud.twice.size).toBe(0);
  });

  it('proves nothing any more once the host was heard again: its servers stay', async () => {
    const id = await serverOn(a);
    a.cut();
    await lost(a);
    await fence(a); // the statement was wrong: it runs on
    await fenced(a);
    a.reconnect();
    await eventually(async () => (await servers(a)).returnedAt !== null, () => 'it is not back', 60_000);
    const other = await serverOn(b);
    await client.delete(id);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect((await client.inspect(id)).step).not.toBe('finished');
    expect(await a.running()).toEqual([id]);
    await expect(fence(a)).rejects.toMatchObject({ kind: 'conflict' });
    // The fence's word once more, held up or repeated by the bus: it was of before.
    a.cut();
    await lost(a);
    await cloud.bus.ask(hostFenced, { hostId: a.id, epoch: 1, telling: 1 });
    expect((await servers(a)).returnedAt).not.toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await client.inspect(id)).step).not.toBe('finished');

    // Now it is really off: fenced once more, the deletion ends.
    await a.powerOff();
    await lost(a);
    await fence(a);
    await client.finished(id, 60_000);
    await a.boot();
    a.reconnect();
    await eventually(async () => (await cloud.view(a)).alive, () => 'it is not alive', 60_000);
    await unfence(a);
    await eventually(async () => (await a.domains()).length === 0, () => 'something is left', 60_000);
    expect(await b.running()).toEqual([other]);
  });

  it('is finished by the next scheduler when one dies in the middle', async () => {
    await a.powerOff();
    await lost(a);
    await t.admin.query("INSERT INTO scheduler.fences (id, host_id, epoch, method, phase, statement, user_id) VALUES (gen_random_uuid(), $1, 1, 'statement', 'tell', 'x y z', 'u')", [a.id]);
    await t.admin.query('UPDATE scheduler.hosts SET fenced_at = now() WHERE id = $1', [a.id]);
    // Compute was told, and then the process died.
    await t.admin.query('UPDATE compute.host_feeds SET fenced_at = now(), fenced_epoch = 1, epoch = 2 WHERE host_id = $1', [a.id]);
    await fenced(a);
    expect(await cloud.view(a)).toMatchObject({ epoch: 2, fenced: true });
  });

  it('is what forced_down means', async () => {
    await expect(cloud.bus.ask(updateHost, { caller: admin, hostId: a.id, forcedDown: true })).rejects.toMatchObject({ kind: 'conflict' });
    await a.powerOff();
    await lost(a);
    expect(await cloud.bus.ask(updateHost, { caller: admin, hostId: a.id, forcedDown: true })).toMatchObject({ fenced: true });
    await fenced(a);
    await cloud.bus.ask(updateHost, { caller: admin, hostId: a.id, forcedDown: false });
    await eventually(async () => (await cloud.view(a)).fenced === false, () => 'not taken back', 60_000);
  });
});

describe('a loop that looks seldom', () => {
  beforeAll(() => { tempo = { waitTickMs: 600_000 }; });
  afterAll(() => { tempo = {}; });

  it('ends a deletion at once that is asked for behind a fence', async () => {
    const id = await serverOn(a);
    await a.powerOff();
    await lost(a);
    await fence(a);
    await fenced(a);
    await client.delete(id);
    await client.finished(id, 60_000);
  });
});

describe('by machine', () => {
  it('the power of a living host is cut, and only its own word that it is off counts', async () => {
    await expect(fence(a, 'machine')).rejects.toMatchObject({ kind: 'bad-request', message: expect.stringContaining('power-set') });
    await cloud.bus.ask(setHostPower, { caller: admin, hostId: a.id, power: { kind: 'redfish', address: 'bmc-a', username: 'root', password: 'hunter2' } });
    expect(JSON.stringify((await t.admin.query('SELECT * FROM scheduler.host_power')).rows)).not.toContain('hunter2');
    expect((await cloud.bus.ask(inspectHost, { hostId: a.id })).power).toEqual({ kind: 'redfish', address: 'bmc-a', username: 'root' });
    const id = await serverOn(a);
    await fence(a, 'machine', true);
    await fenced(a);
    expect(asked).toEqual(['hunter2']);
    expect((await cloud.bus.ask(inspectHost, { hostId: a.id })).fence).toMatchObject({ method: 'machine', proof: 'it says Off' });
    await rebuildElsewhere(id);
    await eventually(async () => (await b.running()).includes(id), () => 'it is not rebuilt elsewhere', 60_000);
    expect(cloud.twice.size).toBe(0);
  });
});

describe('a cloud of one machine', () => {
  it('lets it start its servers by itself, when told so', async () => {
    await cloud.bus.ask(setHostRestart, { caller: admin, hostId: a.id, restart: 'alone' });
    await eventually(() => !a.ledger.host.lease.required, () => 'it has not heard', 60_000);
    const id = await serverOn(a);
    await a.powerOff();
    a.cut();
    await a.boot();
    await eventually(async () => (await a.running()).includes(id), () => 'it was not started', 60_000);
  });
});

async function rebuildElsewhere(id: string): Promise<void> {
  await cloud.bus.ask(evacuateServer, { caller: client.as, instanceId: id as InstanceId, host: null });
}
