/** Devices that come to a server and leave it while it is there: real compute and scheduler services, scripted hosts, devices as their reports leave them. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  attachDevices, confirmResize, createFlavor, detachDevices, evacuateServer, listServerDevices, LIVE_DEVICES, lockServer, migrateServer, readTimeline, rebootServer, releaseDevices, revertResize, startServer, stopServer, suspendServer, claimDevices,
  type InputOf, type InstanceView, type OutputOf, type RememberedInstance,
} from '#libs/contracts';
import { AdoptionRepository } from '../../apps/compute/src/adoption/adoption.repository.js';
import { compareHost } from '../../apps/compute/src/adoption/decide/compare.js';
import { rowFromMemory } from '../../apps/compute/src/adoption/decide/row-from-memory.js';
import { eventually } from '../support/compute-service.js';
import { callerOf } from '../support/compute-world.js';
import { changeDevice, deviceRows, poolRow, unsoundDevices, vfsOf } from '../support/device-rows.js';
import { admin, as, client, database, expectGone, open, resize, server, sql, useMoves, world } from '../support/moves-test.js';

useMoves();

const runner = { admin: { query: (text: string, values: unknown[] = []) => sql(text, values).then((rows) => ({ rows })) } } as unknown as Parameters<typeof poolRow>[0];
let className = '';

/** Two hosts; on each `count` VFs of one class; a server of a flavor with one of them runs on one. */
async function start({ count = 3, speaks = true, quota, options = {} }: { count?: number; speaks?: boolean; quota?: number; options?: Parameters<typeof open>[0] } = {}): Promise<Awaited<ReturnType<typeof server>>> {
  await open({ capabilities: ['REBUILD', 'DISK_TRANSFER', 'RESIZE_IN_PLACE', 'LAYOUT', 'DEVICES', 'SUSPEND', ...(speaks ? [LIVE_DEVICES] : [])], ...options });
  className = `net-${randomUUID().slice(0, 8)}`;
  if (quota !== undefined) world.limits = { ...world.limits, devices: { [className]: quota } };
  const pool = { id: await poolRow(runner, className, { vlans: [42] }), className };
  for (const { id } of world.hosts) await deviceRows(runner, id, vfsOf(`mac:${id.slice(0, 8)}`, count, pool));
  await world.bus.ask(createFlavor, { caller: admin(), flavor: { id: 'one', name: 'one', vcpus: 1, ramMib: 64, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: { 'pci_passthrough:alias': `${className}:1` } } });
  return server({ flavorId: 'one' });
}
const attach = (view: InstanceView, change: Partial<InputOf<typeof attachDevices>> = {}): Promise<OutputOf<typeof attachDevices>> =>
  world.bus.ask(attachDevices, { ...as(view), attachment: randomUUID(), className, count: 1, ...change });
const detach = (view: InstanceView, attachment: string): Promise<OutputOf<typeof detachDevices>> => world.bus.ask(detachDevices, { ...as(view), attachment });
const shown = (view: InstanceView): Promise<OutputOf<typeof listServerDevices>> => world.bus.ask(listServerDevices, as(view));
const states = async (view: InstanceView): Promise<string> => (await shown(view)).attachments.map(({ state, reason }) => (reason === null ? state : `${state} (${reason})`)).join(', ');
const are = (view: InstanceView, expected: string): Promise<void> => eventually(async () => (await states(view)) === expected, () => `attachments are not ${expected}`, 15_000);
const held = async (id: string): Promise<number> => (await sql<{ n: number }>('SELECT count(*)::int AS n FROM scheduler.device_claims WHERE instance_id = $1', [id]))[0]!.n;
const status = async (id: string): Promise<[string, string, unknown]> => (await sql<{ intent: string; step: string; fault: unknown }>('SELECT intent, step, fault FROM compute.instances WHERE id = $1', [id])).map(({ intent, step, fault }): [string, string, unknown] => [intent, step, fault])[0]!;
const told = async (id: string): Promise<string[]> => (await sql<{ kind: string; message: string }>("SELECT kind, message FROM compute.instance_events WHERE instance_id = $1 AND kind LIKE 'device-%' ORDER BY id", [id])).map(({ kind, message }) => `${kind} ${message}`.replaceAll(className, 'net'));
const clean = async (): Promise<unknown> => Promise.all((await sql<{ id: string }>("SELECT id FROM scheduler.devices d WHERE scheduler.device_standing(d) = 'scrubbing'")).map(({ id }) => changeDevice(runner, id, 'clean_at = generation')));
const inDomain = ({ home, view }: { home: (typeof world.hosts)[number]; view: InstanceView }): number => home.guests.get(view.id)?.devices?.length ?? 0;

