/** Servers of lost hosts: evacuated behind a fence, and what comes of them when their hosts are taken back. Real compute and scheduler services. */
import { describe, expect, it } from '@jest/globals';
import { claimHost, confirmResize, evacuateServer, hostFenced, hostHint, migrateServer, pullDesired, stopServer, type HostId } from '#libs/contracts';
import { eventually } from '../support/compute-service.js';
import { as, client, expectGone, migrations, open, resize, server, sql, useMoves, world } from '../support/moves-test.js';

useMoves();

describe('lost hosts', () => {
  it('evacuates behind a fence; the old host comes back, starts nothing, and cleans up', async () => {
    await open();
    const { view, home, away } = await server();
    await world.fence(home);
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    const there = await client().reaches(view.id, 'ACTIVE');
    expect(there).toMatchObject({ hostName: away.name, moveKind: null });
    expect(away.guests.get(view.id)).toMatchObject({ power: 'running', disk: 'image 2' });
    expect(await migrations(view)).toEqual([{ status: 'done', error: null }]);
    // Its room is not given away before it has shown that nothing is left.
    expect(await world.claims(view.id)).toEqual([[expect.stringMatching(/^lost:/), home.name, 1], ['run', away.name, 1]]);
    // It is known what is where: it goes nowhere that something of it may be left.
    await world.bus.ask(migrateServer, { ...as(view), host: home.name });
    await eventually(async () => (await migrations(view))[0]?.status === 'error', () => 'not over');
    expect((await migrations(view))[0]?.error).toContain('may have left something');
    await client().reaches(view.id, 'ACTIVE');
    // It ran all the time behind the fence; back, it boots.
    home.guests.delete('x');
    (home.guests.get(view.id) as { power: string }).power = 'stopped';
    await world.readmit(home);
    await eventually(() => world.having(view.id).join() === away.name, () => `still on ${world.having(view.id).join()}`);
    await eventually(async () => JSON.stringify(await world.claims(view.id)) === JSON.stringify([['run', away.name, 1]]), () => 'the old claim is still there');
    await eventually(() => home.ledger.size === 0, () => 'still in its ledger');
    await world.bus.ask(migrateServer, { ...as(view), host: home.name });
    await client().reaches(view.id, 'VERIFY_RESIZE');
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('an evacuated server that is deleted before its old host is back: that cleans up all the same', async () => {
    await open();
    const { view, home } = await server();
    await world.fence(home);
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    await client().reaches(view.id, 'ACTIVE');
    await client().delete(view.id);
    await client().finished(view.id);
    expect(await world.claims(view.id)).toEqual([]);
    (home.guests.get(view.id) as { power: string }).power = 'stopped';
    await world.readmit(home);
    await expectGone(view.id);
  });

  it('an evacuation that fails leaves the server in ERROR on its new host, from where it is deleted', async () => {
    await open();
    const { view, home, away } = await server();
    await world.fence(home);
    away.broken = 'build';
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    const failed = await client().reaches(view.id, 'ERROR');
    expect(failed).toMatchObject({ hostName: away.name, moveKind: null, fault: { message: expect.stringContaining('the disk is full') } });
    expect(await migrations(view)).toEqual([{ status: 'failed', error: expect.any(String) }]);
    // Nobody has used the new disk yet: it may be made whenever somebody asks.
    expect(away.ledger.get(view.id)).toMatchObject({ diskGeneration: 2, diskLaunched: false });
    await client().delete(view.id);
    await client().finished(view.id);
    await world.readmit(home);
    await expectGone(view.id);
  });

  it('nowhere to evacuate to: ERROR with the reason, and again when there is room', async () => {
    await open({ sizes: [65_536] });
    const { id } = await client().create();
    const view = await client().reaches(id, 'ACTIVE');
    const home = world.hostNamed(view.hostName);
    await world.fence(home);
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    expect((await client().reaches(id, 'ERROR')).fault?.message).toContain('No valid host was found');
    await world.join();
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    expect((await client().reaches(id, 'ACTIVE')).hostName).not.toBe(home.name);
  });

  it('an evacuation to be off that comes to nothing: the host that is taken back hears that it is to be off', async () => {
    await open({ sizes: [65_536] });
    const { id } = await client().create();
    const view = await client().reaches(id, 'ACTIVE');
    const home = world.hostNamed(view.hostName);
    await world.fence(home);
    await world.bus.ask(evacuateServer, { ...as(view), host: null, stopped: true });
    await client().reaches(id, 'ERROR');
    await world.readmit(home);
    await client().reaches(id, 'SHUTOFF');
    expect(home.guests.get(id)).toMatchObject({ power: 'stopped' });
    await client().delete(id);
    await expectGone(id);
  });

  it('a host that is heard while a place is looked for keeps its server', async () => {
    await open();
    const { view, home } = await server();
    await world.fence(home);
    const ask = world.bus.ask.bind(world.bus) as (...asked: unknown[]) => Promise<never>;
    world.bus.ask = (async (contract: unknown, ...rest: unknown[]) => {
      const answer = await ask(contract, ...rest);
      if (contract === claimHost) await ask(pullDesired, { bootId: home.bootId, since: home.since }, { hostId: home.id });
      return answer;
    }) as typeof world.bus.ask;
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    await eventually(async () => (await migrations(view))[0]?.status === 'failed', () => 'it is not given up');
    expect((await migrations(view))[0]?.error).toContain('came back');
    expect(await client().reaches(view.id, 'ACTIVE')).toMatchObject({ hostName: home.name });
    expect(world.having(view.id)).toEqual([home.name]);
    await world.readmit(home);
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('the word of a fence that arrives when the fence is over shuts no host', async () => {
    await open();
    const { view, home } = await server();
    const { epoch } = home;
    const rung: (string | undefined)[] = [];
    const ear = world.bus.onHint(hostHint, (_payload, { hostId }) => { rung.push(hostId); });
    await world.fence(home);
    // Was it there after all, it would ask at once, and be known to be.
    await eventually(() => rung.includes(home.id), () => 'its bell was not rung');
    await ear.stop();
    const again = () => world.bus.ask(hostFenced, { hostId: home.id as HostId, epoch });
    await expect(again()).resolves.toEqual({});
    await world.readmit(home);
    await expect(again()).rejects.toMatchObject({ kind: 'stale' });
    await expect(world.bus.ask(evacuateServer, { ...as(view), host: null })).rejects.toMatchObject({ message: expect.stringContaining('is not fenced') });
    await world.bus.ask(stopServer, as(view));
    await client().reaches(view.id, 'SHUTOFF');
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('a destination that is lost and fenced while it builds: the server goes back; the host cleans up when it returns', async () => {
    await open();
    const { view, home, away } = await server();
    away.works = false;
    await resize(view);
    await client().reaches(view.id, 'RESIZE/resize_finish');
    await world.fence(away);
    expect(await client().reaches(view.id, 'ACTIVE')).toMatchObject({ hostName: home.name, flavor: { id: '42' } });
    expect(await world.claims(view.id)).toEqual([['run', home.name, 1]]);
    away.works = true;
    await world.readmit(away);
    await eventually(() => away.ledger.size === 0 && world.having(view.id).join() === home.name, () => 'something is left');
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('a source that is lost and fenced: a confirmation need not wait for it', async () => {
    await open();
    const { view, home, away } = await server();
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
    await world.fence(home);
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    await world.readmit(home);
    await eventually(async () => JSON.stringify(await world.claims(view.id)) === JSON.stringify([['run', away.name, 3]]), () => 'the old claim is still there');
    expect(world.having(view.id)).toEqual([away.name]);
  });

  it('a wake for what is gone from another host is not taken back by its own host\'s word that all is well', async () => {
    await open();
    const { view } = await server();
    // Its absence elsewhere was booked, and whoever was to look at it died; its own host has yet to say that it runs again.
    const due = await sql(`
      UPDATE compute.instances SET elsewhere = 1, reconcile_at = now() + interval '1 hour', step = 'wait-host', observed_state = 'stopped', version = version + 1 WHERE id = $1 RETURNING reconcile_at`, [view.id]);
    await eventually(async () => (await sql<{ step: string }>('SELECT step FROM compute.instances WHERE id = $1', [view.id]))[0]?.step === 'settled', () => 'its host\'s word is not booked');
    expect(await sql('SELECT reconcile_at FROM compute.instances WHERE id = $1', [view.id])).toEqual(due);
    await sql('UPDATE compute.instances SET elsewhere = 0 WHERE id = $1', [view.id]);
  });
});
