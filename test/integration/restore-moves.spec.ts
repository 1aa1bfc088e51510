/** Moves that were under way when the database was lost: what its restored state says of them is held against what hosts have. */
import { expect, it } from '@jest/globals';
import { revertResize, type DesiredInstance, type InstanceView, type RememberedInstance } from '#libs/contracts';
import { AdoptionRepository } from '../../apps/compute/src/adoption/adoption.repository.js';
import { compareHost } from '../../apps/compute/src/adoption/decide/compare.js';
import { rowFromMemory, type RememberedRow } from '../../apps/compute/src/adoption/decide/row-from-memory.js';
import { admin, as, client, database, expectGone, migrations, open, resize, server, useMoves, world } from '../support/moves-test.js';
import type { MovingHost } from '../support/moves-world.js';

useMoves();

const remembered = (desired: DesiredInstance): RememberedInstance => ({ desired, sequence: 1, state: 'stopped', built: true, source: 'ledger' });
const memory = (host: MovingHost): { id: string; entries: RememberedInstance[] } => ({ id: host.id, entries: [...host.ledger.values()].map(remembered) });

/** What adopting each of these hosts does to the rows; gives what was found of the server. */
const toldBesides: string[] = [];
async function adopt(view: InstanceView, hosts: MovingHost[], made: (entry: RememberedInstance) => RememberedRow = () => { throw new Error('no row is made of memory here'); }): Promise<string[]> {
  const repository = new AdoptionRepository(database());
  const found: string[] = [];
  for (const host of hosts) {
    const own = memory(host);
    const findings = compareHost(own, await repository.rows(host.id, own.entries.map(({ desired }) => desired.id)), world.hosts.map(memory));
    found.push(...findings.filter(({ id }) => id === view.id).map(({ is }) => is));
    toldBesides.splice(0, Infinity, ...await repository.follow({ id: host.id, name: host.name, zone: 'nova', upTo: host.since, epoch: host.epoch }, findings, made, admin()));
  }
  return found;
}
async function forgets(host: MovingHost, id: string): Promise<void> {
  await host.disconnect();
  host.guests.delete(id);
  host.ledger.delete(id);
}
function comesBack(host: MovingHost): void {
  host.connected = true;
  void host.round();
}

it('both hosts have what the database says: nothing changes, and it can be taken back', async () => {
  await open();
  const { view, home, away } = await server();
  await resize(view);
  await client().reaches(view.id, 'VERIFY_RESIZE');
  expect(await adopt(view, [home, away])).toEqual(['agrees', 'agrees']);
  await world.bus.ask(revertResize, as(view));
  await client().reaches(view.id, 'ACTIVE');
  expect(home.guests.get(view.id)).toMatchObject({ power: 'running', vcpus: 1, disk: 'image 1 + work' });
  await client().delete(view.id);
  await expectGone(view.id);
});

it('the destination has let go since: the source has the server again, with its disk', async () => {
  await open();
  const { view, home, away } = await server();
  await resize(view);
  await client().reaches(view.id, 'VERIFY_RESIZE');
  await forgets(away, view.id);
  expect(await adopt(view, [away, home])).toEqual(['returns', 'agrees']);
  comesBack(away);
  expect(await client().reaches(view.id, 'ACTIVE')).toMatchObject({ hostName: home.name, flavor: { id: '42' }, moveKind: null });
  expect(home.guests.get(view.id)).toMatchObject({ power: 'running', vcpus: 1, disk: 'image 1 + work' });
  expect(world.having(view.id)).toEqual([home.name]);
  expect(await world.claims(view.id)).toEqual([['run', home.name, 1]]);
  expect(await migrations(view)).toEqual([{ status: 'error', error: expect.stringContaining('restored') }]);
  await client().delete(view.id);
  await expectGone(view.id);
});

it('the source has let go since: it is confirmed, for there is nothing to go back to', async () => {
  await open();
  const { view, home, away } = await server();
  await resize(view);
  await client().reaches(view.id, 'VERIFY_RESIZE');
  await forgets(home, view.id);
  expect(await adopt(view, [home, away])).toEqual(['let-go', 'agrees']);
  comesBack(home);
  expect(await client().reaches(view.id, 'ACTIVE')).toMatchObject({ hostName: away.name, flavor: { id: 'big' }, moveKind: null });
  expect(away.guests.get(view.id)).toMatchObject({ power: 'running', disk: 'image 1 + work' });
  expect(await world.claims(view.id)).toEqual([['run', away.name, 3]]);
  expect(await migrations(view)).toEqual([{ status: 'confirmed', error: null }]);
  await client().delete(view.id);
  await expectGone(view.id);
});

it('neither has it: an ERROR that says so, and no empty disk is made on either', async () => {
  await open();
  const { view, home, away } = await server();
  await resize(view);
  await client().reaches(view.id, 'VERIFY_RESIZE');
  await forgets(home, view.id);
  await forgets(away, view.id);
  expect(await adopt(view, [home, away])).toEqual(['missing', 'agrees']);
  const heard: string[] = [];
  for (const host of [home, away]) {
    const set = host.ledger.set.bind(host.ledger);
    host.ledger.set = (id, wanted) => { heard.push(wanted.intent); return set(id, wanted); };
    comesBack(host);
  }
  await client().reaches(view.id, 'ERROR');
  for (let tries = 0; (await client().get(view.id)).hostId !== null && tries < 3_000; tries += 1) await new Promise((done) => { setTimeout(done, 20); });
  expect(await client().get(view.id)).toMatchObject({ hostId: null, moveKind: null, fault: { message: expect.stringContaining('not found on its host') } });
  expect([...new Set(heard)]).toEqual(['deleted']);
  expect(await world.claims(view.id)).toEqual([]);
  await client().delete(view.id);
  await expectGone(view.id);
});

