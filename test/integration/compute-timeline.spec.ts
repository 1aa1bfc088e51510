/** Timelines and the outbox over real PostgreSQL: what rows tell, in which order commits are given, and how partitions come and go. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bookDeviceTroubles, deviceTrouble, listChanges, readTimeline, stopServer, type HostId, type InstanceId, type OutputOf } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, ComputeUnderTest, eventually } from '../support/compute-service.js';
import { ComputeWorld } from '../support/compute-world.js';

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest;
beforeAll(async () => {
  t = await startTestDatabase('compute');
  world = new ComputeWorld(1);
  compute = await new ComputeUnderTest(world, t.db).start();
});
afterAll(async () => {
  await compute?.stop();
  await world?.close();
  await t?.stop();
});

const read = (client: Client, id: string, change: object = {}): Promise<OutputOf<typeof readTimeline>> =>
  world.bus.ask(readTimeline, { caller: client.as, instanceId: id as InstanceId, deletedToo: false, withLines: true, limit: 100, ...change });
const changes = (after: OutputOf<typeof listChanges>['upTo'] | null, change: object = {}): Promise<OutputOf<typeof listChanges>> =>
  world.bus.ask(listChanges, { after: after === null ? null : { ...after, incarnation: 1 }, limit: 1_000, ...change });

describe('the timeline of a server', () => {
  it('tells a create, a stop and a delete: who, which steps, how long, where; and carries the request of each', async () => {
    const client = new Client(world);
    const { id } = await client.create();
    await client.reaches(id, 'ACTIVE');
    const caller = client.as;
    await world.bus.ask(stopServer, { caller, instanceId: id });
    await client.reaches(id, 'SHUTOFF');
    const { entries } = await read(client, id);
    expect(entries.map(({ action, failed, finishedAt, userId }) => [action, failed, finishedAt !== null, userId])).toEqual([['stop', false, true, 'u1'], ['create', false, true, 'u1']]);
    expect(entries[0]?.requestId).toBe(caller.requestId);
    const [first, second] = entries[1]?.lines.filter(({ what, name }) => what === 'step' && !name.startsWith('host:')) ?? [];
    expect(first).toMatchObject({ name: 'claim-host', ended: 'assigned', outcome: 'success', hostName: 'host-1' });
    expect(second).toMatchObject({ name: 'wait-host', ended: 'launched', outcome: 'success', hostName: 'host-1' });
    expect((first?.durationMs ?? -1) >= 0 && second?.startedAt === first?.finishedAt).toBe(true);

    await client.delete(id);
    await client.finished(id);
    await expect(read(client, id)).rejects.toMatchObject({ kind: 'not-found' });
    expect((await read(client, id, { deletedToo: true })).entries[0]).toMatchObject({ action: 'delete', failed: false, finishedAt: expect.any(String) });
    await expect(read(new Client(world, { ...client.caller, projectId: 'p2' }), id, { deletedToo: true })).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('tells a wait with its reason once, however often it is tried, and the error that ended a build', async () => {
    const client = new Client(world);
    world.schedulerAway = true;
    const { id } = await client.create();
    await eventually(async () => ((await client.inspect(id)).attempts) >= 3, () => 'not tried three times');
    world.schedulerAway = false;
    await client.reaches(id, 'ACTIVE');
    const waits = (await read(client, id)).entries[0]?.lines.filter(({ what }) => what === 'wait') ?? [];
    expect(waits.map(({ message, finishedAt }) => [message, finishedAt !== null])).toEqual([['for what is out of reach: The scheduler is away.', true]]);

    world.full = true;
    const { id: failing } = await client.create();
    await client.reaches(failing, 'ERROR');
    world.full = false;
    const [entry] = (await read(client, failing)).entries;
    expect(entry).toMatchObject({ action: 'create', failed: true });
    expect(entry?.lines.at(-1)).toMatchObject({ outcome: 'error', message: expect.stringMatching(/^No valid host was found/), detail: expect.stringMatching(/What to do/) });
  });

  it('tells what became of its device, while it is on that host', async () => {
    const client = new Client(world);
    const { id } = await client.create();
    await client.reaches(id, 'ACTIVE');
    const { rows: [row] } = await t.admin.query<{ host_id: HostId }>('SELECT host_id FROM compute.instances WHERE id = $1', [id]);
    const trouble = { hostId: row!.host_id, hostName: 'host-1', instanceId: id as InstanceId, identity: 'slot:1', kind: 'missing', message: 'last at 0000:01:10.0' };
    world.bus.hint(deviceTrouble, { ...trouble, hostId: crypto.randomUUID() as HostId });
    world.bus.hint(deviceTrouble, trouble);
    await eventually(async () => (await read(client, id)).entries.some(({ requestId }) => requestId === null), () => 'it is not told');
    expect((await read(client, id)).entries[0]).toMatchObject({ action: 'by-itself', failed: false, lines: [{ name: 'device-missing', what: 'told', hostName: 'host-1', message: 'device slot:1: last at 0000:01:10.0' }] });
    await client.delete(id);
    await client.finished(id);
  });

  it('tells it once, however often a scheduler says it, and when it was', async () => {
    const client = new Client(world);
    const { id } = await client.create();
    await client.reaches(id, 'ACTIVE');
    const { rows: [row] } = await t.admin.query<{ host_id: HostId }>('SELECT host_id FROM compute.instances WHERE id = $1', [id]);
    const trouble = { id: crypto.randomUUID(), at: new Date().toISOString(), hostId: row!.host_id, hostName: 'host-1', instanceId: id as InstanceId, identity: 'slot:1', kind: 'missing', message: 'last at 0000:01:10.0' };
    const elsewhere = { ...trouble, id: crypto.randomUUID(), hostId: crypto.randomUUID() as HostId };
    const old = { ...trouble, id: crypto.randomUUID(), at: '2026-01-02T03:04:05.678Z', kind: 'condition', message: 'aer-errors' };
    await Promise.all([[trouble, elsewhere], [trouble], [elsewhere, trouble, old], [old]].map((troubles) => world.bus.ask(bookDeviceTroubles, { troubles })));
    const lines = (await read(client, id)).entries.filter(({ requestId }) => requestId === null).flatMap((entry) => entry.lines);
    expect(lines.map(({ name, message }) => [name, message]).sort()).toEqual([['device-condition', 'device slot:1: aer-errors (at 2026-01-02T03:04:05Z)'], ['device-missing', 'device slot:1: last at 0000:01:10.0']]);
    await client.delete(id);
    await client.finished(id);
  });

  it('is paged by request, and filtered by time', async () => {
    const client = new Client(world);
    const { id } = await client.create();
    await client.reaches(id, 'ACTIVE');
    await world.bus.ask(stopServer, { caller: client.as, instanceId: id });
    await client.reaches(id, 'SHUTOFF');
    const { entries: all } = await read(client, id, { requestsOnly: true });
    const first = await read(client, id, { requestsOnly: true, limit: 1 });
    expect([first.entries.length, first.more]).toEqual([1, true]);
    const rest = await read(client, id, { requestsOnly: true, limit: 1, marker: all[0]?.requestId });
    expect([rest.entries[0]?.action, rest.more]).toEqual(['create', false]);
    await expect(read(client, id, { marker: 'req-none' })).rejects.toMatchObject({ kind: 'bad-request' });
    expect((await read(client, id, { changesBefore: all[1]?.updatedAt, requestsOnly: true })).entries.map(({ action }) => action)).toEqual(['create']);
    expect((await read(client, id, { changesSince: all[0]?.startedAt, requestsOnly: true })).entries.map(({ action }) => action)).toEqual(['stop']);
  });
});

describe('changes in the order of commits', () => {
  it('never skip a transaction that commits late', async () => {
    const { upTo } = await changes(null);
    const [early, late] = [await t.open('compute', 1), await t.open('compute', 1)];
    const write = (kind: string): string => `INSERT INTO compute.instance_events (instance_id, project_id, kind) VALUES (gen_random_uuid(), 'order', '${kind}')`;
    const slow = await early.pool.connect();
    await slow.query('BEGIN');
    await slow.query(write('first-begun'));
    // Begun later, with a higher id, committed earlier.
    await late.pool.query(write('second-begun'));
    const of = (answer: OutputOf<typeof listChanges>): string[] => answer.changes.filter(({ projectId }) => projectId === 'order').map(({ what }) => what);
    const meanwhile = await changes(upTo);
    expect(of(meanwhile)).toEqual([]);
    await slow.query('COMMIT');
    slow.release();
    const after = await changes(meanwhile.upTo);
    expect(of(after)).toEqual(['first-begun', 'second-begun']);
    expect(of(await changes(after.upTo))).toEqual([]);
    // And however it is cut into pages, each once.
    const seen: string[] = [];
    for (let at = upTo; ;) {
      const page = await changes(at, { limit: 1 });
      seen.push(...of(page));
      at = page.upTo;
      if (!page.more) break;
    }
    expect(seen).toEqual(['first-begun', 'second-begun']);
  });

  it('say so when one cannot go on from a position: another incarnation, a future that never was, what was dropped by age', async () => {
    const { upTo } = await changes(null);
    expect((await world.bus.ask(listChanges, { after: { ...upTo, incarnation: 2 }, limit: 10 })).gone).toBe(true);
    expect((await changes({ xid: '999999999999', id: '1' }, { resumes: true })).gone).toBe(true);
    expect((await changes({ xid: '1', id: '0' }, { resumes: true })).gone).toBe(false);
    await t.admin.query("UPDATE control.cell SET created_at = now() - interval '500 days'");
    expect((await changes({ xid: '1', id: '0' }, { resumes: true })).gone).toBe(true);
    expect((await changes(upTo, { resumes: true })).gone).toBe(false);
  });
});

describe('partitions of events', () => {
  const partitions = async (): Promise<string[]> => (await t.admin.query<{ name: string }>("SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'compute.instance_events'::regclass ORDER BY 1")).rows.map(({ name }) => name);
  const keep = async (ahead: number, days: number): Promise<number> => (await t.db.pool.query<{ n: number }>('SELECT compute.keep_event_partitions($1, $2) AS n', [ahead, days])).rows[0]?.n ?? -1;

  it('are there for this month and the next three from the first migration on, and rows go there', async () => {
    expect(await partitions()).toHaveLength(5);
    const { rows } = await t.admin.query<{ n: number }>('SELECT count(*)::int AS n FROM compute.instance_events_rest');
    expect(rows).toEqual([{ n: 0 }]);
    expect(await keep(3, 400)).toBe(0);
  });

  it('are made later too, taking along what fell into the default one; and go when they are old', async () => {
    await t.admin.query("INSERT INTO compute.instance_events (at, instance_id, project_id, kind) VALUES (now() + interval '130 days', gen_random_uuid(), 'late', 'x'), (now() - interval '600 days', gen_random_uuid(), 'old', 'x')");
    expect(await keep(6, 400)).toBe(3);
    const where = async (project: string): Promise<string[]> => (await t.admin.query<{ name: string }>('SELECT tableoid::regclass::text AS name FROM compute.instance_events WHERE project_id = $1', [project])).rows.map(({ name }) => name);
    expect(await where('late')).toEqual([expect.stringMatching(/^compute\.instance_events_y\d{4}m\d\d$/)]);
    expect(await where('old')).toEqual([]);
    await t.admin.query("CREATE TABLE compute.instance_events_y2020m01 PARTITION OF compute.instance_events FOR VALUES FROM ('2020-01-01Z') TO ('2020-02-01Z')");
    expect(await keep(6, 400)).toBe(1);
    expect(await partitions()).not.toContain('instance_events_y2020m01');
    // The app may ask for it, and can do nothing of it by itself.
    await expect(t.db.pool.query("SELECT control.keep_partitions('compute.instance_events', 'compute.instance_events_rest', 9, 1)")).rejects.toThrow(/permission denied|must be owner/);
    const scheduler = await t.open('scheduler', 1);
    expect((await scheduler.pool.query('SELECT scheduler.keep_event_partitions(3, 400) AS n')).rows[0]).toEqual({ n: 0 });
  });
});
