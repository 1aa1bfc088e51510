// A guest's devices in a definition, as a real libvirt takes it and shows it again; and devices that come to, and leave, one that is there.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LibvirtConnection } from '#libs/libvirt';
import { parsePciAddress } from '#libs/pci';
import { guestAddress } from '../../apps/compute-agent/src/domain-xml/guest-slots.js';
import { hostDevices, hostDevicesIn } from '../../apps/compute-agent/src/domain-xml/host-devices.js';
import { renderXml } from '../../apps/compute-agent/src/domain-xml/node.js';
import { ownDevice, vf } from '../../apps/compute-agent/src/testing/device-builders.js';
import { LibvirtHypervisor } from '../../apps/compute-agent/src/hypervisor/libvirt.hypervisor.js';
import { CLOUD_ID, desired, FROZEN, layout } from '../../apps/compute-agent/src/testing/builders.js';
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.js';

const GOLDEN = join(import.meta.dirname, '../../apps/compute-agent/src/domain-xml/golden/emulated.golden.xml');
/** Interfaces between plain devices: libvirt shows them apart, in an order of its own. */
const DEVICES = Array.from({ length: 17 }, (_, index) => ({
  claimed: ownDevice(vf(index), index, index % 2 === 1 ? { attach: 'interface', mac: `fa:16:3e:00:00:${index.toString(16).padStart(2, '0')}`, vlan: 42 } : {}),
  address: parsePciAddress(`0000:41:1${index >> 3}.${index & 7}`),
}));

let daemon: PrivateLibvirtd;
let libvirt: LibvirtConnection;
beforeAll(async () => {
  daemon = await startPrivateLibvirtd();
  libvirt = new LibvirtConnection({ socketPath: daemon.socketPath });
  await libvirt.waitUp(60_000);
}, 200_000);
afterAll(async () => {
  await libvirt.close();
  await daemon.stop();
});

it('are taken by libvirt as they are, at the places where the guest finds them, and read back in their order', async () => {
  const given = readFileSync(GOLDEN, 'utf8').replace('pc-i440fx-7.2', 'pc').replace('  </devices>', `${hostDevices(DEVICES).map((node) => renderXml(node, '    ')).join('')}  </devices>`);
  const domain = await libvirt.domainDefineXml(given, {}, { timeoutMs: 60_000 });
  const xml = await libvirt.domainGetXmlDesc(domain, { inactive: true });
  expect(hostDevicesIn(xml)).toEqual(DEVICES.map(({ address }, place) => ({ place, address })));
  const places = [...xml.matchAll(/<alias name='ua-device-(\d+)'\/>\s*<address type='pci' domain='0x0000' bus='0x(..)' slot='0x(..)' function='0x0'/g)].map(([, at, bus, slot]) => [Number(at), `0000:${bus}:${slot}.0`] as const).sort(([a], [b]) => a - b);
  expect(places).toEqual(DEVICES.map((_, at) => [at, guestAddress(at)]));
  await libvirt.domainUndefine(domain);
}, 200_000);

it('come to a domain that is there and leave it, and it is the same definition as before', async () => {
  const hypervisor = new LibvirtHypervisor(libvirt, { cloudId: CLOUD_ID, virtType: 'qemu', diskCache: 'none', pathsOf: () => ({ disk: '/none/disk', base: '/none/base', configDrive: '/none/iso', serialLog: '/none/log' }) });
  const wish = desired();
  const seen = async () => (await hypervisor.observe(new Set([wish.id]))).domains.get(wish.id)!;
  await hypervisor.define({ desired: wish, frozen: { ...FROZEN, machine: 'pc' }, epoch: 1, rebootCount: 0 });
  const { definition } = await seen();
  const came = [DEVICES[0]!, DEVICES[1]!];
  const claimed = came.map((device) => device.claimed);
  await hypervisor.bookDevices({ ...wish, layout: layout({ devices: claimed }) }, claimed);
  for (const device of [...came, came[0]!]) expect(await hypervisor.attachDevice(wish.id, device)).toBe(definition);
  expect(await seen()).toMatchObject({ definition, hostdevs: came.map(({ address }, place) => ({ place, address })), live: [], notes: { devices: claimed.map(({ identity }) => ({ identity })) } });
  expect((await seen()).definitionWithDevices).not.toBe(definition);
  for (const place of [0, 0, 1]) expect(await hypervisor.detachDevice(wish.id, place)).toBe('gone');
  await hypervisor.bookDevices(wish, []);
  expect(await seen()).toMatchObject({ definition, definitionWithDevices: definition, hostdevs: [], notes: { devices: [], shape: { layout: null } } });
  // Beyond the slots of its first bus, another is made for it while it is off.
  await hypervisor.attachDevice(wish.id, DEVICES[16]!);
  expect((await seen()).hostdevs).toEqual([{ place: 16, address: DEVICES[16]!.address }]);
  await hypervisor.undefine(wish.id);
}, 60_000);
