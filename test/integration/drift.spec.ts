// Drift through the whole cloud: real compute and scheduler over PostgreSQL, the real agent's logic over a simulated machine.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { adoptOrphan, cleanOrphan, deleteServer, listDrift, reportObserved, type DriftEntry } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { renderDomain } from '../../apps/compute-agent/src/domain-xml/render.js';
import { desired } from '../../apps/compute-agent/src/testing/builders.js';
import { Client, eventually } from '../support/compute-service.js';
import { callerOf } from '../support/compute-world.js';
import { WholeCloud, type SimHost } from '../support/whole-cloud.js';

let t: TestDatabase;
let cloud: WholeCloud;
let client: Client;
let host: SimHost;
const caller = callerOf('p1', { isAdmin: true, roles: ['admin'] });
const drift = async () => (await cloud.bus.ask(listDrift, {})).drift;
const kinds = async (): Promise<string> => JSON.stringify((await drift()).map(({ kind, id }) => [kind, id]).sort());
const untilDrift = (...wanted: [string, string][]): Promise<void> => {
  let seen = '';
  return eventually(async () => { seen = await kinds(); return seen === JSON.stringify(wanted.sort()); }, () => `drift is ${seen}`, 60_000);
};
const clean = (id: string, hostId = host.id) => cloud.bus.ask(cleanOrphan, { caller, hostId, id, statement: 'it is from an experiment' });

beforeAll(async () => {
  t = await startTestDatabase('compute');
  cloud = new WholeCloud(t);
  await cloud.start();
  host = await cloud.addHost('drift-a');
  client = new Client(cloud as never, caller);
  await eventually(async () => (await cloud.view(host)).alive, () => 'the host is not alive', 60_000);
});
afterAll(async () => {
  await cloud.close();
  await t.stop();
});

