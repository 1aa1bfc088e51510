/**
 * The drill: a backup is made, the cloud lives on, the backup is restored. Hosts know more than the database then. They
 * report, an operator adopts, and afterwards everything agrees; nothing ran twice, no domain was destroyed.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { adoptHosts, claimHost, cleanOrphan, deleteServer, inspectHost, pullDesired, rebootServer, rebuildServer, startServer, stopServer, viewAdoption, type AdoptionView, type InstanceId } from '#libs/contracts';
import { raiseIncarnation } from '#libs/db';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, eventually } from '../support/compute-service.js';
import { callerOf, IMAGE_ID } from '../support/compute-world.js';
import { admin, claim } from '../support/scheduler.js';
import { WholeCloud, type SimHost } from '../support/whole-cloud.js';

let t: TestDatabase;
let cloud: WholeCloud;
let [a, b] = [] as unknown as [SimHost, SimHost];
let client: Client;

beforeAll(async () => { t = await startTestDatabase('compute'); });
afterAll(async () => { await cloud.close(); await t.stop(); });

const TABLES = ['scheduler.hosts', 'scheduler.host_capacity', 'scheduler.host_beats', 'scheduler.claims', 'compute.host_feeds', 'compute.instances', 'compute.migrations', 'compute.departures', 'control.cell'];

/** What pg_dump and pg_restore would do to these tables. */
async function backup(): Promise<() => Promise<void>> {
  for (const table of TABLES) await t.admin.query(`DROP TABLE IF EXISTS public.${table.replace('.', '_')}_old; CREATE TABLE public.${table.replace('.', '_')}_old AS TABLE ${table}`);
  return async () => {
    await t.admin.query("BEGIN; SET LOCAL session_replication_role = 'replica'");
    for (const table of [...TABLES].reverse()) await t.admin.query(`DELETE FROM ${table}`);
    for (const table of TABLES) {
      const { rows } = await t.admin.query<{ columns: string }>(`SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`);
      await t.admin.query(`INSERT INTO ${table} (${rows[0]!.columns}) OVERRIDING SYSTEM VALUE SELECT ${rows[0]!.columns} FROM public.${table.replace('.', '_')}_old`);
    }
    await t.admin.query('COMMIT');
  };
}

const serverOn = async (host: SimHost, name: string): Promise<string> => {
  const { id } = await client.create({ name, availabilityZone: 'nova', requestedHost: host.name });
  await client.reaches(id, 'ACTIVE', 60_000);
  return id;
};
const url = (): string => {
  const { host, port, database, user, password } = t.admin as unknown as { host: string; port: number; database: string; user: string; password: string };
  return `postgresql://${user}:${password}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`;
};
/** Says that the database was restored and starts the control plane over it: all hosts only report then. @returns the incarnation */
async function startRestored(): Promise<number> {
  const incarnation = await raiseIncarnation(url());
  cloud = await cloud.restartOver(t);
  [a, b] = cloud.hosts as [SimHost, SimHost];
  client = new Client(cloud as never, client.caller);
  await eventually(() => [a, b].every(({ ledger: { host } }) => host.reportOnly && host.incarnation === incarnation), () => 'the hosts do not only report', 60_000);
  return incarnation;
}
const view = (): Promise<AdoptionView> => cloud.bus.ask(viewAdoption, { caller: admin });
const findings = async (): Promise<Record<string, string>> => Object.fromEntries((await view()).hosts.flatMap((host) => host.findings.map(({ name, finding }) => [name, finding])));

