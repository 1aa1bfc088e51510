/**
 * Every operation that the distribution's openstack client has a command for, on real guests on several hosts; what counts is
 * what the guest saw (its serial log, its own agent, its disk), not only the status.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { domains, eventually, instanceFolders, libvirtUri, openstack, openstackJson, settings } from '../support/cloud.js';
import { inGuest } from '../support/guest.js';

type Row = Record<string, string | number | boolean | null>;
const NAME = 'ops';
let id = '';

const show = async (server = NAME, version = '2.79'): Promise<Row> => openstackJson<Row>(['--os-compute-api-version', version, 'server', 'show', server]);
const hostOf = async (): Promise<string> => String((await show())['OS-EXT-SRV-ATTR:host']);
const status = async (server = NAME): Promise<string> => String((await show(server)).status);
const reaches = (word: string, server = NAME): Promise<unknown> => eventually(`${server} is ${word}`, 180_000, async () => {
  const { status: now, fault } = await show(server);
  if (now === 'ERROR' && word !== 'ERROR') throw new Error(`ERROR: ${JSON.stringify(fault)}`);
  return now === word;
});
const guest = async (line: string): Promise<string> => inGuest(await hostOf(), id, line);
const memoryKib = async (): Promise<number> => Number(await guest("awk '/MemTotal/ { print $2 }' /proc/meminfo"));
const untilGuestAnswers = (): Promise<string> => eventually('the guest answers', 180_000, () => guest('cat /proc/sys/kernel/random/boot_id').catch(() => undefined));
const v = (version: string, ...words: string[]): Promise<string> => openstack(['--os-compute-api-version', version, ...words]);

beforeAll(async () => {
  const made = await openstackJson<Row>(['server', 'create', '--flavor', 'm1.nano', '--image', 'skylite-tiny', '--property', 'colour=blue', '--wait', NAME]);
  id = String(made.id);
  await untilGuestAnswers();
  await guest('echo kept >/disk/marker && sync');
});
afterAll(async () => {
  for (const server of [NAME, 'many-1', 'many-2', 'many-3']) await openstack(['server', 'delete', '--wait', server]).catch(() => undefined);
  for (const group of ['apart']) await openstack(['server', 'group', 'delete', group]).catch(() => undefined);
  await openstack(['flavor', 'delete', 'ops.more']).catch(() => undefined);
});

describe('standing still', () => {
  it('pause: the guest’s own clock stands still; unpause: it goes on', async () => {
    // Taken outside of both looks at the guest's clock: however long they take, it shows less than has passed.
    const began = Date.now();
    const before = Number((await guest('cut -d " " -f 1 /proc/uptime')));
    await openstack(['server', 'pause', NAME]);
    await reaches('PAUSED');
    const uri = libvirtUri(await hostOf());
    expect(spawnSync('virsh', ['-c', uri, 'domstate', id], { encoding: 'utf8' }).stdout.trim()).toBe('paused');
    await new Promise((done) => setTimeout(done, 6_000));
    await openstack(['server', 'unpause', NAME]);
    await reaches('ACTIVE');
    const after = Number(await guest('cut -d " " -f 1 /proc/uptime'));
    const passed = (Date.now() - began) / 1000;
    expect(after - before).toBeLessThan(passed - 5);
  });

  it('suspend: the domain is off; resume: the very same boot goes on', async () => {
    const boot = await guest('cat /proc/sys/kernel/random/boot_id; echo warm >/run/memory');
    const host = await hostOf();
    await openstack(['server', 'suspend', NAME]);
    await reaches('SUSPENDED');
    expect(domains(host).find(({ uuid }) => uuid === id)?.running).toBe(false);
    await openstack(['server', 'resume', NAME]);
    await reaches('ACTIVE');
    expect(await untilGuestAnswers()).toBe(boot);
    expect(await guest('cat /run/memory')).toBe('warm');
  });
});

describe('words on a server', () => {
  it('name, description, properties, tags', async () => {
    await v('2.19', 'server', 'set', '--description', 'what it is for', NAME);
    await openstack(['server', 'set', '--property', 'size=small', NAME]);
    await openstack(['server', 'unset', '--property', 'colour', NAME]);
    await v('2.26', 'server', 'set', '--tag', 'one', '--tag', 'two', NAME);
    await v('2.26', 'server', 'unset', '--tag', 'one', NAME);
    const server = await show();
    expect(server).toMatchObject({ description: 'what it is for' });
    expect(JSON.stringify(server)).toMatch(/size.*small/);
    expect(JSON.stringify(server)).not.toMatch(/colour/);
    expect(JSON.stringify(server.tags)).toMatch(/two/);
    expect(await v('2.26', 'server', 'list', '--tags', 'two', '-f', 'value', '-c', 'Name')).toBe(`${NAME}\n`);
  });

  it('lock with its reason; unlock', async () => {
    await v('2.73', 'server', 'lock', '--reason', 'do not touch', NAME);
    expect(JSON.stringify(await show())).toMatch(/do not touch/);
    await openstack(['server', 'unlock', NAME]);
    expect((await show()).locked).not.toBe(true);
  });

  it('reset state', async () => {
    await openstack(['server', 'set', '--state', 'error', NAME]);
    expect(await status()).toBe('ERROR');
    await openstack(['server', 'set', '--state', 'active', NAME]);
    await reaches('ACTIVE');
  });
});

describe('resize and migrate', () => {
  it('resize: more memory, a larger disk, the same content; confirm leaves nothing behind', async () => {
    await openstack(['flavor', 'create', '--vcpus', '1', '--ram', '192', '--disk', '2', 'ops.more']);
    await openstack(['server', 'resize', '--flavor', 'ops.more', '--wait', NAME]);
    expect(await status()).toBe('VERIFY_RESIZE');
    await untilGuestAnswers();
    expect(await guest('cat /disk/marker')).toBe('kept');
    expect(await memoryKib()).toBeGreaterThan(140_000);
    expect(Number(await guest('cat /sys/block/vda/size')) * 512).toBe(2 * 1024 ** 3);
    await openstack(['server', 'resize', 'confirm', NAME]);
    await reaches('ACTIVE');
    const host = await hostOf();
    for (const { name } of settings().hosts.filter((each) => each.name !== host)) {
      await eventually(`nothing of it on ${name}`, 180_000, () => !domains(name).some(({ uuid }) => uuid === id) && !instanceFolders(name).includes(id));
    }
  });

  it('resize and revert: back as it was, and it runs once', async () => {
    const host = await hostOf();
    await openstack(['server', 'resize', '--flavor', 'm1.nano', '--wait', NAME]).catch(() => undefined);
    // A smaller disk is refused; a flavor of the same disk is not.
    expect(await status()).toBe('ACTIVE');
    await openstack(['flavor', 'create', '--vcpus', '1', '--ram', '128', '--disk', '2', 'ops.small']);
    await openstack(['server', 'resize', '--flavor', 'ops.small', '--wait', NAME]);
    await openstack(['server', 'resize', 'revert', NAME]);
    await reaches('ACTIVE');
    await openstack(['flavor', 'delete', 'ops.small']);
    expect(await hostOf()).toBe(host);
    await untilGuestAnswers();
    expect(await guest('cat /disk/marker')).toBe('kept');
    expect(await memoryKib()).toBeGreaterThan(140_000);
    expect(settings().hosts.flatMap(({ name }) => domains(name)).filter(({ uuid, running }) => uuid === id && running)).toHaveLength(1);
  });

  it('migrate: another host, the same content', async () => {
    const from = await hostOf();
    await openstack(['server', 'migrate', '--wait', NAME]);
    expect(await status()).toBe('VERIFY_RESIZE');
    await openstack(['server', 'migration', 'confirm', NAME]);
    await reaches('ACTIVE');
    const to = await hostOf();
    expect(to).not.toBe(from);
    await untilGuestAnswers();
    expect(await guest('cat /disk/marker')).toBe('kept');
    await eventually('the source has let go', 180_000, () => !domains(from).some(({ uuid }) => uuid === id) && !instanceFolders(from).includes(id));
    const migrations = await openstackJson<Row[]>(['--os-compute-api-version', '2.80', 'server', 'migration', 'list', '--server', id]);
    expect(migrations.map((row) => row.Status).sort()).toEqual(['confirmed', 'confirmed', 'reverted']);
  });
});

describe('rebuild', () => {
  it('the same server on the same host with a disk that knows nothing', async () => {
    const host = await hostOf();
    await openstack(['server', 'rebuild', '--image', 'skylite-tiny', '--wait', NAME]);
    await reaches('ACTIVE');
    expect([await hostOf(), (await show()).id]).toEqual([host, id]);
    await untilGuestAnswers();
    expect(await guest('test -e /disk/marker && echo there || echo gone')).toBe('gone');
  });
});

describe('seen from outside', () => {
  it('consoles and log', async () => {
    expect(await openstack(['console', 'log', 'show', '--lines', '5', NAME])).toMatch(/tiny/);
    expect((await openstackJson<Row>(['--os-compute-api-version', '2.6', 'console', 'url', 'show', '--novnc', NAME])).url).toMatch(/^http:.*token=/);
    expect((await openstackJson<Row>(['--os-compute-api-version', '2.6', 'console', 'url', 'show', '--serial', NAME])).url).toMatch(/^wss?:.*token=/);
    expect(await v('2.48', 'server', 'show', '--diagnostics', NAME)).toMatch(/memory/);
  });

  it('its history: who asked for what, and how each step went', async () => {
    const actions = (await openstackJson<Row[]>(['--os-compute-api-version', '2.58', 'server', 'event', 'list', NAME])).map((row) => row.Action);
    for (const action of ['create', 'pause', 'unpause', 'suspend', 'resume', 'lock', 'unlock', 'resize', 'confirmResize', 'revertResize', 'migrate', 'rebuild']) expect(actions).toContain(action);
    const [first] = (await openstackJson<Row[]>(['--os-compute-api-version', '2.58', 'server', 'event', 'list', '--long', NAME])).filter((row) => row.Action === 'rebuild');
    const event = await openstackJson<Row>(['--os-compute-api-version', '2.58', 'server', 'event', 'show', NAME, String(first?.['Request ID'])]);
    expect(event.action).toBe('rebuild');
  });
});

describe('several', () => {
  it('many at once in a group; deleted by force too', async () => {
    await v('2.64', 'server', 'group', 'create', '--policy', 'soft-anti-affinity', 'apart');
    const group = await openstackJson<Row>(['--os-compute-api-version', '2.64', 'server', 'group', 'show', 'apart']);
    await openstack(['server', 'create', '--flavor', 'm1.nano', '--image', 'skylite-tiny', '--min', '3', '--max', '3', '--hint', `group=${group.id}`, '--wait', 'many']);
    const after = await openstackJson<Row>(['--os-compute-api-version', '2.64', 'server', 'group', 'show', 'apart']);
    expect(JSON.stringify(after.members).match(/[0-9a-f]{8}-/g)).toHaveLength(3);
    await openstack(['server', 'delete', '--force', '--wait', 'many-1']);
    await openstack(['server', 'delete', '--wait', 'many-2', 'many-3']);
    expect((await openstackJson<Row[]>(['server', 'list'])).map((row) => row.Name)).toEqual([NAME]);
  });

  it('and nothing is left of the one that went through all this', async () => {
    await openstack(['server', 'delete', '--wait', NAME]);
    for (const { name } of settings().hosts) {
      await eventually(`no domain on ${name}`, 180_000, () => !domains(name).some(({ uuid }) => uuid === id));
      await eventually(`no files on ${name}`, 180_000, () => !instanceFolders(name).includes(id));
    }
  });
});
