/**
 * Devices from an operator's first word to a tenant's server and back, on a simulated host with a card of two VFs and an NVMe: class, pool,
 * flavor, servers until there is no more, refusals in numbers, scrub, quarantine and release; with the distribution's own client.
 */
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, eventually, openstack, openstackJson, script, type Api } from '../support/cloud.js';

interface Device { id: string; host: { name: string }; state: string; reason: string | null; generation: number; holder: string | null; device: { identity: string; address: string; kind: string } }
interface ServerDevices { server: { devices: { class: string; mac: string | null; tag: string | null; vlan: number | null; attachment: string | null; state: string; reason: string | null; on?: { id: string; identity: string; generation: number; state: string } }[] } }
type Row = Record<string, unknown>;

let dir = '';
let cloud: Api;
const skylite = (...words: string[]): { status: number | null; text: string } => {
  const { status, stdout, stderr } = script('skylite', words, { dir });
  return { status, text: stdout + stderr };
};
const well = (...words: string[]): string => {
  const { status, text } = skylite(...words);
  if (status !== 0) throw new Error(`skylite ${words.join(' ')}: ${status}\n${text}`);
  return text;
};
const os = <T = Row>(...words: string[]): Promise<T> => openstackJson<T>(words, { dir });
const devices = async (query: string): Promise<Device[]> => ((await cloud.call('GET', `/v1/devices?${query}`)).body as { devices: Device[] }).devices;
const devicesOf = async (server: string, as: Api = cloud): Promise<ServerDevices['server']['devices']> => ((await as.call('GET', `/v1/servers/${server}`)).body as unknown as ServerDevices).server.devices;
const create = async (name: string, flavor: string): Promise<string> => (await os<{ id: string }>('server', 'create', '--flavor', flavor, '--image', 'skylite-tiny', name)).id;
const settled = (id: string, wanted: string): Promise<Row> => eventually(`${id} is ${wanted}`, 120_000, async () => {
  const shown = await os('server', 'show', id);
  if (shown['status'] === 'ERROR' && wanted !== 'ERROR') throw new Error(JSON.stringify(shown['fault']));
  return shown['status'] === wanted && shown;
});
const NIC = ['--vendor', '8086', '--product', '1592'];

beforeAll(async () => {
  dir = mkdtempSync('/var/tmp/skylite-devices-');
  const port = await new Promise<number>((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as { port: number };
      probe.close(() => done(free));
    });
  });
  const { status, stdout, stderr } = script('up', ['--detach', '--port', String(port), '--fleet', '1', '--no-local-host'], { dir, env: { SKYLITE_SIMULATED_PFS: '1', SKYLITE_SIMULATED_VFS_PER_PF: '2', SKYLITE_SIMULATED_NVMES: '1' }, timeoutMs: 300_000 });
  if (status !== 0) throw new Error(`up: ${stdout}${stderr}`);
  cloud = await api('openrc', dir);
  await eventually('the host tells its card', 60_000, async () => (await devices('kind=pf')).length === 1);
}, 360_000);
afterAll(() => { script('down', ['--purge', '--yes'], { dir }); }, 120_000);

