// Consoles of a real guest, through the door: its serial port spoken with, its screen's handshake, and what libvirt counts.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostId, ImageId, InstanceId, readDiagnostics, type DesiredInstance } from '#libs/contracts';
import { LibvirtConnection } from '#libs/libvirt';
import { createLogger } from '#libs/observability';
import { ConsoleSessions } from '../../apps/compute-agent/src/consoles/console-sessions.js';
import { LibvirtConsoles } from '../../apps/compute-agent/src/consoles/libvirt-consoles.js';
import { renderDomain, RENDER_VERSION } from '../../apps/compute-agent/src/domain-xml/render.js';
import { LibvirtHypervisor } from '../../apps/compute-agent/src/hypervisor/libvirt.hypervisor.js';
import { desired } from '../../apps/compute-agent/src/testing/builders.js';
import { writeIso } from '../../apps/compute-agent/src/iso9660/iso9660.js';
import { ConsoleClient, ConsoleDoorUnderTest } from '../support/console-door.js';
import { SimulatedHost, tinyImage, until } from '../support/simulated-host.js';

/** Nobody but who holds a ticket comes to this port: root needs no password here. */
const OPEN_ROOT = "#!/bin/sh\nsed -i 's/^root:[^:]*:/root::/' /etc/passwd /etc/shadow\n";

