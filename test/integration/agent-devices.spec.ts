// A guest's devices in a definition, as a real libvirt takes it and shows it again.
import { expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LibvirtConnection } from '#libs/libvirt';
import { parsePciAddress } from '#libs/pci';
import { guestAddress } from '../../apps/compute-agent/src/domain-xml/guest-slots.js';
import { hostDevices, hostDevicesIn } from '../../apps/compute-agent/src/domain-xml/host-devices.js';
import { renderXml } from '../../apps/compute-agent/src/domain-xml/node.js';
import { claimedDevice, vf } from '../../apps/compute-agent/src/testing/device-builders.js';
import { startPrivateLibvirtd } from '../support/private-libvirtd.js';

const GOLDEN = join(import.meta.dirname, '../../apps/compute-agent/src/domain-xml/golden/emulated.golden.xml');
/** Interfaces between plain devices: libvirt shows them apart, in an order of its own. */
const DEVICES = Array.from({ length: 17 }, (_, index) => ({
  claimed: claimedDevice(vf(index), 1, index % 2 === 1 ? { attach: 'interface', mac: `fa:16:3e:00:00:${index.toString(16).padStart(2, '0')}`, vlan: 42 } : {}),
  address: parsePciAddress(`0000:41:1${index >> 3}.${index & 7}`),
}));

it('are taken by libvirt as they are, at the places where the guest finds them, and read back in their order', async () => {
  const daemon = await startPrivateLibvirtd();
  const libvirt = new LibvirtConnection({ socketPath: daemon.socketPath });
  try {
    libvirt.start();
    await libvirt.waitUp(60_000);
    const given = readFileSync(GOLDEN, 'utf8').replace('pc-i440fx-7.2', 'pc').replace('  </devices>', `${hostDevices(DEVICES).map((node) => renderXml(node, '    ')).join('')}  </devices>`);
    const xml = await libvirt.domainGetXmlDesc(await libvirt.domainDefineXml(given, {}, { timeoutMs: 60_000 }), { inactive: true });
    expect(hostDevicesIn(xml)).toEqual(DEVICES.map(({ address }) => address));
    const places = [...xml.matchAll(/<alias name='ua-device-(\d+)'\/>\s*<address type='pci' domain='0x0000' bus='0x(..)' slot='0x(..)' function='0x0'/g)].map(([, at, bus, slot]) => [Number(at), `0000:${bus}:${slot}.0`] as const).sort(([a], [b]) => a - b);
    expect(places).toEqual(DEVICES.map((_, at) => [at, guestAddress(at)]));
  } finally {
    await libvirt.close();
    await daemon.stop();
  }
}, 200_000);
