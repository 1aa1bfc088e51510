// The libvirt client against a real libvirtd: its test driver, real QEMU (without KVM), and the daemon's own accidents.
// And the other way round: the distribution's virsh against the fake daemon, which shows that it speaks the real bytes.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeHotplugContract } from '../../libs/libvirt/contract/hotplug.contract.js';
import { describeLibvirtContract } from '../../libs/libvirt/contract/libvirt.contract.js';
import { FakeHypervisor, FakeLibvirtd, isLibvirtError, LibvirtConnection, type DomainEvent, type LibvirtConnectionOptions } from '../../libs/libvirt/index.js';
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.js';

let daemon: PrivateLibvirtd;
beforeAll(async () => {
  daemon = await startPrivateLibvirtd();
});
afterAll(async () => {
  await daemon?.stop();
});

async function connect(uri: string, options: Partial<LibvirtConnectionOptions> = {}): Promise<LibvirtConnection> {
  const connection = new LibvirtConnection({ socketPath: daemon.socketPath, uri, ...options });
  await connection.waitUp(20_000);
  return connection;
}

describeLibvirtContract(
  'test:///default',
  {
    obeysShutdown: true, consoleText: null, rebootEvents: false, wrongState: ['OPERATION_INVALID', 'INTERNAL_ERROR'], startsPaused: false, fullStats: false,
    patienceMs: 30_000,
  },
  async () => ({
    domainType: 'test',
    domainBody: '<os><type>hvm</type></os>',
    connect: () => connect('test:///default'),
    close: async () => undefined,
  }),
);

// No disk: SeaBIOS says so on the serial port and waits. A serial without a numbered target would land on another port.
const QEMU_BODY = `<os><type arch='x86_64' machine='pc'>hvm</type><bios useserial='yes'/></os><features><acpi/></features>
  <devices><serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' port='0'/></console></devices>`;

describeLibvirtContract(
  'qemu:///system, TCG',
  { obeysShutdown: false, consoleText: /No bootable device/, rebootEvents: true, wrongState: ['OPERATION_INVALID'], startsPaused: true, fullStats: true, patienceMs: 60_000 },
  async () => ({ domainType: 'qemu', domainBody: QEMU_BODY, connect: () => connect('qemu:///system'), close: async () => undefined }),
);

// USB needs no guest's help to be unplugged; PCI does, and SeaBIOS gives none.
describeHotplugContract('qemu:///system, TCG', {
  leaves: "<input type='tablet' bus='usb'><alias name='ua-leaves'/></input>",
  stays: "<rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='ua-stays'/></rng>", patienceMs: 60_000,
}, async () => ({ domainType: 'qemu', domainBody: QEMU_BODY, connect: () => connect('qemu:///system'), close: async () => undefined }));

