/** Aggregates in real PostgreSQL: zones that follow them, rules that hold, and placement that hears of it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { changeAggregate, claimHost, createAggregate, getAggregate, listAggregates, listZones, type Aggregate, type AggregateChange } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { LIMITS } from '../../apps/scheduler/src/limits.js';
import { Snapshot } from '../../apps/scheduler/src/snapshot/snapshot.js';
import { admin, claim, host, startScheduler, stopSchedulers, type Scheduler } from '../support/scheduler.js';

let base: TestDatabase;
let scheduler: Scheduler;
beforeAll(async () => {
  base = await startTestDatabase('scheduler');
  scheduler = await startScheduler(base);
});
afterAll(async () => {
  await stopSchedulers();
  await base.stop();
});

const make = (name: string, availabilityZone: string | null = null, uuid: string = randomUUID()): Promise<Aggregate> => scheduler.bus.ask(createAggregate, { caller: admin, uuid: uuid as never, name, availabilityZone });
const change = async (id: number, what: AggregateChange): Promise<Aggregate | null> => (await scheduler.bus.ask(changeAggregate, { caller: admin, id, change: what })).aggregate;
const zonesOf = async (): Promise<Record<string, string[]>> => Object.fromEntries((await scheduler.bus.ask(listZones, {})).zones.map(({ name, hosts }) => [name, hosts.map((each) => each.name).sort()]));

describe('aggregates', () => {
  it('are made once, listed, renamed, deleted', async () => {
    const uuid = randomUUID();
    const made = await make('one', null, uuid);
    expect(await make('one', null, uuid)).toEqual(made);
    await expect(make('one')).rejects.toMatchObject({ kind: 'conflict', message: 'Aggregate one already exists.' });
    expect(await change(made.id, { do: 'update', name: 'uno' })).toMatchObject({ name: 'uno', updatedAt: expect.any(String) });
    const other = await make('two');
    await expect(change(other.id, { do: 'update', name: 'uno' })).rejects.toMatchObject({ kind: 'conflict' });
    expect((await scheduler.bus.ask(listAggregates, {})).aggregates.map(({ name }) => name)).toEqual(['uno', 'two']);
    expect(await change(other.id, { do: 'delete' })).toBeNull();
    await expect(scheduler.bus.ask(getAggregate, { id: other.id })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(scheduler.bus.ask(changeAggregate, { caller: { ...admin, isAdmin: false }, id: made.id, change: { do: 'delete' } })).rejects.toMatchObject({ kind: 'forbidden' });
  });

  it('give their zone to their hosts, and placement goes by it; hosts that leave go home', async () => {
    const [a, b] = [await host(scheduler, 'nova'), await host(scheduler, 'nova')];
    const east = await make('east-hosts', 'east');
    await change(east.id, { do: 'add-host', host: a.name });
    expect(await zonesOf()).toEqual({ east: [a.name], nova: [b.name] });
    await scheduler.app.get(Snapshot).refresh();
    const inEast = await scheduler.bus.ask(claimHost, claim({ availabilityZone: 'east' }));
    expect(inEast).toMatchObject({ outcome: 'claimed', hostId: a.id, availabilityZone: 'east' });
    // A server stands there now: its zone stays.
    await expect(change(east.id, { do: 'remove-host', host: a.name })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining("from 'east' to 'nova'") });
    await expect(change(east.id, { do: 'update', availabilityZone: 'west' })).rejects.toMatchObject({ kind: 'bad-request' });
    await change(east.id, { do: 'add-host', host: b.name });
    expect(await zonesOf()).toEqual({ east: [a.name, b.name].sort() });
    await change(east.id, { do: 'remove-host', host: b.name });
    expect(await zonesOf()).toEqual({ east: [a.name], nova: [b.name] });
    await expect(change(east.id, { do: 'delete' })).rejects.toMatchObject({ kind: 'bad-request', message: expect.stringContaining('not empty') });
  });

  it('are seen by placement: flavors that name metadata find its hosts only', async () => {
    const ssd = await make('ssd');
    const c = await host(scheduler, 'ssd-zone');
    const d = await host(scheduler, 'ssd-zone');
    await change(ssd.id, { do: 'set-metadata', metadata: { disk: 'ssd' } });
    await change(ssd.id, { do: 'add-host', host: d.name });
    await scheduler.app.get(Snapshot).refresh();
    const needs = { aggregateSpecs: { disk: 'ssd' } };
    for (let n = 0; n < 4; n += 1) expect(await scheduler.bus.ask(claimHost, claim({ availabilityZone: 'ssd-zone', needs }))).toMatchObject({ outcome: 'claimed', hostId: d.id });
    await change(ssd.id, { do: 'set-metadata', metadata: { disk: 'hdd' } });
    await scheduler.app.get(Snapshot).refresh();
    const refused = await scheduler.bus.ask(claimHost, claim({ availabilityZone: 'ssd-zone', needs }));
    expect(refused).toMatchObject({ outcome: 'refused' });
    expect(c.id).not.toBe(d.id);
  });

  it('changes of one host at the same moment leave it one zone', async () => {
    const h = await host(scheduler, 'nova');
    const made = await Promise.all(['z1', 'z2', 'z3', 'z4'].map((zone) => make(`many-${zone}`, zone)));
    const settled = await Promise.allSettled(made.map(({ id }) => change(id, { do: 'add-host', host: h.name })));
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('are no more than one answer holds; what is there already goes on, and less is always possible', async () => {
    const { count, bytes } = LIMITS.aggregates;
    const mine = await make('mine');
    try {
      await base.admin.query("INSERT INTO scheduler.aggregates (uuid, name) SELECT gen_random_uuid(), rpad('filler ' || n, 255, '-') FROM generate_series(1, $1 - (SELECT count(*) FROM scheduler.aggregates)) n", [count]);
      await expect(make('one more')).rejects.toMatchObject({ kind: 'over-quota', message: `There may be ${count} aggregates, and there are as many. Delete one that is not needed.` });
      expect(await make('mine', null, mine.uuid)).toMatchObject({ id: mine.id });
      expect(await change(mine.id, { do: 'set-metadata', metadata: { a: 'b' } })).toMatchObject({ metadata: { a: 'b' } });
      await base.admin.query("UPDATE scheduler.aggregates SET metadata = jsonb_build_object('k', repeat('x', $1 - (SELECT sum(octet_length(name) + octet_length(metadata::text))::int FROM scheduler.aggregates) - 400)) WHERE name LIKE 'filler 1-%'", [bytes]);
      // All but at the limit: a list is one message still.
      expect((await scheduler.bus.ask(listAggregates, {})).aggregates).toHaveLength(count);
      await change(mine.id, { do: 'set-metadata', metadata: { rest: 'x'.repeat(150) } });
      const late = await host(scheduler, 'nova');
      await expect(change(mine.id, { do: 'add-host', host: late.name })).resolves.toMatchObject({ hosts: [late.name] });
      await expect(change(mine.id, { do: 'set-metadata', metadata: { more: 'c'.repeat(250) } })).rejects.toMatchObject({ kind: 'over-quota', message: expect.stringContaining('metadata and hosts') });
      expect(await change(mine.id, { do: 'set-metadata', metadata: { a: null, rest: null } })).toMatchObject({ metadata: {} });
      expect(await change(mine.id, { do: 'update', name: 'still mine' })).toMatchObject({ name: 'still mine' });
    } finally {
      await base.admin.query("DELETE FROM scheduler.aggregates WHERE name LIKE 'filler %'");
    }
    await make('one more');
  });
});
