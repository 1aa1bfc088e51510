import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