it('neither has it, and one of the two was adopted before: that one has something new to hear, and hears it', async () => {
  await open();
  const { view, home, away } = await server();
  await resize(view);
  await client().reaches(view.id, 'VERIFY_RESIZE');
  await forgets(away, view.id);
  await forgets(home, view.id);
  expect(await adopt(view, [away])).toEqual(['missing']);
  expect(toldBesides).toEqual([home.id]);
  const sequence = async (host: MovingHost): Promise<number> => Number((await database().pool.query<{ sequence: string }>('SELECT sequence FROM compute.host_feeds WHERE host_id = $1', [host.id])).rows[0]?.sequence);
  // The other way round: what was written down on the adopted host is taken back by the other one's adoption.
  await database().pool.query("UPDATE compute.instances SET withdrawn = false, move_phase = 'verify' WHERE id = $1", [view.id]);
  await database().pool.query("UPDATE compute.migrations SET other_wanted = 'stopped' WHERE instance_id = $1", [view.id]);
  const before = await sequence(away);
  expect(await adopt(view, [home])).toEqual(['missing']);
  expect([toldBesides, await sequence(away)]).toEqual([[away.id], before + 1]);
  expect((await database().pool.query('SELECT host_sequence::int, intent FROM compute.instances')).rows).toEqual([{ host_sequence: before + 1, intent: 'running' }]);
  for (const host of [home, away]) comesBack(host);
  await client().reaches(view.id, 'ERROR');
  await client().delete(view.id);
  await expectGone(view.id);
});

it('a move does not come to a host that is still to remove what it left there', async () => {
  await open();
  const { view, home, away } = await server();
  home.broken = 'stop';
  await home.disconnect();
  await resize(view);
  const entry = home.ledger.get(view.id) as DesiredInstance;
  await database().pool.query("INSERT INTO compute.host_feeds (host_id, sequence) VALUES ($1, 1) ON CONFLICT (host_id) DO NOTHING", [away.id]);
  // The claim is there by now; the word that something is left comes with the adoption of the destination.
  for (let tries = 0; (await client().get(view.id)).movePhase !== 'stop' && tries < 3_000; tries += 1) await new Promise((done) => { setTimeout(done, 20); });
  await away.disconnect();
  await database().pool.query(`
    WITH feed AS (UPDATE compute.host_feeds SET sequence = sequence + 1 WHERE host_id = $1 RETURNING sequence)
    INSERT INTO compute.departures (host_id, instance_id, sequence, generation, desired) SELECT $1, $2, sequence, $3, $4 FROM feed`,
  [away.id, view.id, entry.generation + 5, JSON.stringify({ ...entry, intent: 'deleted', generation: entry.generation + 1 })]);
  home.broken = undefined;
  comesBack(home);
  for (let tries = 0; home.guests.get(view.id)?.power !== 'stopped' && tries < 3_000; tries += 1) await new Promise((done) => { setTimeout(done, 20); });
  await new Promise((done) => { setTimeout(done, 300); });
  expect(await client().get(view.id)).toMatchObject({ movePhase: 'stop', hostName: home.name });
  await database().pool.query('DELETE FROM compute.departures');
  comesBack(away);
  expect(await client().reaches(view.id, 'VERIFY_RESIZE', 60_000)).toMatchObject({ hostName: away.name });
});

it('what left a fenced host and is found there after all lives there again: the host is not told to go as well', async () => {
  await open();
  const { view, home } = await server();
  await home.disconnect();
  const entry = home.ledger.get(view.id) as DesiredInstance;
  // As leaving a fenced host writes it, in a database that lacks the last words to this one.
  await database().pool.query('UPDATE compute.instances SET host_id = NULL, host_sequence = NULL, layout = NULL, step = $2, reconcile_at = NULL, generation = $3 WHERE id = $1', [view.id, 'failed', entry.generation + 1]);
  await database().pool.query(`
    WITH feed AS (UPDATE compute.host_feeds SET sequence = sequence + 1 WHERE host_id = $1 RETURNING sequence)
    INSERT INTO compute.departures (host_id, instance_id, sequence, generation, desired) SELECT $1, $2, sequence, $3, $4 FROM feed`,
  [home.id, view.id, entry.generation + 1, JSON.stringify({ ...entry, intent: 'deleted', generation: entry.generation + 1 })]);
  expect(await adopt(view, [home], (remembered) => rowFromMemory(remembered, new Map()))).toEqual(['moved']);
  expect((await database().pool.query('SELECT * FROM compute.departures')).rows).toEqual([]);
  comesBack(home);
  expect(await client().reaches(view.id, 'ACTIVE')).toMatchObject({ hostName: home.name });
  expect(home.guests.get(view.id)).toMatchObject({ power: 'running', disk: 'image 1 + work' });
  await client().delete(view.id);
  await expectGone(view.id);
});
