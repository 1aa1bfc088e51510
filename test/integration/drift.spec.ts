// Drift through the whole cloud: real compute and scheduler over PostgreSQL, the real agent's logic over a simulated machine.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { cleanOrphan, listDrift, reportObserved, type DriftEntry } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
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
  return eventually(async () => { seen = await kinds(); return seen === JSON.stringify(wanted.sort()); }, () => `drift is ${seen}`, 8_000);
};
const clean = (id: string, hostId = host.id) => cloud.bus.ask(cleanOrphan, { caller, hostId, id, statement: 'it is from an experiment' });

beforeAll(async () => {
  t = await startTestDatabase('compute');
  cloud = new WholeCloud(t);
  await cloud.start();
  host = await cloud.addHost('drift-a');
  client = new Client(cloud as never, caller);
  await eventually(async () => (await cloud.view(host)).alive, () => 'the host is not alive', 10_000);
}, 60_000);
afterAll(async () => {
  await cloud.close();
  await t.stop();
}, 30_000);

describe('drift', () => {
  it('is listed while it is there: a guest that ended by itself, until it is started again', async () => {
    const { id } = await client.create({ availabilityZone: 'nova', requestedHost: host.name });
    await client.reaches(id, 'ACTIVE', 10_000);
    await untilDrift();
    host.machine.guestStops(id, 'crashed');
    await untilDrift(['ended-by-itself', id]);
    expect((await drift())[0]).toMatchObject({ hostId: host.id, orphan: false, what: expect.stringContaining('crashed') });
    await expect(clean(id)).rejects.toMatchObject({ kind: 'conflict' });
    await cloud.bus.ask((await import('#libs/contracts')).startServer, { caller, instanceId: id });
    await client.reaches(id, 'ACTIVE', 10_000);
    await untilDrift();
  }, 40_000);

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
    await clean(orphan);
    await clean(orphan);
    await clean(files);
    await untilDrift(['orphan-domain', other]);
    expect(await host.domains()).not.toContain(orphan);
    expect(await host.running()).toContain(other);
    expect((await host.machine.list()).has(files)).toBe(false);
    await eventually(async () => (await t.admin.query('SELECT 1 FROM compute.departures')).rowCount === 0 && host.ledger.entries.size === 1, () => 'the word is not forgotten', 5_000);
    await clean(other);
    await untilDrift();
  }, 40_000);

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
    await client.reaches(id, 'ACTIVE', 10_000);
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
  }, 30_000);
});
