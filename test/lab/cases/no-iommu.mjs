/** A host without an IOMMU: nothing of it is given to anybody, and everybody hears why. */
import { FastNet, READY_MS } from '../support/fast-net.mjs';

export const needsCloud = true;
export const iommu = 'none';
export const checks = ['each of its devices says that there is no IOMMU', 'a pool of it offers nothing, and says why', 'a server is refused in numbers', 'the kernel binds nothing to vfio-pci'];

export async function run({ lab, cloud, check }) {
  const row = (n, work) => check(checks[n], work);
  const it = new FastNet(lab, cloud);
  await row(0, async () => {
    await it.joined();
    const found = await it.devices('limit=100');
    const other = found.filter(({ device }) => device.condition?.code !== 'no-iommu');
    if (found.length < 6 || other.length > 0) throw new Error(`${found.length} devices; ${JSON.stringify(other.map(({ device }) => [device.address, device.condition]))}`);
    return found[0].device.condition.sentence;
  });
  let held;
  await row(1, async () => {
    it.defined();
    held = await cloud.until('both VFs are held back', READY_MS, async () => { const found = await it.vfs(); return found.length === 2 && found.every(({ state }) => state === 'unusable') && found; });
    if (held.some(({ reason }) => !/IOMMU/.test(reason))) throw new Error(held.map(({ reason }) => reason).join('; '));
    return held[0].reason;
  });
  await row(2, async () => {
    const guests = await cloud.guestKit(lab);
    await guests.flavor('lab-vf', { 'pci_passthrough:alias': 'fast-net:1' });
    const server = await guests.create({ name: 'refused', flavor: 'lab-vf' });
    await cloud.until('it is refused', READY_MS, async () => (await guests.show(server)).status === 'ERROR');
    const { explanation } = await cloud.call('GET', `/v1/servers/${server}/scheduling`);
    const [host] = explanation.filters.find(({ name }) => name === 'devices').hosts;
    if (!host.free.startsWith('0 ')) throw new Error(JSON.stringify(host));
    await cloud.call('DELETE', `/compute/v2.1/servers/${server}`);
    return JSON.stringify(host);
  });
  await row(3, async () => {
    const { address } = held[0].device;
    const at = `/sys/bus/pci/devices/${address}`;
    const { output } = await lab.order(`echo vfio-pci >${at}/driver_override; echo ${address} >/sys/bus/pci/drivers/vfio-pci/bind; readlink ${at}/driver; dmesg | grep 'probe with driver vfio-pci failed' | tail -n 1`);
    if (/drivers\/vfio-pci$/m.test(output) || !/failed with error -22|Invalid argument/.test(output)) throw new Error(output);
    return output.trim().split('\n').at(-1);
  });
}