describe('an older backup is restored', () => {
  it('and hosts and database agree again', async () => {
    cloud = await new WholeCloud(t).start();
    [a, b] = [await cloud.addHost('drill-a'), await cloud.addHost('drill-b')];
    client = new Client(cloud as never, callerOf('p1', { isAdmin: true, roles: ['admin'] }));
    await eventually(async () => (await cloud.view(a)).alive && (await cloud.view(b)).alive, () => 'hosts are not alive', 60_000);
    const [same, stopped, rebooted, deleted] = [await serverOn(a, 'same'), await serverOn(a, 'stopped'), await serverOn(b, 'rebooted'), await serverOn(b, 'deleted')];
    const deletedAfter = await serverOn(b, 'deleted-after');
    const restore = await backup();

    // Life goes on.
    const [created, createdToo] = [await serverOn(a, 'created'), await serverOn(b, 'created-too')];
    await cloud.bus.ask(stopServer, { caller: client.as, instanceId: stopped as InstanceId });
    await client.reaches(stopped, 'SHUTOFF', 60_000);
    await cloud.bus.ask(rebootServer, { caller: client.as, instanceId: rebooted as InstanceId, type: 'hard' });
    await client.reaches(rebooted, 'ACTIVE', 60_000);
    await cloud.bus.ask(deleteServer, { caller: client.as, instanceId: deleted as InstanceId });
    await client.finished(deleted, 60_000);
    for (let times = 0; times < 2; times += 1) {
      await cloud.bus.ask(rebootServer, { caller: client.as, instanceId: deletedAfter as InstanceId, type: 'hard' });
      await client.reaches(deletedAfter, 'ACTIVE', 60_000);
    }
    const generations = new Map((await Promise.all([same, stopped, rebooted, created, createdToo].map((id) => client.get(id)))).map((server) => [server.id as string, server.generation]));

    // The control plane is down, the database is restored, and whoever did it says so.
    await cloud.stop();
    await restore();
    for (const host of cloud.hosts) host.destroyed.length = 0;
    const incarnation = await startRestored();

    // Placement is shut, and says why; nothing happens to any guest.
    await expect(cloud.bus.ask(claimHost, claim())).resolves.toMatchObject({ outcome: 'refused' });
    expect((await cloud.bus.ask(inspectHost, { hostId: a.id })).alarms.join()).toContain('not adopted');
    expect((await a.running()).sort()).toEqual([same, created].sort());
    expect((await b.running()).sort()).toEqual([rebooted, createdToo, deletedAfter].sort());
    // What looks like an orphan may be a server of after the backup; and what is deleted now stays deleted.
    await eventually(async () => (await t.admin.query('SELECT 1 FROM compute.drift WHERE subject_id = $1', [created])).rowCount === 1 || (await t.admin.query('SELECT 1 FROM compute.orphans WHERE domain_uuid = $1', [created])).rowCount === 1, () => 'it is not shown', 60_000);
    await expect(cloud.bus.ask(cleanOrphan, { caller: admin, hostId: a.id, id: created, statement: 'nobody knows it' })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('not adopted') });
    await cloud.bus.ask(deleteServer, { caller: client.as, instanceId: deletedAfter as InstanceId });
    expect(await findings()).toEqual({ 'deleted-after': 'newer', same: 'agrees', stopped: 'newer', created: 'unknown', rebooted: 'newer', deleted: 'missing', 'created-too': 'unknown' });
    expect((await view()).hosts.map(({ adopted, problem }) => [adopted, problem])).toEqual([[false, null], [false, null]]);

    await expect(cloud.bus.ask(adoptHosts, { caller: { ...admin, isAdmin: false }, hostIds: null, statement: 'restored after a lost disk' })).rejects.toMatchObject({ kind: 'forbidden' });
    const adopted = await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: null, statement: 'restored after a lost disk' });
    expect(adopted.hosts.map(({ adopted: yes }) => yes)).toEqual([true, true]);

    for (const id of [same, rebooted, created, createdToo]) await client.reaches(id, 'ACTIVE', 60_000);
    await client.reaches(stopped, 'SHUTOFF', 60_000);
    await client.finished(deletedAfter, 60_000);
    await client.reaches(deleted, 'ERROR', 60_000);
    expect((await client.get(deleted)).fault?.message).toContain('not found on its host after the database was restored');
    for (const [id, generation] of generations) expect([id, (await client.get(id)).generation]).toEqual([id, generation]);
    expect((await client.get(rebooted)).rebootCount).toBe(1);
    await eventually(async () => (await client.get(deleted)).hostId === null, () => 'what is missing keeps its host', 60_000);

    // Claims are what hosts have, no more and no less; nothing ran twice; nothing was destroyed.
    const claims = (await t.admin.query<{ instance_id: string; host_id: string }>('SELECT instance_id, host_id FROM scheduler.claims WHERE host_id IS NOT NULL')).rows;
    expect(new Map(claims.map((row) => [row.instance_id, row.host_id]))).toEqual(new Map([[same, a.id], [stopped, a.id], [created, a.id], [rebooted, b.id], [createdToo, b.id]].map(([id, host]) => [id!, host as string])));
    expect([(await cloud.view(a)).used.instances, (await cloud.view(b)).used.instances]).toEqual([3, 2]);
    expect([a.destroyed, [...new Set(b.destroyed)], cloud.twice.size]).toEqual([[], [deletedAfter], 0]);
    expect((await a.domains()).sort()).toEqual([same, stopped, created].sort());
    expect((await t.admin.query("SELECT DISTINCT message FROM scheduler.host_events WHERE kind = 'adopted'")).rows).toEqual([{ message: `in incarnation ${incarnation}: restored after a lost disk` }]);

    // And the cloud works: old and adopted servers are deleted, new ones are built.
    await cloud.bus.ask(deleteServer, { caller: client.as, instanceId: created as InstanceId });
    await client.finished(created, 60_000);
    // What is missing is built anew when somebody asks: its disk is nobody's loss any more.
    await cloud.bus.ask(startServer, { caller: client.as, instanceId: deleted as InstanceId });
    await client.reaches(deleted, 'ACTIVE', 60_000);
    await cloud.bus.ask(deleteServer, { caller: client.as, instanceId: deleted as InstanceId });
    await client.finished(deleted, 60_000);
    await serverOn(a, 'new');

    // Adopting again finds nothing to do.
    const again = await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: null, statement: 'once more' });
    expect(again.hosts.every(({ adopted: yes, findings: found }) => yes && found.length === 0)).toBe(true);
  });

  it('and nobody said so: a host that knows more only reports, takes nothing, and raises an alarm', async () => {
    const id = await serverOn(b, 'before');
    b.destroyed.length = 0;
    const { rows } = await t.admin.query<{ sequence: string }>('SELECT sequence FROM compute.host_feeds WHERE host_id = $1', [b.id]);
    // As if the last changes of this host's feed had never been.
    await t.admin.query('UPDATE compute.host_feeds SET sequence = sequence - 1 WHERE host_id = $1', [b.id]);
    await eventually(() => b.ledger.host.reportOnly, () => 'it does not only report', 60_000);
    await eventually(async () => (await cloud.bus.ask(inspectHost, { hostId: b.id })).alarms.join().includes('knows more'), () => 'no alarm', 60_000);
    await eventually(async () => (await cloud.view(b)).adoptedIncarnation === 0, () => 'still adopted');
    await expect(cloud.bus.ask(claimHost, claim({ requestedHost: b.name, availabilityZone: 'nova' }))).resolves.toMatchObject({ outcome: 'refused' });
    const answer = await cloud.bus.ask(pullDesired, { bootId: b.machine.bootId, since: Number(rows[0]!.sequence) }, { hostId: b.id });
    expect(answer).toMatchObject({ reportOnly: true, entries: [] });
    expect(await b.running()).toContain(id);
    await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: [b.id], statement: 'looked at it' });
    await eventually(() => !b.ledger.host.reportOnly, () => 'it still only reports', 60_000);
    await client.reaches(id, 'ACTIVE', 60_000);
    expect([await b.running(), b.destroyed]).toEqual([expect.arrayContaining([id]), []]);
  });

  it('what was rebuilt since keeps that disk, also when somebody asked for something else before it was adopted', async () => {
    const id = await serverOn(a, 'rebuilt') as InstanceId;
    const restore = await backup();
    await cloud.bus.ask(rebuildServer, { caller: client.as, instanceId: id, imageId: IMAGE_ID });
    await client.reaches(id, 'ACTIVE', 60_000);
    const rebuilt = (await t.admin.query<{ spec: number; disk: number }>('SELECT spec_generation AS spec, disk_generation AS disk FROM compute.instances WHERE id = $1', [id])).rows[0]!;
    await cloud.stop();
    await restore();
    await startRestored();
    await cloud.bus.ask(stopServer, { caller: client.as, instanceId: id });
    expect((await findings()).rebuilt).toBe('newer');
    await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: null, statement: 'restored once more' });
    await client.reaches(id, 'SHUTOFF', 60_000);
    const built = async (): Promise<unknown> => (await t.admin.query("SELECT spec_generation AS spec, disk_generation AS disk, step, observed -> 'built' AS built FROM compute.instances WHERE id = $1", [id])).rows[0];
    let last = '';
    await eventually(async () => (last = JSON.stringify(await built())) === JSON.stringify({ ...rebuilt, step: 'settled', built: { diskGeneration: rebuilt.disk, specGeneration: rebuilt.spec } }), () => last, 60_000);
    expect(await a.running()).not.toContain(id);
  });

  it('what moved to another host since is not made again on the host that it left, whichever of the two is adopted first', async () => {
    const id = await serverOn(b, 'moved') as InstanceId;
    const restore = await backup();
    await cloud.bus.ask(rebootServer, { caller: client.as, instanceId: id, type: 'hard' });
    await client.reaches(id, 'ACTIVE', 60_000);
    await cloud.stop();
    await restore();
    // Of before it moved; `a` has let go and forgotten it since.
    await t.admin.query('UPDATE compute.instances SET host_id = $2, host_name = $3 WHERE id = $1', [id, a.id, a.name]);
    await startRestored();
    expect((await view()).hosts.map(({ findings: found }) => found.filter(({ instanceId }) => instanceId === id).map(({ finding }) => finding))).toEqual([['left'], ['moved']]);
    const alone = await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: [a.id], statement: 'one by one' });
    expect(alone.hosts.map(({ adopted, problem }) => [adopted, problem])).toEqual([[false, expect.stringContaining(`${b.name} has servers that the database says are here: adopt that host first`)], [false, null]]);
    const both = await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: null, statement: 'both' });
    expect(both.hosts.map(({ adopted, problem }) => [adopted, problem])).toEqual([[true, null], [true, null]]);
    expect(await client.reaches(id, 'ACTIVE', 60_000)).toMatchObject({ hostName: b.name });
    await eventually(() => [a, b].every(({ ledger: { host } }) => !host.reportOnly), () => 'they still only report', 60_000);
    expect([a.ledger.entries.has(id), await b.running()]).toEqual([false, expect.arrayContaining([id])]);
    expect((await t.admin.query('SELECT host_id FROM scheduler.claims WHERE instance_id = $1 AND host_id IS NOT NULL', [id])).rows).toEqual([{ host_id: b.id }]);
  });

  it('what had no host in the backup is not built a second time while a host that was not asked may have it', async () => {
    const id = await serverOn(b, 'placed-since') as InstanceId;
    await cloud.stop();
    await t.admin.query(`UPDATE compute.instances SET host_id = NULL, host_name = NULL, host_sequence = NULL, observed_state = NULL, observed_generation = 0, observed = NULL, launched_at = NULL,
      launched_disk_generation = NULL, step = 'claim-host', reconcile_at = now() WHERE id = $1`, [id]);
    await t.admin.query('DELETE FROM scheduler.claims WHERE instance_id = $1', [id]);
    await startRestored();
    await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: [a.id], statement: 'one of two' });
    await eventually(() => !a.ledger.host.reportOnly, () => 'it still only reports', 60_000);
    // A host that takes servers is there, and still it waits, and says for what.
    let waiting = '';
    await eventually(async () => (waiting = (await t.admin.query<{ waiting_for: string | null }>('SELECT waiting_for FROM compute.instances WHERE id = $1', [id])).rows[0]!.waiting_for ?? '').includes(`not adopted since: ${b.name}.`), () => waiting, 60_000);
    expect((await t.admin.query('SELECT FROM scheduler.claims WHERE instance_id = $1', [id])).rowCount).toBe(0);
    await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: null, statement: 'the other' });
    expect(await client.reaches(id, 'ACTIVE', 60_000)).toMatchObject({ hostName: b.name });
    expect([a.ledger.entries.has(id), cloud.twice.size]).toEqual([false, 0]);
  });

  it('what was rebuilt since, and is to be rebuilt again by a word of after the restore, is made anew', async () => {
    const id = await serverOn(a, 'rebuilt-twice') as InstanceId;
    const restore = await backup();
    await cloud.bus.ask(rebuildServer, { caller: client.as, instanceId: id, imageId: IMAGE_ID });
    await client.reaches(id, 'ACTIVE', 60_000);
    await cloud.bus.ask(stopServer, { caller: client.as, instanceId: id });
    await client.reaches(id, 'SHUTOFF', 60_000);
    await cloud.stop();
    await restore();
    const incarnation = await startRestored();
    await cloud.bus.ask(rebuildServer, { caller: client.as, instanceId: id, imageId: IMAGE_ID });
    await cloud.bus.ask(adoptHosts, { caller: admin, hostIds: null, statement: 'restored again' });
    let last = '';
    await eventually(async () => (last = JSON.stringify((await t.admin.query("SELECT disk_generation >= $2 AS later, (observed #>> '{built,diskGeneration}')::int = disk_generation AS built, step, rebuilding FROM compute.instances WHERE id = $1", [id, incarnation])).rows[0])) === '{"later":true,"built":true,"step":"settled","rebuilding":false}', () => last, 60_000);
    await client.reaches(id, 'ACTIVE', 60_000);
  });
});
