import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { domains, eventually, openstack, openstackJson, settings } from '../support/cloud.js';

type Row = Record<string, string | number>;

/** The unmodified openstack client from the first token to the deleted server, on three hosts, with guests that really boot. */
describe('the openstack client', () => {
  const dir = mkdtempSync(join(tmpdir(), 'skylite-e2e-'));
  const userData = join(dir, 'user-data');
  let id: string;
  const ids: string[] = [];
  const show = async (server: string): Promise<Row> => openstackJson<Row>(['server', 'show', server]);
  const consoleOf = (server: string): Promise<string> => openstack(['console', 'log', 'show', server]);
  const untilReady = (server: string): Promise<string> => eventually(`${server} says ready`, 180_000, async () => {
    const log = await consoleOf(server);
    return /tiny: ready/.test(log) && log;
  });

  beforeAll(() => { writeFileSync(userData, '#!/bin/sh\necho "user data ran on $(hostname)"\n'); });
  afterAll(async () => {
    for (const server of ['s1', 's2', 's3']) await openstack(['server', 'delete', '--wait', server]).catch(() => undefined);
    rmSync(dir, { recursive: true, force: true });
  });

  it('gets a token and reads the catalog', async () => {
    expect((await openstackJson<Row>(['token', 'issue'])).id).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    const catalog = await openstackJson<{ Name: string; Type: string }[]>(['catalog', 'list']);
    expect(catalog.map((entry) => entry.Type).sort()).toEqual(['compute', 'identity', 'image', 'placement']);
  });

  it('lists flavors, hypervisors and compute services', async () => {
    const flavors = await openstackJson<Row[]>(['flavor', 'list']);
    expect(flavors.map((flavor) => flavor.Name)).toEqual(expect.arrayContaining(['m1.nano', 'm1.tiny', 'm1.small', 'm1.medium', 'm1.large']));
    const hypervisors = await openstackJson<Row[]>(['hypervisor', 'list']);
    expect(hypervisors.map((row) => row['Hypervisor Hostname']).sort()).toEqual(settings().hosts.map((host) => host.name).sort());
    expect(hypervisors.every((row) => row.State === 'up')).toBe(true);
    const services = await openstackJson<Row[]>(['compute', 'service', 'list']);
    expect(services.filter((row) => row.Binary === 'nova-compute').map((row) => row.State)).toEqual(settings().hosts.map(() => 'up'));
  });

  it('creates, lists and saves an image', async () => {
    const file = join(dir, 'tiny.qcow2');
    await openstack(['image', 'save', '--file', file, 'skylite-tiny']);
    const image = await openstackJson<Row>(['image', 'create', '--file', file, '--disk-format', 'qcow2', 'mine']);
    expect(image.status === 'active' || image.status === 'queued').toBe(true);
    const images = await openstackJson<Row[]>(['image', 'list']);
    expect(images.filter((row) => row.Name === 'mine').map((row) => row.Status)).toEqual(['active']);
    const saved = join(dir, 'saved.qcow2');
    await openstack(['image', 'save', '--file', saved, 'mine']);
    expect(readFileSync(saved).equals(readFileSync(file))).toBe(true);
    await openstack(['image', 'delete', 'mine']);
  });

  it('makes a keypair and a server with user data that boots', async () => {
    const key = await openstack(['keypair', 'create', 'k']);
    expect(key).toMatch(/PRIVATE KEY/);
    const server = await openstackJson<Row>(['server', 'create', '--flavor', 'm1.nano', '--image', 'skylite-tiny', '--key-name', 'k', '--user-data', userData, '--wait', 's1']);
    id = String(server.id);
    expect([server.status, server['OS-EXT-STS:power_state']]).toEqual(['ACTIVE', 1]);
    expect((await openstackJson<Row[]>(['server', 'list', '--long'])).map((row) => [row.Name, row.Status])).toEqual([['s1', 'ACTIVE']]);
    const log = await untilReady('s1');
    expect(log).toMatch(new RegExp(`tiny: ready .*hostname=s1 instance=${id}`));
    expect(log).toMatch(/tiny: user-data \d+ bytes/);
    expect(log).toMatch(/tiny: user-data: user data ran on s1/);
  });

  it('stops, starts and reboots it', async () => {
    const boots = (log: string): number => log.split('tiny: ready').length - 1;
    const before = boots(await consoleOf('s1'));
    await openstack(['server', 'stop', 's1']);
    await eventually('s1 is stopped', 180_000, async () => (await show('s1')).status === 'SHUTOFF');
    const host = String((await show('s1'))['OS-EXT-SRV-ATTR:host']);
    expect(domains(host)).toEqual([{ uuid: id, running: false }]);
    await openstack(['server', 'start', 's1']);
    await eventually('s1 runs', 180_000, async () => (await show('s1')).status === 'ACTIVE');
    expect(domains(host)).toEqual([{ uuid: id, running: true }]);
    await eventually('s1 booted again', 180_000, async () => boots(await consoleOf('s1')) > before);
    const again = boots(await consoleOf('s1'));
    await openstack(['server', 'reboot', '--wait', 's1']);
    expect((await show('s1')).status).toBe('ACTIVE');
    await eventually('s1 rebooted', 180_000, async () => boots(await consoleOf('s1')) > again);
    await openstack(['server', 'reboot', '--hard', '--wait', 's1']);
    expect((await show('s1')).status).toBe('ACTIVE');
  });

  it('spreads three servers over three hosts, each in its own libvirt', async () => {
    for (const name of ['s2', 's3']) await openstack(['server', 'create', '--flavor', 'm1.nano', '--image', 'skylite-tiny', '--wait', name]);
    const servers = await Promise.all(['s1', 's2', 's3'].map(show));
    expect(new Set(servers.map((server) => server['OS-EXT-SRV-ATTR:host'])).size).toBe(3);
    for (const server of servers) {
      ids.push(String(server.id));
      expect(domains(String(server['OS-EXT-SRV-ATTR:host']))).toEqual([{ uuid: server.id, running: true }]);
    }
  });

  it('deletes them, and nothing is left', async () => {
    await openstack(['server', 'delete', '--wait', 's1', 's2', 's3']);
    expect(await openstackJson<Row[]>(['server', 'list'])).toEqual([]);
    for (const { name } of settings().hosts) await eventually(`no domain on ${name}`, 180_000, () => domains(name).length === 0);
    await openstack(['keypair', 'delete', 'k']);
    expect(ids.length).toBe(3);
  });
});