describe('drift', () => {
  it('is listed while it is there: a guest that ended by itself, until it is started again', async () => {
    const { id } = await client.create({ availabilityZone: 'nova', requestedHost: host.name });
    await client.reaches(id, 'ACTIVE', 60_000);
    await untilDrift();
    host.machine.guestStops(id, 'crashed');
    await untilDrift(['ended-by-itself', id]);
    // It may be gone for a moment while the server is taken note of as off.
    let said: unknown;
    await eventually(async () => { const [one] = await drift(); said = one; return one?.hostId === host.id && !one.orphan && one.what.includes('crashed'); }, () => `drift says ${JSON.stringify(said)}`, 60_000);
    await expect(clean(id)).rejects.toMatchObject({ kind: 'conflict' });
    await cloud.bus.ask((await import('#libs/contracts')).startServer, { caller, instanceId: id });
    await client.reaches(id, 'ACTIVE', 60_000);
    await untilDrift();
  });

  it('shows orphans, touches none, and removes one when it is told to', async () => {
    const [orphan, other] = [randomUUID(), randomUUID()];
    for (const id of [orphan, other]) {
      await host.machine.makeDisk(desired({ id: id as never }));
      await host.machine.makeConfigDrive(desired({ id: id as never }));
      await host.machine.define({ desired: desired({ id: id as never }), frozen: await host.machine.freeze(), epoch: 1, rebootCount: 0 });
      await host.machine.startDomain(id);
    }
    const files = randomUUID();
    await host.machine.makeDisk(desired({ id: files as never }));
    await untilDrift(['orphan-domain', orphan], ['orphan-domain', other], ['orphan-files', files]);
    await new Promise((resolve) => { setTimeout(resolve, 300); });
    expect(await host.running()).toEqual(expect.arrayContaining([orphan, other]));
    await expect(clean(randomUUID())).rejects.toMatchObject({ kind: 'not-found' });
    await expect(cloud.bus.ask(cleanOrphan, { caller: { ...caller, isAdmin: false }, hostId: host.id, id: orphan, statement: 'it is from an experiment' })).rejects.toMatchObject({ kind: 'forbidden' });
    await clean(orphan);
    await clean(orphan);
    await clean(files);
    await untilDrift(['orphan-domain', other]);
    expect(await host.domains()).not.toContain(orphan);
    expect(await host.running()).toContain(other);
    expect((await host.machine.list()).has(files)).toBe(false);
    await eventually(async () => (await t.admin.query('SELECT 1 FROM compute.departures')).rowCount === 0 && host.ledger.entries.size === 1, () => 'the word is not forgotten', 60_000);
    await clean(other);
    await untilDrift();
  });

  it('makes a server of one when it is told to, and of nothing that anybody else knows', async () => {
    const notes = new Map<string, ReturnType<typeof desired>>();
    host.machine.domainXml = async (id) => {
      const its = notes.get(id);
      return its ? renderDomain({ cloudId: 'x', epoch: 1, rebootCount: 0, desired: its, frozen: await host.machine.freeze(), host: { shared: null, dedicated: [], cells: [] }, files: { disk: '/d', base: '/b', configDrive: '/c', serialLog: '/l' } }) : null;
    };
    const put = async (): Promise<string> => {
      const its = desired({ id: randomUUID() as never, generation: 7, specGeneration: 3, name: 'found' });
      notes.set(its.id, its);
      await host.machine.makeDisk(its);
      await host.machine.makeConfigDrive(its);
      await host.machine.define({ desired: its, frozen: await host.machine.freeze(), epoch: 1, rebootCount: 0 });
      await host.machine.startDomain(its.id);
      return its.id;
    };
    const adopt = (id: string, as = caller) => cloud.bus.ask(adoptOrphan, { caller: as, hostId: host.id, id, statement: 'it is the shop' });
    const [orphan, given] = [await put(), await put()];
    const files = randomUUID();
    await host.machine.makeDisk(desired({ id: files as never }));
    await untilDrift(['orphan-domain', orphan], ['orphan-domain', given], ['orphan-files', files]);
    await expect(adopt(orphan, { ...caller, isAdmin: false })).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(adopt(files)).rejects.toMatchObject({ kind: 'not-found' });
    host.destroyed.length = 0;
    await adopt(orphan);
    await adopt(orphan);
    await client.reaches(orphan, 'ACTIVE', 60_000);
    await untilDrift(['orphan-domain', given], ['orphan-files', files]);
    expect((await t.admin.query('SELECT host_id, generation::int, vcpus FROM scheduler.claims WHERE instance_id = $1', [orphan])).rows).toEqual([{ host_id: host.id, generation: 3, vcpus: 1 }]);
    expect(host.destroyed).not.toContain(orphan);
    await cloud.bus.ask(deleteServer, { caller, instanceId: orphan as never });
    await client.finished(orphan, 60_000);
    await expect(adopt(orphan)).rejects.toMatchObject({ kind: 'not-found' });
    // Somebody gave it up already.
    await t.admin.query("INSERT INTO compute.departures (host_id, instance_id, sequence, generation, desired) VALUES (gen_random_uuid(), $1, 1, 1, '{}')", [given]);
    await expect(adopt(given)).rejects.toMatchObject({ kind: 'conflict' });
    await t.admin.query('DELETE FROM compute.departures WHERE instance_id = $1', [given]);
    await clean(given);
    await clean(files);
    await untilDrift();
  });

  it('keeps since when it is there, and is replaced as a whole', async () => {
    const at = 1_700_000_000_000;
    const entry = (id: string, what = 'x'): DriftEntry => ({ kind: 'given-up', id, what, sinceMs: at });
    const repository = new (await import('../../apps/compute/src/hosts/drift/drift.repository.js')).DriftRepository(t.db);
    const elsewhere = randomUUID();
    await repository.replace(elsewhere, [entry('a'), entry('b'), entry('a')]);
    const [first] = await repository.list(elsewhere, 10);
    await repository.replace(elsewhere, [entry('a', 'y')]);
    expect(await repository.list(elsewhere, 10)).toEqual([{ ...first, what: 'y' }]);
    await repository.replace(elsewhere, []);
    expect(await repository.list(elsewhere, 10)).toEqual([]);
  });

  it('reports that were overtaken roll nothing back', async () => {
    const { id } = await client.create({ availabilityZone: 'nova', requestedHost: host.name });
    await client.reaches(id, 'ACTIVE', 60_000);
    const { observed, generation } = (await t.admin.query<{ observed: { reported: { bootId: string; sequence: number } }; generation: string }>('SELECT observed, generation FROM compute.instances WHERE id = $1', [id])).rows[0]!;
    const { bootId, sequence } = observed.reported;
    expect(bootId).toBe(host.machine.bootId);
    const say = (of: number) => cloud.bus.ask(reportObserved, {
      bootId, epoch: host.ledger.host.epoch, incarnation: host.ledger.host.incarnation, orphans: [], sequence: of,
      instances: [{ id, generation: Number(generation), state: 'stopped', rebootCount: 0, startedAtMs: null, doing: null, error: null, built: { specGeneration: 1, diskGeneration: 1 } }],
    }, { hostId: host.id });
    const state = async (): Promise<unknown> => (await t.admin.query<{ observed_state: string }>('SELECT observed_state FROM compute.instances WHERE id = $1', [id])).rows[0]!.observed_state;
    await say(sequence - 1);
    expect(await state()).toBe('running');
    await say(sequence + 1_000_000);
    expect(await state()).toBe('stopped');
  });
});