afterEach(async () => { expect(await unsoundDevices(runner)).toEqual([]); });

describe('attach and detach', () => {
  it('of a running server: all or none, once for each request, told to its host, and given back only when the guest has let go', async () => {
    const it = await start();
    const { view, home } = it;
    const attachment = randomUUID();
    const ask = { attachment, count: 2, tag: 'data', vlan: 42 };
    expect(await attach(view, ask)).toMatchObject({ attachments: [{ id: attachment, count: 2, state: 'attaching', tag: 'data', vlan: 42 }] });
    await are(view, 'attached');
    expect(await attach(view, ask)).toMatchObject({ attachments: [{ id: attachment, state: 'attached' }] });
    expect([inDomain(it), await held(view.id), await status(view.id)]).toEqual([3, 3, ['running', 'settled', null]]);
    expect((await shown(view)).devices).toMatchObject([{ attachment: null, state: 'attached' }, { attachment, state: 'attached', tag: 'data', vlan: 42 }, { attachment, state: 'attached' }]);
    home.deaf = true;
    expect(await detach(view, attachment)).toMatchObject({ attachments: [{ id: attachment, state: 'detaching' }] });
    await are(view, 'detaching (needs guest stop: the guest does not let it go)');
    expect(await detach(view, attachment)).toMatchObject({ attachments: [{ state: 'detaching' }] });
    expect([await held(view.id), await status(view.id), (await shown(view)).devices.map(({ state }) => state)]).toEqual([3, ['running', 'settled', null], ['attached', 'detaching', 'detaching']]);
    // It answers late.
    home.deaf = false;
    await are(view, '');
    expect([inDomain(it), await held(view.id), await told(view.id)]).toEqual([1, 1, ['device-attach 2 net', 'device-attached 2 net', 'device-detach 2 net', 'device-detached 2 net']]);
    await expect(detach(view, attachment)).rejects.toMatchObject({ kind: 'not-found' });
    const [ofFlavor] = (await shown(view)).devices;
    await expect(detach(view, ofFlavor!.deviceId)).rejects.toThrow('resize to a flavor without it');
    await client().delete(view.id);
    await expectGone(view.id);
    expect(await sql('SELECT * FROM scheduler.device_claims')).toEqual([]);
  });

  it.each(['stop', 'hard reboot'])('what a deaf guest keeps goes with a %s', async (how) => {
    const it = await start();
    const { view, home } = it;
    const { attachments: [one] } = await attach(view);
    await are(view, 'attached');
    home.deaf = true;
    await detach(view, one!.id);
    await are(view, 'detaching (needs guest stop: the guest does not let it go)');
    await world.bus.ask(how === 'stop' ? stopServer : rebootServer, { ...as(view), type: 'hard' } as never);
    await are(view, '');
    expect(await held(view.id)).toBe(1);
    await client().reaches(view.id, how === 'stop' ? 'SHUTOFF' : 'ACTIVE');
  });

  it('of a server that is off: its definition, and the next start', async () => {
    const it = await start();
    const { view } = it;
    await world.bus.ask(stopServer, as(view));
    await client().reaches(view.id, 'SHUTOFF');
    const { attachments: [one] } = await attach(view);
    await are(view, 'attached');
    await world.bus.ask(startServer, as(view));
    await client().reaches(view.id, 'ACTIVE');
    expect(inDomain(it)).toBe(2);
    await world.bus.ask(stopServer, as(view));
    await client().reaches(view.id, 'SHUTOFF');
    await detach(view, one!.id);
    await are(view, '');
    expect(await held(view.id)).toBe(1);
  });

  it('of a server whose flavor has none: it is bound by nothing when it has let go', async () => {
    await start();
    const it = await server();
    const { attachments: [one] } = await attach(it.view, { numaPolicy: 'preferred' });
    await are(it.view, 'attached');
    await expect(world.bus.ask(suspendServer, as(it.view))).rejects.toThrow('it has devices of its host');
    await detach(it.view, one!.id);
    await are(it.view, '');
    expect([inDomain(it), await held(it.view.id), await sql('SELECT layout FROM compute.instances WHERE id = $1', [it.view.id])]).toEqual([0, 0, [{ layout: null }]]);
  });

  it('that can not be, for good, is taken back, and said', async () => {
    const it = await start();
    const { view, home } = it;
    home.unattachable = 'the function is gone';
    await attach(view);
    await are(view, '');
    expect([await held(view.id), inDomain(it), await status(view.id), await told(view.id)]).toEqual([1, 1, ['running', 'settled', null], ['device-attach net', 'device-attach-failed net: the function is gone', 'device-detached net']]);
  });
});

