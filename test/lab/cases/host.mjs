/** Our agent on the emulated host: it joins from the inside like any machine, boots a guest under KVM there, is killed, and goes on. */
export const needsCloud = true;
export const checks = ['the agent joins by its token', 'a nested guest boots under KVM', 'a killed agent finds its guest again', 'a deleted server is gone from libvirt'];

const GUEST_MS = 150_000;

export async function run({ lab, cloud, check }) {
  await check(checks[0], async () => {
    const host = await cloud.adopt(lab);
    return `${host.name}, libvirt ${host.inventory.libvirtVersion}, QEMU ${host.inventory.hypervisorVersion}, ${host.inventory.cells.length} cells`;
  });
  const guests = await cloud.guestKit(lab);
  let server;
  await check(checks[1], async () => {
    server = await guests.create({ name: 'plain' });
    const said = await guests.says(server, /lab-guest: ready at [\d.]+/, GUEST_MS);
    return said[0];
  });
  await check(checks[2], async () => {
    await cloud.killAgent(lab);
    await cloud.startAgent(lab);
    await cloud.call('POST', `/compute/v2.1/servers/${server}/action`, { reboot: { type: 'HARD' } });
    await guests.says(server, /(lab-guest: ready[\s\S]*){2}|lab-guest: ready/, GUEST_MS);
  });
  await check(checks[3], async () => {
    await guests.remove(server);
    const domains = await lab.run('virsh -c qemu:///system list --all --uuid');
    if (domains.trim() !== '') throw new Error(`libvirt still has ${domains}`);
  });
}
