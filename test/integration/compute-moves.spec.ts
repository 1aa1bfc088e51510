/** Moves of servers: real compute and scheduler services over a real database, scripted hosts. */
import { describe, expect, it } from '@jest/globals';
import { confirmResize, evacuateServer, getUsage, listMigrations, migrateServer, openDiskTransfer, rebuildServer, revertResize, resizeServer, startServer, stopServer } from '#libs/contracts';
import { eventually } from '../support/compute-service.js';
import { IMAGE_ID } from '../support/compute-world.js';
import { OtherObservationsRepository } from '../../apps/compute/src/moves/other-observations.repository.js';
import { admin, as, client, expectGone, migrations, open, resize, server, useMoves, world } from '../support/moves-test.js';
import type { MovingHost } from '../support/moves-world.js';

useMoves();

describe('resize to another host', () => {
  it('takes the disk along, waits to be confirmed, and then leaves nothing behind', async () => {
    await open();
    const { view, home, away } = await server();
    await resize(view);
    const there = await client().reaches(view.id, 'VERIFY_RESIZE');
    expect(there).toMatchObject({ hostName: away.name, flavor: { id: 'big' }, moveKind: 'resize', movePhase: 'verify' });
    expect(away.guests.get(view.id)).toMatchObject({ power: 'running', vcpus: 3, disk: 'image 1 + work' });
    expect(home.guests.get(view.id)).toMatchObject({ power: 'stopped', vcpus: 1 });
    expect(await world.claims(view.id)).toEqual([['move', away.name, 3], ['run', home.name, 1]]);
    expect(await migrations(view)).toEqual([{ status: 'finished', error: null }]);
    await world.bus.ask(confirmResize, as(view));
    await eventually(async () => (await client().status(view.id)) === 'ACTIVE', () => 'not confirmed');
    expect(world.having(view.id)).toEqual([away.name]);
    expect(await world.claims(view.id)).toEqual([['run', away.name, 3]]);
    expect(await migrations(view)).toEqual([{ status: 'confirmed', error: null }]);
    // And on it goes: to where it was, by a second move; what was left there once is no hindrance.
    await resize(view, 'huge');
    await client().reaches(view.id, 'VERIFY_RESIZE');
    expect(home.guests.get(view.id)).toMatchObject({ power: 'running', vcpus: 4, disk: 'image 1 + work' });
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    expect(await world.claims(view.id)).toEqual([['run', home.name, 4]]);
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('is taken back: the server is as it was, and the other host has nothing of it', async () => {
    await open();
    const { view, home, away } = await server();
    for (let round = 0; round < 2; round += 1) {
      await resize(view);
      await client().reaches(view.id, 'VERIFY_RESIZE');
      (away.guests.get(view.id) as { disk: string }).disk += ' + work that is lost';
      await world.bus.ask(revertResize, as(view));
      const back = await client().reaches(view.id, 'ACTIVE');
      expect(back).toMatchObject({ hostName: home.name, flavor: { id: '42' }, moveKind: null, fault: null });
      expect(home.guests.get(view.id)).toMatchObject({ power: 'running', vcpus: 1, disk: 'image 1 + work' });
      expect(world.having(view.id)).toEqual([home.name]);
      expect(await world.claims(view.id)).toEqual([['run', home.name, 1]]);
    }
    expect(await migrations(view)).toEqual([{ status: 'reverted', error: null }, { status: 'reverted', error: null }]);
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('knows what the other host proved, whatever older reports say after it', async () => {
    await open();
    const { view, home } = await server();
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
    // Undone at the end, so that no loop sees it.
    const session = world.test.admin;
    try {
      await session.query('BEGIN');
      const { rows: [feed] } = await session.query<{ epoch: number }>('SELECT epoch FROM compute.host_feeds WHERE host_id = $1', [home.id]);
      const others = new OtherObservationsRepository({ pool: session } as never, { ring: () => undefined } as never);
      const told = async (wanted: string): Promise<number> => Number((await session.query(
        'UPDATE compute.migrations SET other_wanted = $2, other_generation = other_generation + 1 WHERE instance_id = $1 AND other_host_id = $3 RETURNING other_generation', [view.id, wanted, home.id])).rows[0].other_generation);
      const says = async (state: string, generation: number, sequence: number, bootId = 'boot-1'): Promise<unknown> => {
        const seen = { id: view.id, state, generation, rebootCount: 0, startedAtMs: null, doing: null, error: null };
        await others.book(home.id, feed?.epoch ?? 0, [seen as never], { bootId, sequence });
        return (await session.query('SELECT other_observed_state AS state FROM compute.migrations WHERE instance_id = $1 AND other_host_id = $2', [view.id, home.id])).rows[0]?.state;
      };
      const stopping = await told('stopped');
      expect(await says('stopped', stopping, 9)).toBe('stopped');
      expect(await says('running', stopping, 8)).toBe('stopped');
      expect(await says('running', stopping, 10)).toBe('running');
      const going = await told('deleted');
      expect(await says('stopped', going, 11)).toBe('stopped');
      expect(await says('absent', going, 13)).toBe('absent');
      expect(await says('stopped', going, 12)).toBe('absent');
      // It has forgotten what it proved; only a new word asks it again.
      expect(await says('stopped', going, 1, 'boot-2')).toBe('absent');
      // A server that is being deleted and counts no other host any more waits for none (a fence): nobody else ends what the proof ends.
      await session.query("UPDATE compute.instances SET intent = 'deleted', elsewhere = 0 WHERE id = $1", [view.id]);
      expect(await says('absent', await told('deleted'), 14)).toBeUndefined();
    } finally {
      await session.query('ROLLBACK');
    }
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('that fails while it waits to be confirmed is not rebuilt, for what the other host keeps is of before; started again, it is taken back', async () => {
    await open();
    const { view, home, away } = await server();
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
    away.broken = 'start';
    (away.guests.get(view.id) as { power: string }).power = 'stopped';
    await client().reaches(view.id, 'ERROR');
    await expect(world.bus.ask(rebuildServer, { ...as(view), imageId: IMAGE_ID })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('while it is being moved') });
    // Asked first: a host that is mended tries again by itself, and a server that runs again is not started.
    const started = world.bus.ask(startServer, as(view));
    away.broken = undefined;
    await started;
    await client().reaches(view.id, 'VERIFY_RESIZE');
    await world.bus.ask(revertResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    expect(home.guests.get(view.id)).toMatchObject({ power: 'running', disk: 'image 1 + work' });
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('a stopped server stays stopped', async () => {
    await open();
    const { view, away } = await server();
    await world.bus.ask(stopServer, as(view));
    await client().reaches(view.id, 'SHUTOFF');
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
    expect(away.guests.get(view.id)).toMatchObject({ power: 'stopped', vcpus: 3 });
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'SHUTOFF');
    expect(world.running(view.id)).toEqual([]);
  });

  it('a repeated request changes nothing', async () => {
    await open();
    const { view } = await server();
    const caller = admin();
    for (let round = 0; round < 3; round += 1) await world.bus.ask(resizeServer, { caller, instanceId: view.id, flavorId: 'big' });
    await client().reaches(view.id, 'VERIFY_RESIZE');
    for (let round = 0; round < 3; round += 1) await world.bus.ask(revertResize, { caller: { ...caller, requestId: 'req-r' }, instanceId: view.id });
    await client().reaches(view.id, 'ACTIVE');
    await world.bus.ask(revertResize, { caller: { ...caller, requestId: 'req-r' }, instanceId: view.id });
    expect(await migrations(view)).toHaveLength(1);
  });

  it.each(['build', 'start'] as const)('a destination that cannot %s it gives it back by itself', async (what) => {
    await open();
    const { view, home, away } = await server();
    away.broken = what;
    await resize(view);
    await eventually(async () => (await migrations(view))[0]?.status === 'error', () => 'not over');
    await client().reaches(view.id, 'ACTIVE');
    expect(await migrations(view)).toEqual([{ status: 'error', error: expect.stringMatching(/the disk is full|it does not start/) }]);
    expect(home.guests.get(view.id)).toMatchObject({ power: 'running', vcpus: 1, disk: 'image 1 + work' });
    expect(world.having(view.id)).toEqual([home.name]);
    expect(await world.claims(view.id)).toEqual([['run', home.name, 1]]);
    away.broken = undefined;
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
  });

  it('a guest that does not go off stays where it is, and runs', async () => {
    await open();
    const { view, home } = await server();
    home.broken = 'stop';
    await resize(view);
    await eventually(async () => (await migrations(view))[0]?.status === 'error', () => 'not over');
    await client().reaches(view.id, 'ACTIVE');
    expect(world.running(view.id)).toEqual([home.name]);
    expect(await world.claims(view.id)).toEqual([['run', home.name, 1]]);
  });

  it('no room anywhere: the server runs on as it was, and the move says why', async () => {
    await open({ sizes: [1024, 200] });
    const { view, home } = await server();
    await resize(view);
    await eventually(async () => (await migrations(view))[0]?.status === 'error', () => 'not over');
    await client().reaches(view.id, 'ACTIVE');
    expect((await migrations(view))[0]?.error).toContain('No valid host was found');
    expect(home.guests.get(view.id)).toMatchObject({ power: 'running', vcpus: 1 });
    expect(await world.claims(view.id)).toEqual([['run', home.name, 1]]);
  });

  it('a deadline counts only while the host lives, and ends it at its source', async () => {
    await open({ operateDeadlineMs: 2_000 });
    const { view, home, away } = await server();
    away.works = false;
    await resize(view);
    await client().reaches(view.id, 'REVERT_RESIZE/resize_reverting');
    away.works = true;
    await client().reaches(view.id, 'ACTIVE');
    expect(await migrations(view)).toEqual([{ status: 'error', error: expect.stringContaining('did not do its part') }]);
    expect(world.running(view.id)).toEqual([home.name]);
  });
});

describe('resize on its host', () => {
  it.each(['confirm', 'revert'] as const)('keeps what was beside what is, until %s', async (how) => {
    await open({ inPlace: true, sizes: [65_536] });
    const { id } = await client().create();
    const view = await client().reaches(id, 'ACTIVE');
    const home = world.hostNamed(view.hostName);
    await resize(view);
    await client().reaches(id, 'VERIFY_RESIZE');
    expect(home.guests.get(id)).toMatchObject({ power: 'running', vcpus: 3, kept: { vcpus: 1 } });
    expect(await world.claims(id)).toEqual([['move', home.name, 3], ['run', home.name, 1]]);
    await world.bus.ask(how === 'confirm' ? confirmResize : revertResize, as(view));
    await client().reaches(id, 'ACTIVE');
    expect(home.guests.get(id)).toMatchObject({ power: 'running', vcpus: how === 'confirm' ? 3 : 1 });
    expect(home.guests.get(id)).not.toHaveProperty('kept');
    expect(await world.claims(id)).toEqual([['run', home.name, how === 'confirm' ? 3 : 1]]);
    expect(await migrations(view)).toEqual([{ status: how === 'confirm' ? 'confirmed' : 'reverted', error: null }]);
    // Once more, from what it is now.
    await resize(view, 'huge');
    await client().reaches(id, 'VERIFY_RESIZE');
    await world.bus.ask(revertResize, as(view));
    await client().reaches(id, 'ACTIVE');
    expect(home.guests.get(id)).toMatchObject({ vcpus: how === 'confirm' ? 3 : 1 });
    await client().delete(id);
    await expectGone(id);
  });

  it('restores what was when it cannot be built', async () => {
    await open({ inPlace: true, sizes: [65_536] });
    const { id } = await client().create();
    const view = await client().reaches(id, 'ACTIVE');
    const home = world.hostNamed(view.hostName);
    home.broken = 'build';
    await resize(view);
    await eventually(async () => (await migrations(view))[0]?.status === 'error', () => 'not over');
    await client().reaches(id, 'ACTIVE');
    expect(home.guests.get(id)).toMatchObject({ power: 'running', vcpus: 1 });
    expect(await world.claims(id)).toEqual([['run', home.name, 1]]);
  });
});

describe('cold migration', () => {
  it('goes where it is told, or anywhere but where it is', async () => {
    await open({ inPlace: true, sizes: [65_536, 65_536, 65_536] });
    const { view, home } = await server();
    const to = world.hosts.find((host) => host !== home) as MovingHost;
    await world.bus.ask(migrateServer, { ...as(view), host: to.name });
    expect(await client().reaches(view.id, 'VERIFY_RESIZE')).toMatchObject({ hostName: to.name, flavor: { id: '42' }, moveKind: 'migration' });
    expect(to.guests.get(view.id)).toMatchObject({ power: 'running', vcpus: 1, disk: 'image 1 + work' });
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    await world.bus.ask(migrateServer, { ...as(view), host: null });
    expect((await client().reaches(view.id, 'VERIFY_RESIZE')).hostName).not.toBe(to.name);
  });
});

describe('refusals', () => {
  it('speak as Nova does', async () => {
    await open();
    const { view, home } = await server();
    const says = (asked: Promise<unknown>, kind: string, message: string | RegExp): Promise<void> =>
      expect(asked).rejects.toMatchObject({ kind, message: typeof message === 'string' ? message : expect.stringMatching(message) });
    await says(resize(view, '42'), 'bad-request', 'When resizing, instances must change flavor!');
    await says(resize(view, 'none'), 'bad-request', 'Flavor none could not be found.');
    await says(resize(view, 'zero'), 'bad-request', 'Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.');
    await says(world.bus.ask(confirmResize, as(view)), 'conflict', `Cannot 'confirmResize' instance ${view.id} while it is in vm_state active`);
    await says(world.bus.ask(revertResize, as(view)), 'conflict', `Cannot 'revertResize' instance ${view.id} while it is in vm_state active`);
    await says(world.bus.ask(migrateServer, { ...as(view), host: home.name }), 'bad-request', 'Cannot migrate to the host where the server exists.');
    await says(world.bus.ask(migrateServer, { ...as(view), host: 'mars' }), 'bad-request', 'Compute host mars could not be found.');
    await says(world.bus.ask(migrateServer, { caller: client().as, instanceId: view.id, host: null }), 'forbidden', /administrator/);
    await says(world.bus.ask(evacuateServer, { ...as(view), host: null }), 'conflict', /skylite host fence/);
    await says(world.bus.ask(openDiskTransfer, { transferId: '11111111-1111-4111-8111-111111111111', key: 'x' }), 'forbidden', /opens no disk/);
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
    await says(resize(view, 'huge'), 'conflict', `Cannot 'resize' instance ${view.id} while it is in vm_state resized`);
    await says(world.bus.ask(listMigrations, { caller: client().as, filters: {}, limit: 1 }), 'forbidden', /administrator/);
    expect((await world.bus.ask(listMigrations, { caller: client().as, filters: { instanceId: view.id }, limit: 1 })).migrations).toHaveLength(1);
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    await says(resize(view, '42'), 'bad-request', /the server's disk has 2 GiB/);
  });

  it('an older agent is not asked for what it cannot do', async () => {
    await open({ capabilities: [] });
    const { view } = await server();
    await expect(resize(view)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('older') });
    await expect(world.bus.ask(migrateServer, { ...as(view), host: null })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('older') });
  });

  it('counts what a resize adds against the quota, from the request to the end of it', async () => {
    await open();
    world.limits = { ...world.limits, cores: 4, ramMib: 1000 };
    const { view } = await server();
    await client().create().then(({ id }) => client().reaches(id, 'ACTIVE'));
    await expect(resize(view, 'huge')).rejects.toMatchObject({ kind: 'over-quota', message: 'Quota exceeded for cores, ram: Requested 3, 896, but already used 2, 256 of 4, 1000 cores, ram' });
    await resize(view);
    await expect(client().create()).rejects.toMatchObject({ kind: 'over-quota' });
    await client().reaches(view.id, 'VERIFY_RESIZE');
    expect(await world.bus.ask(getUsage, { caller: admin(), projectId: 'p1' })).toMatchObject({ cores: 4, ramMib: 384 });
    await world.bus.ask(revertResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    expect(await world.bus.ask(getUsage, { caller: admin(), projectId: 'p1' })).toMatchObject({ cores: 2, ramMib: 256 });
  });
});

describe('deletion', () => {
  const slow: [string, (home: MovingHost, away: MovingHost) => void, string][] = [
    ['stop', (home) => { home.works = false; }, 'RESIZE/resize_migrating'],
    ['arrive', (_home, away) => { away.works = false; }, 'RESIZE/resize_finish'],
    ['verify', () => undefined, 'VERIFY_RESIZE'],
  ];
  it.each(slow)('in phase %s leaves nothing on either host', async (_phase, hinder, status) => {
    await open();
    const { view, home, away } = await server();
    hinder(home, away);
    await resize(view);
    await client().reaches(view.id, status);
    await client().delete(view.id);
    await expect(client().get(view.id)).rejects.toMatchObject({ kind: 'not-found' });
    [home.works, away.works] = [true, true];
    await expectGone(view.id);
  });

  it.each(['confirm', 'revert'] as const)('in phase %s, too', async (how) => {
    await open();
    const { view, home, away } = await server();
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
    (how === 'confirm' ? home : away).works = false;
    await world.bus.ask(how === 'confirm' ? confirmResize : revertResize, as(view));
    await new Promise((done) => setTimeout(done, 80));
    await client().delete(view.id);
    [home.works, away.works] = [true, true];
    await expectGone(view.id);
  });

  it('in phase return, and right after the request', async () => {
    await open();
    const { view, home } = await server();
    await resize(view);
    await client().reaches(view.id, 'VERIFY_RESIZE');
    home.works = false;
    await world.bus.ask(revertResize, as(view));
    await eventually(async () => (await client().get(view.id)).movePhase === 'return', () => 'not on its way back');
    await client().delete(view.id);
    home.works = true;
    await expectGone(view.id);
    const next = await server();
    await resize(next.view);
    await client().delete(next.view.id);
    await expectGone(next.view.id);
  });

  it('on its own host, with what was kept', async () => {
    await open({ inPlace: true, sizes: [65_536] });
    const { id } = await client().create();
    const view = await client().reaches(id, 'ACTIVE');
    await resize(view);
    await client().reaches(id, 'VERIFY_RESIZE');
    await client().delete(id);
    await expectGone(id);
  });
});