describe('refused', () => {
  it('at once, in numbers, when its host has none; nothing is left of it', async () => {
    const { view } = await start();
    await expect(attach(view, { count: 3 })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringMatching(/^Cannot attach 3 net-\w+ to instance \S+: 1 host has not enough devices free: 3 net-\w+ needed \(most: 2 net-\w+\)\. \S+: 3 net-\w+ needed, free: 2 net-\w+ \(pool pool-\S+: 2 free, 1 in use, 0 quarantined, 0 being scrubbed\)\.$/) });
    await expect(attach(view, { count: 3, caller: callerOf('p1') })).rejects.toThrow(/\(most: 2 net-\w+\)\.$/);
    await are(view, '');
    expect([await held(view.id), await status(view.id)]).toEqual([1, ['running', 'settled', null]]);
    await expect(attach(view, { vlan: 43 })).rejects.toThrow('with VLAN 43');
  });

  it('by quotas, tags, classes that are not there, locks, states, moves, fences and older agents', async () => {
    const { view, home } = await start({ quota: 3 });
    await expect(attach(view, { className: 'nothing' })).rejects.toMatchObject({ kind: 'bad-request', message: expect.stringContaining('There is no device class nothing.') });
    await attach(view, { tag: 'data' });
    await are(view, 'attached');
    await expect(attach(view, { count: 2 })).rejects.toMatchObject({ kind: 'over-quota', message: `Quota exceeded for devices:${className}: Requested 2, but already used 2 of 3 devices:${className}` });
    await attach(view);
    await expect(client().create({ flavorId: 'one' })).rejects.toThrow(`already used 3 of 3 devices:${className}`);
    await expect(attach(view, { tag: 'data' })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining("is tagged 'data'") });
    await expect(attach(view, { caller: callerOf('p2') })).rejects.toMatchObject({ kind: 'not-found' });
    await world.bus.ask(lockServer, { ...as(view), caller: callerOf('p1'), reason: null });
    await expect(attach(view, { caller: callerOf('p1') })).rejects.toThrow('is locked');
    await world.fence(home);
    await expect(attach(view)).rejects.toThrow('is fenced');
    const [one] = (await shown(view)).attachments;
    expect(await detach(view, one!.id)).toMatchObject({ attachments: [{ state: 'detaching' }] });
    await world.readmit(home);
  });

  it('while its agent is older', async () => {
    const { view } = await start({ speaks: false });
    await expect(attach(view)).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('update the agent of') });
  });
});