describe('a real guest', () => {
  const hostId = HostId.parse(randomUUID());
  const id = InstanceId.parse(randomUUID());
  const oldId = InstanceId.parse(randomUUID());
  const ledger = { entries: new Map([[id, { desired: { intent: 'running' } }], [oldId, { desired: { intent: 'running' } }]]) };
  let host: SimulatedHost;
  let libvirt: LibvirtConnection;
  let door: ConsoleDoorUnderTest;

  beforeAll(async () => {
    const image = await tinyImage();
    host = await SimulatedHost.start({ name: 'host-c' });
    chmodSync(host.hostDir, 0o711);
    libvirt = new LibvirtConnection({ socketPath: host.facts.socket });
    libvirt.start();
    await libvirt.waitUp(10_000);
    door = await ConsoleDoorUnderTest.start(hostId);
    const root = (): string => `/proc/${host.facts.pid}/root`;
    const consoles = new LibvirtConsoles(libvirt, { virtType: 'qemu', root });
    new ConsoleSessions({ hostId, bus: door.bus, ledger: ledger as never, consoles, logger: createLogger('test', 'silent') }).answer();

    const hypervisor = new LibvirtHypervisor(libvirt, { cloudId: randomUUID(), virtType: 'qemu', diskCache: 'writeback', pathsOf: () => { throw new Error('not asked'); } });
    const frozen = await hypervisor.freeze();
    const base = join(host.hostDir, 'base.qcow2');
    copyFileSync(image, base);
    chmodSync(base, 0o644);
    const define = async (instanceId: InstanceId, renderVersion: number): Promise<void> => {
      const folder = join(host.hostDir, instanceId);
      mkdirSync(folder, { mode: 0o711 });
      const files = { disk: join(folder, 'disk.qcow2'), base, configDrive: join(folder, 'config.iso'), serialLog: join(folder, 'serial.log') };
      execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, files.disk]);
      writeFileSync(files.configDrive, writeIso('config-2', { 'openstack/latest/meta_data.json': JSON.stringify({ uuid: instanceId, hostname: 'consoled' }), 'openstack/latest/user_data': OPEN_ROOT }));
      const want: DesiredInstance = desired({ id: instanceId, image: { id: ImageId.parse(randomUUID()), sha512: createHash('sha512').update('x').digest('hex'), sizeBytes: 1, virtualSizeBytes: null, format: 'qcow2' } });
      await libvirt.domainDefineXml(renderDomain({ cloudId: randomUUID(), epoch: 1, rebootCount: 0, desired: want, frozen: { ...frozen, renderVersion }, host: { shared: null, dedicated: [], cells: [] }, files } as never));
    };
    await define(id, RENDER_VERSION);
    await define(oldId, 1);
  });
  afterAll(async () => {
    await door?.stop();
    await libvirt?.close();
    await host?.dispose();
  });

  const open = async (kind: 'vnc' | 'serial', server: InstanceId = id): Promise<ConsoleClient> => {
    door.serverId = server;
    return ConsoleClient.open(await door.consoleUrl(kind));
  };

  it('that is off says so', async () => {
    expect(await (await open('serial')).closed).toEqual({ code: 4409, reason: 'The server is not running.' });
    expect(await (await open('vnc')).closed).toEqual({ code: 4409, reason: 'The server is not running.' });
  });

  it('is heard from its first word on, and answers what is typed', async () => {
    await libvirt.domainCreate(await libvirt.domainLookupByUuid(id));
    const client = await open('serial');
    await client.hears(/tiny: ready/, 180_000);
    await client.hears('login: ', 180_000);
    client.socket.send('root\n');
    await client.hears('/root # ', 180_000);
    client.socket.send('echo typed-$((40+2))\n');
    await client.hears('typed-42', 180_000);
    client.socket.close(1000);
    await client.closed;
  });

  it('gives its serial port to who comes later', async () => {
    const first = await open('serial');
    const second = await open('serial');
    expect(await first.closed).toEqual({ code: 4409, reason: 'The console was opened elsewhere.' });
    second.socket.send('echo second-$((1+1))\n');
    await second.hears('second-2', 180_000);
    second.socket.close();
    await second.closed;
  });

  it('shows its screen: RFB 003.008, a handshake, a name and a picture', async () => {
    const xml = await host.virsh('dumpxml', id);
    expect(xml).not.toMatch(/<listen type='address'/);
    const client = await open('vnc');
    await client.hears('RFB 003.008\n', 180_000);
    client.socket.send('RFB 003.008\n');
    const at = async (bytes: number): Promise<Buffer> => { await until(`${bytes} bytes`, 60_000, () => client.heard.length >= bytes); return client.heard; };
    expect([...(await at(14)).subarray(12, 14)]).toEqual([1, 1]); // one kind of security: none
    client.socket.send(Buffer.from([1]));
    expect((await at(18)).readUInt32BE(14)).toBe(0);
    client.socket.send(Buffer.from([1])); // shared
    const init = await at(42);
    expect([init.readUInt16BE(18), init.readUInt16BE(20)].every((size) => size >= 320)).toBe(true);
    const nameEnd = 42 + init.readUInt32BE(38);
    expect((await at(nameEnd)).subarray(42, nameEnd).toString()).toContain(id);
    client.socket.send(Buffer.from([3, 0, 0, 0, 0, 0, 0, 16, 0, 16])); // a piece of the screen
    expect((await at(nameEnd + 4)).readUInt8(nameEnd)).toBe(0);
    const other = await open('vnc');
    await other.hears('RFB 003.008\n', 180_000);
    other.socket.close();
    client.socket.close();
    await client.closed;
  });

  it('is counted', async () => {
    const seen = await door.bus.ask(readDiagnostics, { instanceId: id }, { hostId });
    expect(seen).toMatchObject({ hypervisor: 'qemu', state: 'running', maxMemoryKib: 131_072, cpus: [{ id: 0 }], disks: [{ device: 'vda' }, { device: 'hda' }], nics: [] });
    expect(seen.cpus[0]?.timeNs).toBeGreaterThan(1e8);
    expect(seen.disks[0]?.readBytes).toBeGreaterThan(100_000);
    expect(seen.memory['rss']).toBeGreaterThan(0);
  });

  it('of an earlier version has no screen, and a serial port', async () => {
    await libvirt.domainCreate(await libvirt.domainLookupByUuid(oldId));
    expect(await (await open('vnc', oldId)).closed).toMatchObject({ code: 4501, reason: expect.stringContaining('before servers had a screen') });
    const client = await open('serial', oldId);
    await sleep(500);
    await libvirt.domainDestroy(await libvirt.domainLookupByUuid(oldId));
    expect((await client.closed).code).toBe(1000);
  });

  it('takes its consoles with it', async () => {
    const [screen, serial] = [await open('vnc'), await open('serial')];
    await screen.hears('RFB', 180_000);
    await libvirt.domainDestroy(await libvirt.domainLookupByUuid(id));
    expect((await screen.closed).reason).toBe('The server closed its console.');
    expect((await serial.closed).reason).toBe('The server closed its console.');
  });
});