describe('accidents of a real libvirtd', () => {
  const xml = (name: string): string => `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory>${QEMU_BODY}</domain>`;

  it('a killed daemon: down at once, up again by itself, the guest has not noticed', async () => {
    const connection = await connect('qemu:///system');
    const events: DomainEvent[] = [];
    connection.on('event', (event) => events.push(event));
    const domain = await connection.domainCreateXml(xml('survivor'));
    const down = new Promise<void>((resolve) => connection.once('down', () => resolve()));
    const up = new Promise<void>((resolve) => connection.once('up', resolve));
    await daemon.restartDaemon();
    await down;
    await up;
    const found = await connection.domainLookupByName('survivor');
    expect(found).toMatchObject({ uuid: domain.uuid, id: domain.id });
    expect((await connection.domainGetState(found)).state).toBe('running');
    events.length = 0;
    // A daemon that is still taking its guests over may stop one as asked and yet say that it was not there.
    await connection.domainDestroy(found).catch((error) => {
      if (!isLibvirtError(error, 'NO_DOMAIN', 'OPERATION_INVALID')) throw error;
    });
    expect(await connection.listAllDomains()).toEqual([]);
    for (const end = performance.now() + 60_000; events.length === 0 && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(events.map((event) => event.domain.name)).toContain('survivor'); // registered anew
    await connection.close();
  });

  it('a daemon that stands still: found out by keepalive, calls fail as unknown', async () => {
    const connection = await connect('test:///default', { keepaliveIntervalMs: 300, keepaliveCount: 4 });
    const down = new Promise<Error>((resolve) => connection.once('down', resolve));
    daemon.freezeDaemon(true);
    try {
      const call = connection.getHostname({ timeoutMs: 120_000 }).catch((error: unknown) => error);
      expect((await down).message).toMatch(/keepalive/);
      expect(await call).toMatchObject({ name: 'LibvirtUnavailable', outcome: 'unknown' });
      expect(connection.isUp).toBe(false);
    } finally {
      daemon.freezeDaemon(false);
    }
    await connection.waitUp(20_000);
    expect(await connection.getHostname()).not.toBe('');
    await connection.close();
  });

  it('slow starts do not delay looks', async () => {
    const connection = await connect('qemu:///system');
    const starts = Promise.all(Array.from({ length: 3 }, (_, i) => connection.domainCreateXml(xml(`slow${i}`))));
    const looks: number[] = [];
    let busy = true;
    void starts.finally(() => (busy = false));
    while (busy) {
      const began = performance.now();
      await connection.getHostname();
      looks.push(performance.now() - began);
    }
    const domains = await starts;
    // None of them waits for a start; single ones wait for whatever else this machine does.
    expect(looks.length).toBeGreaterThan(10);
    expect(looks.sort((a, b) => a - b)[Math.floor(looks.length / 2)]).toBeLessThan(500);
    await Promise.all(domains.map((domain) => connection.domainDestroy(domain)));
    await connection.close();
  });
});

describe("the distribution's virsh on the fake daemon", () => {
  it('understands it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sky-lv-v-'));
    const host = new FakeHypervisor({ hostname: 'fakehost' });
    const fake = new FakeLibvirtd(host, { socketPath: join(folder, 's') });
    await fake.start();
    const virsh = async (...args: string[]): Promise<string> => (await promisify(execFile)('virsh', ['-c', `qemu+unix:///system?socket=${fake.socketPath}`, ...args], { timeout: 120_000 })).stdout.trim();
    const connection = new LibvirtConnection({ socketPath: fake.socketPath });
    try {
      await connection.waitUp(60_000);
      const domain = await connection.domainDefineXml("<domain type='qemu'><name>one</name><memory unit='MiB'>64</memory></domain>");
      expect(await virsh('hostname')).toBe('fakehost');
      expect(await virsh('list', '--all', '--name')).toBe('one');
      expect(await virsh('domuuid', 'one')).toBe(domain.uuid);
      await virsh('start', 'one', '--force-boot'); // a flag makes it the call that our table has
      expect(host.domain('one')).toMatchObject({ state: 'running', starts: 1 });
      expect(await virsh('domstate', 'one', '--reason')).toBe('running (booted)');
      expect(await virsh('dumpxml', 'one')).toContain("<domain id='1'");
      expect(await virsh('domstats', 'one', '--state')).toContain('state.state=1');
      await virsh('metadata', 'one', 'urn:x', '--key', 'k', '--set', '<a b="1"/>');
      expect(await virsh('metadata', 'one', 'urn:x')).toContain('b="1"');
      const registered = (): number => host.callCount('CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY');
      const ours = registered();
      const waiting = virsh('event', '--domain', 'one', '--event', 'lifecycle', '--timeout', '90');
      for (const end = performance.now() + 80_000; registered() <= ours && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 20));
      await virsh('suspend', 'one');
      expect(await waiting).toContain("event 'lifecycle' for domain 'one': Suspended Paused");
      await virsh('destroy', 'one', '--graceful');
      expect(host.domain('one')).toMatchObject({ state: 'shutoff', reason: 'destroyed' });
      await expect(virsh('domstate', 'nobody')).rejects.toThrow(/failed to get domain 'nobody'/);
    } finally {
      await connection.close();
      await fake.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
