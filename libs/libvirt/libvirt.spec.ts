import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeHotplugContract } from './contract/hotplug.contract.js';
import { describeLibvirtContract, type ContractTraits } from './contract/libvirt.contract.js';
import { FakeHypervisor, FakeLibvirt, FakeLibvirtd, LibvirtConnection } from './index.js';

const TRAITS: ContractTraits = { obeysShutdown: true, consoleText: /No bootable device/, consoleEchoes: true, rebootEvents: true, wrongState: ['OPERATION_INVALID'], startsPaused: true, fullStats: true, patienceMs: 30_000 };
const BODY = "<os><type arch='x86_64'>hvm</type></os><devices><serial type='pty'><target port='0'/></serial></devices>";
const bootText = 'SeaBIOS (fake)\r\nBooting...\r\nNo bootable device.\r\n';

describeLibvirtContract('fake, over a socket', TRAITS, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sky-lv-fake-'));
  const daemon = new FakeLibvirtd(new FakeHypervisor({ bootText }), { socketPath: join(folder, 'sock') });
  await daemon.start();
  return {
    domainType: 'qemu',
    domainBody: BODY,
    connect: async () => {
      const connection = new LibvirtConnection({ socketPath: daemon.socketPath });
      await connection.waitUp(5000);
      return connection;
    },
    close: async () => {
      await daemon.stop();
      rmSync(folder, { recursive: true });
    },
  };
});

describeLibvirtContract('fake, in memory', TRAITS, async () => {
  const hypervisor = new FakeHypervisor({ bootText });
  return {
    domainType: 'qemu',
    domainBody: BODY,
    connect: async () => {
      const libvirt = new FakeLibvirt(hypervisor);
      libvirt.start();
      return libvirt;
    },
    close: async () => undefined,
  };
});

// Nothing in memory tells one device from another: this guest is deaf to what is to stay.
const device = (alias: string): string => `<rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='${alias}'/></rng>`;
describeHotplugContract('fake, over a socket', { leaves: device('ua-leaves'), stays: device('ua-stays'), patienceMs: 10_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sky-lv-plug-'));
  const daemon = new FakeLibvirtd(new FakeHypervisor({ unplugMs: (alias) => (alias === 'ua-stays' ? null : 1) }), { socketPath: join(folder, 'sock') });
  await daemon.start();
  return {
    domainType: 'qemu', domainBody: BODY,
    connect: async () => {
      const connection = new LibvirtConnection({ socketPath: daemon.socketPath });
      await connection.waitUp(5000);
      return connection;
    },
    close: async () => {
      await daemon.stop();
      rmSync(folder, { recursive: true });
    },
  };
});