describe('moves', () => {
  it('that went back after a rebuild leave a row that counts higher than its claim, which gives devices all the same', async () => {
    const { view } = await start();
    await sql('UPDATE compute.instances SET claim_generation = 2, version = version + 1 WHERE id = $1', [view.id]);
    const { attachments: [one] } = await attach(view);
    await are(view, 'attached');
    await detach(view, one!.id);
    await are(view, '');
  });

  it('take attachments along: a resize with its revert and its confirmation', async () => {
    const { view, home, away } = await start();
    const { attachments: [one] } = await attach(view, { tag: 'data' });
    await are(view, 'attached');
    await resize(view, 'big');
    await client().reaches(view.id, 'VERIFY_RESIZE');
    expect([away.guests.get(view.id)?.devices?.map(({ attachment, tag, place }) => ({ attachment, tag, place })), await held(view.id)]).toEqual([[{ attachment: one!.id, tag: 'data', place: 0 }], 3]);
    await expect(attach(view)).rejects.toThrow('vm_state resized');
    await world.bus.ask(revertResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    await are(view, 'attached');
    expect([await held(view.id), home.guests.get(view.id)?.devices?.length]).toEqual([2, 2]);
    await clean();
    await world.bus.ask(migrateServer, { ...as(view), host: null });
    await client().reaches(view.id, 'VERIFY_RESIZE');
    await world.bus.ask(confirmResize, as(view));
    await client().reaches(view.id, 'ACTIVE');
    await are(view, 'attached');
    expect([await held(view.id), away.guests.get(view.id)?.devices?.map(({ place }) => place)]).toEqual([2, [undefined, 1]]);
    await detach(view, one!.id);
    await are(view, '');
    expect(await held(view.id)).toBe(1);
  });

  it('that find no host for them say so', async () => {
    const { view, away } = await start({ options: { inPlace: false } });
    await attach(view);
    await are(view, 'attached');
    await sql(`UPDATE scheduler.devices SET missing_since = now() WHERE host_id = $1`, [away.id]).catch(() => undefined);
    await world.bus.ask(migrateServer, { ...as(view), host: null });
    await eventually(async () => (await status(view.id))[1] === 'settled' && (await sql<{ error: string | null }>('SELECT error FROM compute.migrations WHERE instance_id = $1 AND finished_at IS NOT NULL', [view.id])).length > 0, () => 'it has not gone back');
    expect((await sql<{ error: string }>('SELECT error FROM compute.migrations WHERE instance_id = $1', [view.id]))[0]!.error).toContain('1 of the devices that it needs was attached to it');
    await are(view, 'attached');
  });

  it('an evacuation claims others for it; a detach that nobody answered is over with it', async () => {
    const { view, home, away } = await start();
    const [kept, left] = [await attach(view), await attach(view)].map(({ attachments: [one] }) => one!.id) as [string, string];
    await are(view, 'attached, attached');
    home.deaf = true;
    await detach(view, left);
    await are(view, 'attached, detaching (needs guest stop: the guest does not let it go)');
    await world.fence(home);
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    await client().reaches(view.id, 'ACTIVE');
    await are(view, 'attached');
    expect([away.guests.get(view.id)?.devices?.map(({ attachment }) => attachment), await held(view.id)]).toEqual([[undefined, kept], 5]);
    (home.guests.get(view.id) as { power: string }).power = 'stopped';
    await world.readmit(home);
    await eventually(async () => (await held(view.id)) === 2, () => 'what was left is still held');
  });

  it('an evacuation that no host has the devices for ends in ERROR, and goes on without those that are detached then; the old claim keeps them until their host is back', async () => {
    const { view, home, away } = await start();
    const { attachments: [one] } = await attach(view);
    await are(view, 'attached');
    const scarce = await sql<{ id: string }>('SELECT id FROM scheduler.devices WHERE host_id = $1 ORDER BY id LIMIT 2', [away.id]);
    for (const { id } of scarce) await changeDevice(runner, id, 'missing_since = now()');
    await world.fence(home);
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    await client().reaches(view.id, 'ERROR');
    expect((await status(view.id))[2]).toMatchObject({ message: expect.stringContaining('1 of the devices that it needs was attached to it, and can be detached.') });
    // Asked for when its host was lost: no host was ever told of it.
    const pending = { id: randomUUID(), className, count: 1, tag: null, vlan: null, numaPolicy: null, wanted: 'attached', attached: false, reason: null, devices: [], createdAt: new Date().toISOString() };
    await sql('UPDATE compute.instances SET attachments = attachments || $2::jsonb, version = version + 1 WHERE id = $1', [view.id, JSON.stringify([pending])]);
    await expect(attach(view)).rejects.toThrow('vm_state error');
    await detach(view, pending.id);
    await are(view, 'attached');
    expect(await detach(view, one!.id)).toMatchObject({ attachments: [{ state: 'detaching' }] });
    expect(await held(view.id)).toBe(2);
    await world.bus.ask(evacuateServer, { ...as(view), host: null });
    await client().reaches(view.id, 'ACTIVE');
    await are(view, '');
    expect([away.guests.get(view.id)?.devices?.map(({ attachment }) => attachment), await held(view.id)]).toEqual([[undefined], 3]);
    (home.guests.get(view.id) as { power: string }).power = 'stopped';
    await world.readmit(home);
    await eventually(async () => (await held(view.id)) === 1, () => 'what was left is still held');
  });

  it('detached in ERROR from a server whose host lives: let go and given back as ever', async () => {
    const { view } = await start();
    const { attachments: [one] } = await attach(view);
    await are(view, 'attached');
    await sql(`UPDATE compute.instances SET step = 'failed', fault = $2, version = version + 1 WHERE id = $1`, [view.id, JSON.stringify({ code: 500, message: 'x', details: '', createdAt: new Date().toISOString() })]);
    await client().reaches(view.id, 'ERROR');
    await detach(view, one!.id);
    await are(view, '');
    expect(await held(view.id)).toBe(1);
  });
});

describe('crashes and lost messages', () => {
  it('a request that ended behind its row: the loop claims, or takes it back', async () => {
    const { view } = await start();
    const row = (id: string, count: number): object => ({ id, className, count, tag: null, vlan: null, numaPolicy: null, wanted: 'attached', attached: false, reason: null, devices: [], createdAt: new Date().toISOString() });
    await sql('UPDATE compute.instances SET attachments = $2, version = version + 1, reconcile_at = now() WHERE id = $1', [view.id, JSON.stringify([row(randomUUID(), 1), row(randomUUID(), 5)])]);
    await are(view, 'attached');
    expect([await held(view.id), (await told(view.id)).filter((line) => line.startsWith('device-refused'))]).toEqual([2, [expect.stringMatching(/^device-refused 5 net: 1 host has not enough devices free/)]]);
  });

  it('a claim whose answer was lost, a release whose row was not written: asked again, and the same', async () => {
    const { view, home } = await start();
    const id = randomUUID();
    const asked = { instanceId: view.id, hostId: home.id, attachment: id };
    await world.bus.ask(claimDevices, { ...asked, need: { className, count: 2 } });
    await attach(view, { attachment: id, count: 2 });
    await are(view, 'attached');
    expect(await held(view.id)).toBe(3);
    // The host's proof, and the scheduler's release, but no word of it in the row.
    await detach(view, id);
    await are(view, '');
    expect(await world.bus.ask(releaseDevices, asked)).toMatchObject({ layout: { devices: [expect.anything()] } });
    await expect(world.bus.ask(claimDevices, { ...asked, need: { className, count: 2 } })).rejects.toMatchObject({ kind: 'conflict' });
    // The same request once more, whose first answer was lost: it is over, and leaves nothing.
    await expect(attach(view, { attachment: id, count: 2 })).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('was detached before') });
    await are(view, '');
    expect(await held(view.id)).toBe(1);
  });

  it('a host that is away: nothing fails, nothing is released, and all goes on when it is back', async () => {
    const { view, home } = await start({ options: { operateDeadlineMs: 300 } });
    const { attachments: [one] } = await attach(view);
    await are(view, 'attached');
    await home.disconnect();
    await detach(view, one!.id);
    await attach(view);
    await new Promise((done) => setTimeout(done, 1_000));
    expect([await held(view.id), await status(view.id), await states(view)]).toEqual([3, ['running', 'settled', null], 'detaching, attaching']);
    home.connected = true;
    await are(view, 'attached');
    expect(await held(view.id)).toBe(2);
    const { entries } = await world.bus.ask(readTimeline, { ...as(view), deletedToo: true, requestsOnly: false, limit: 100, withLines: false });
    expect(entries.filter(({ action }) => action.startsWith('device-')).map(({ action }) => action)).toEqual(['device-attach', 'device-detach', 'device-attach']);
    await client().delete(view.id);
    await expectGone(view.id);
  });

  it('a database that was restored to before it: the row follows its host, and the attachment is what the host remembers', async () => {
    const { view, home } = await start();
    const [before] = await sql<{ layout: object; generation: string }>('SELECT layout, generation FROM compute.instances WHERE id = $1', [view.id]);
    await attach(view, { tag: 'data', vlan: 42 });
    await are(view, 'attached');
    await sql("UPDATE compute.instances SET layout = $2, generation = $3, attachments = '[]', version = version + 1 WHERE id = $1", [view.id, JSON.stringify(before!.layout), before!.generation]);
    const repository = new AdoptionRepository(database());
    const entries = [...home.ledger.values()].map((desired): RememberedInstance => ({ desired, sequence: 1, state: 'running', built: true, source: 'ledger' }));
    const findings = compareHost({ id: home.id, entries }, await repository.rows(home.id, [view.id]), []);
    expect(findings.map(({ is }) => is)).toEqual(['newer']);
    await repository.follow({ id: home.id, name: home.name, zone: 'nova', upTo: home.since, epoch: home.epoch }, findings, (entry) => rowFromMemory(entry, new Map()), admin());
    await are(view, 'attached');
    const { attachments: [one] } = await shown(view);
    expect(one).toMatchObject({ className, count: 1, tag: 'data', vlan: 42 });
    await detach(view, one!.id);
    await are(view, '');
    expect(await held(view.id)).toBe(1);
  });
});
