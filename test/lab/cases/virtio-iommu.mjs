/** A host whose IOMMU does not remap interrupts: its functions can be bound, but VFIO gives them to no guest. */
import { FastNet, READY_MS } from '../support/fast-net.mjs';

export const needsCloud = true;
export const iommu = 'virtio';
export const checks = ['its VFs are there, and bound', 'a server that was to have one says why it did not get it', 'nobody holds it afterwards'];

export async function run({ lab, cloud, check }) {
  const row = (n, work) => check(checks[n], work);
  const it = new FastNet(lab, cloud);
  await row(0, async () => { await it.joined(); await it.offered(); });
  const guests = await cloud.guestKit(lab);
  await guests.flavor('lab-vf', { 'pci_passthrough:alias': 'fast-net:1' });
  let server;
  await row(1, async () => {
    server = await guests.create({ name: 'refused', flavor: 'lab-vf' });
    const { fault } = await cloud.until('it is in ERROR', READY_MS, async () => { const shown = await guests.show(server); return shown.status === 'ERROR' && shown; });
    if (!/does not remap interrupts.*libvirt said: .*Operation not permitted/s.test(fault.message)) throw new Error(fault.message);
    return fault.message;
  });
  await row(2, async () => {
    await guests.remove(server);
    await it.free(2);
  });
}