describe('devices, end to end', () => {
  const made: Record<string, string> = {};

  it('a class and a pool: what it would do, then VFs that can be claimed', async () => {
    expect(well('device', 'list', '--all')).toMatch(/pf +8086:1592[^\n]*unpooled/);
    expect(well('device', 'class', 'create', 'fast-net', '--vendor', '8086', '--product', '1889')).toContain('pci_passthrough:alias=fast-net:1');
    const pool = ['device', 'pool', 'create', 'net1', '--class', 'fast-net', '--mode', 'vfs', '--vlans', '100-101', '--physical-network', 'lan1'];
    // Everything, and nothing, want to be meant; what the host lives on is left alone.
    expect(skylite(...pool)).toMatchObject({ status: 1, text: expect.stringMatching(/WARNING[^]*nothing was done[^]*--yes-really/) });
    expect(well(...pool, ...NIC, '--dry-run')).toMatch(/gets 2 VFs[^]*Nothing was done/);
    expect(await devices('class=fast-net')).toEqual([]);
    expect(well(...pool, ...NIC, '--wait', '--timeout', '60')).toMatch(/2 of 2 devices ready on 1 host[^]*All are ready/);
    expect((await devices('class=fast-net&kind=vf')).map(({ state, generation }) => [state, generation])).toEqual([['available', 0], ['available', 0]]);
    expect(skylite('device', 'pool', 'create', 'net2', '--class', 'fast-net', '--mode', 'vfs', ...NIC)).toMatchObject({ status: 1, text: expect.stringContaining('two-pools') });
  }, 120_000);

  it('a flavor of a class that is there; the other is refused', async () => {
    await openstack(['flavor', 'create', '--vcpus', '1', '--ram', '256', '--disk', '1', '--property', 'pci_passthrough:alias=fast-net:1', 'net.small'], { dir });
    await openstack(['flavor', 'create', '--vcpus', '1', '--ram', '256', '--disk', '1', 'bad'], { dir });
    await expect(openstack(['flavor', 'set', '--property', 'pci_passthrough:alias=slow-net:1', 'bad'], { dir })).rejects.toThrow(/slow-net/);
    await openstack(['flavor', 'set', '--property', 'pci_passthrough:alias=fast-net:3', 'bad'], { dir });
    await expect(create('greedy', 'bad')).rejects.toThrow(/3 of device class fast-net, and no host has more than 2/);
    await openstack(['flavor', 'create', '--vcpus', '1', '--ram', '256', '--disk', '1', '--property', 'device:fast-net=1,vlan=100,tag=data', 'net.tagged'], { dir });
  }, 60_000);

  it('two servers get one VF each; which, administrators see; what, the tenant', async () => {
    for (const name of ['one', 'two']) made[name] = await create(name, 'net.small');
    for (const name of ['one', 'two']) await settled(made[name]!, 'ACTIVE');
    const [[one], [two]] = [await devicesOf(made['one']!), await devicesOf(made['two']!)];
    expect(one).toMatchObject({ class: 'fast-net', mac: expect.stringMatching(/^fa:16:3e:/), vlan: null, on: { generation: 1, identity: expect.stringContaining('/vf:') } });
    expect(new Set([one!.on!.identity, two!.on!.identity, one!.mac, two!.mac]).size).toBe(4);
    await eventually('both are in use', 30_000, async () => (await devices('class=fast-net&state=in-use')).length === 2);
    expect(well('inspect', 'server', 'one')).toContain(one!.on!.identity);
    expect(well('host', 'topology', 'sim-001')).toMatch(/keeps VFs\n[^\n]*VF 0 [^\n]*in-use {2}(one|two) /);
    const tenant = await api('demo-openrc', dir);
    expect((await tenant.call('GET', `/v1/servers/${made['one']}`)).status).toBe(404);
    for (const path of ['/v1/devices', '/v1/device-pools', '/v1/hosts/sim-001/topology']) expect((await tenant.call('GET', path)).status).toBe(403);
    const [provider] = await os<{ uuid: string }[]>('resource', 'provider', 'list');
    expect(await os<Row[]>('resource', 'provider', 'inventory', 'list', provider!.uuid)).toContainEqual(expect.objectContaining({ resource_class: 'CUSTOM_DEVICE_FAST_NET', total: 2, used: 2 }));
    expect(await os<Row[]>('resource', 'provider', 'allocation', 'show', made['one']!)).toMatchObject([{ resources: { CUSTOM_DEVICE_FAST_NET: 1 } }]);
  }, 180_000);

  it('a third is refused in numbers; no definition takes a VF in use away', async () => {
    const third = await create('three', 'net.small');
    await settled(third, 'ERROR');
    const scheduling = (await cloud.call('GET', `/v1/servers/${third}/scheduling`)).body as { explanation: { filters: { name: string; reason: string; hosts: Row[] }[] } };
    expect(scheduling.explanation.filters).toContainEqual(expect.objectContaining({ name: 'devices', hosts: [expect.objectContaining({ name: 'sim-001', needed: '1 fast-net', free: expect.stringMatching(/0 fast-net \(pool net1: 0 free, 2 in use, 0 quarantined/) })] }));
    await openstack(['server', 'delete', '--wait', third], { dir });
    const fewer = await cloud.call('PATCH', '/v1/device-pools/net1', { vfCount: 1 });
    expect(fewer).toMatchObject({ status: 409, body: { error: { kind: 'conflict', details: { plan: { refusals: [{ code: 'vf-in-use', servers: expect.arrayContaining([expect.objectContaining({ id: made['one'], hostName: 'sim-001' })]) }] } } } } });
    expect(skylite('device', 'pool', 'set', 'net1', '--vfs', '1', '--yes-really')).toMatchObject({ status: 1, text: expect.stringMatching(/REFUSED[^]*one /) });
    expect(skylite('device', 'pool', 'delete', 'net1').status).toBe(1);
    expect(await devices('class=fast-net&state=in-use')).toHaveLength(2);
  }, 180_000);

  it('what is given back is scrubbed, and the next holder has it at the next generation', async () => {
    const [before] = await devicesOf(made['one']!);
    const { id, identity } = before!.on!;
    await openstack(['server', 'delete', '--wait', made['one']!], { dir });
    await eventually('it is clean', 60_000, async () => (await devices('class=fast-net&state=available')).some((device) => device.id === id && device.generation === 1));
    made['again'] = await create('again', 'net.tagged');
    await settled(made['again']!, 'ACTIVE');
    expect((await devicesOf(made['again']!))[0]).toMatchObject({ class: 'fast-net', vlan: 100, tag: 'data', on: { id, identity, generation: 2 } });
    const { holders } = (await cloud.call('GET', `/v1/devices/${id}/history`)).body as { holders: Row[] };
    expect(holders).toMatchObject([{ instanceId: made['again'], generation: 2, until: null }, { instanceId: made['one'], generation: 1, until: expect.any(String) }]);
    expect(well('device', 'history', identity, '--host', 'sim-001')).toMatch(/has it[^]*clean/);
  }, 180_000);

  it('attached to a server that runs, and detached; a guest that is deaf keeps it until it is off', async () => {
    await openstack(['server', 'delete', '--wait', made['two']!], { dir });
    const free = () => eventually('one is free', 60_000, async () => (await devices('class=fast-net&state=available')).length === 1);
    await free();
    await openstack(['flavor', 'create', '--vcpus', '1', '--ram', '256', '--disk', '1', 'bare'], { dir });
    // Simulated guests of such a name do not answer when a device is to leave.
    for (const name of ['lively', 'deaf-one']) made[name] = await create(name, 'bare');
    for (const name of ['lively', 'deaf-one']) await settled(made[name]!, 'ACTIVE');
    const path = `/v1/servers/${made['lively']}/devices`;
    const ask = () => cloud.call('POST', path, { class: 'fast-net', vlan: 100, tag: 'live' }, { 'idempotency-key': 'live-1' });
    const [first, second] = [await ask(), await ask()];
    expect([first.status, second.body]).toEqual([202, first.body]);
    await eventually('the guest has it', 60_000, async () => (await devicesOf(made['lively']!))[0]?.state === 'attached');
    expect(await devicesOf(made['lively']!)).toMatchObject([{ class: 'fast-net', vlan: 100, tag: 'live', attachment: expect.any(String), reason: null }]);
    await eventually('it is in use', 30_000, async () => (await devices('class=fast-net&state=in-use')).length === 2);
    expect(skylite('device', 'attach', 'deaf-one', 'fast-net')).toMatchObject({ status: 1, text: expect.stringMatching(/not enough devices free: 1 fast-net needed[^]*pool net1: 0 free, 2 in use/) });
    expect(well('device', 'detach', 'lively', 'live', '--wait')).toMatch(/no devices[^]*It is gone\./);
    await free();
    expect(well('device', 'attach', 'deaf-one', 'fast-net', '--wait')).toMatch(/fast-net: attached/);
    const [held] = await devicesOf(made['deaf-one']!);
    expect(skylite('device', 'detach', 'deaf-one', held!.on!.identity, '--wait', '--timeout', '15')).toMatchObject({ status: 1, text: expect.stringContaining('needs guest stop: ') });
    expect([(await os('server', 'show', made['deaf-one']!))['status'], (await devices(`class=fast-net&holder=${made['deaf-one']}`)).length]).toEqual(['ACTIVE', 1]);
    await openstack(['server', 'stop', made['deaf-one']!], { dir });
    await eventually('it has let go', 60_000, async () => (await devicesOf(made['deaf-one']!)).length === 0);
    await free();
    const { timeline } = (await cloud.call('GET', `/v1/servers/${made['deaf-one']}/timeline`)).body as { timeline: { action: string }[] };
    expect(timeline.map(({ action }) => action)).toEqual(expect.arrayContaining(['device-attach', 'device-detach']));
    expect((await cloud.call('GET', `/v1/audit?target=${made['deaf-one']}`)).text).toContain('device-detach');
  }, 240_000);

  it('what nothing can prove to be clean waits for an operator', async () => {
    well('device', 'class', 'create', 'scratch', '--vendor', '144d', '--product', 'a80a', '--sanitizer', 'quarantine');
    well('device', 'pool', 'create', 'disks', '--class', 'scratch', '--mode', 'functions', '--vendor', '144d', '--product', 'a80a', '--wait', '--timeout', '60');
    await openstack(['flavor', 'create', '--vcpus', '1', '--ram', '256', '--disk', '1', '--property', 'pci_passthrough:alias=scratch:1', 'disk.small'], { dir });
    const server = await create('scratchy', 'disk.small');
    await settled(server, 'ACTIVE');
    await openstack(['server', 'delete', '--wait', server], { dir });
    const [quarantined] = await eventually('it is in quarantine', 60_000, async () => { const found = await devices('class=scratch&state=quarantined'); return found.length === 1 && found; });
    expect(quarantined!.reason).toMatch(/skylite device release/);
    const { status, text } = skylite('device', 'release', quarantined!.id);
    expect([status, text]).toEqual([1, expect.stringContaining('Nothing was done')]);
    well('device', 'release', quarantined!.id, '--confirm', 'erased and read back');
    await eventually('it can be claimed again', 60_000, async () => (await devices('class=scratch&state=available')).length === 1);
    expect(well('device', 'history', quarantined!.id)).toMatch(/operator-released[^\n]*erased and read back[^\n]*by admin/);
    expect((await cloud.call('GET', '/v1/audit?action=devices:')).text).toContain('erased and read back');
  }, 240_000);
});
