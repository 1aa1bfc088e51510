/** Devices that come and go while their guest runs, a guest that does not let go, and a whole function (the GPU stand-in). */
import { haltingDisk } from '../support/device-lab.mjs';
import { FastNet, GUEST_MS, READY_MS, VLAN } from '../support/fast-net.mjs';

export const needsCloud = true;
export const checks = [
  'a host with two VFs',
  'live attach: a guest that runs finds a VF with the claimed MAC, and its VLAN is on the port', 'SIGKILL of the agent: it finds what was attached, and nothing happens', 'live detach: the guest lets it go and runs on; scrubbed, claimable again',
  'a guest that does not answer keeps it and says what is needed; a hard reboot takes it',
  'SIGKILL of libvirtd as soon as QEMU has one: the guest keeps it as it was claimed, until a hard reboot takes it', 'the GPU stand-in is passed whole, and comes back',
];

export async function run({ lab, cloud, check }) {
  const row = (n, work) => check(checks[n], work);
  const it = new FastNet(lab, cloud);
  await row(0, async () => { await it.joined(); await it.offered(); });
  const guests = await cloud.guestKit(lab);
  const servers = {};
  let came;
  await row(1, async () => {
    servers.live = await guests.create({ name: 'live' });
    await guests.says(servers.live, /lab-guest: ready at [\d.]+/, GUEST_MS);
    const since = Date.now();
    await it.attach(servers.live);
    came = await it.attached(servers.live);
    const took = ((Date.now() - since) / 1000).toFixed(1);
    const [line] = await guests.says(servers.live, new RegExp(`lab-guest: net \\S+ mac ${came.mac} driver igbvf pci \\S+`), GUEST_MS);
    const { device } = await it.used();
    const { address, vlan_list: [{ vlan }] } = await it.onPort(device.address);
    if (address !== came.mac || vlan !== VLAN) throw new Error(`on the port: ${address} VLAN ${vlan}; claimed ${came.mac} VLAN ${VLAN}`);
    return `${took} s from the word to attached; ${line}; on the port VLAN ${vlan}`;
  });
  await row(2, async () => { const said = await it.agentKilled(servers.live); await it.attached(servers.live); return said; });
  await row(3, async () => {
    const before = await it.qemuOf(servers.live);
    const { device } = await it.used();
    await cloud.call('DELETE', `/v1/servers/${servers.live}/devices/${came.attachment}`);
    await cloud.until('it is gone', READY_MS, async () => { const found = await it.standing(servers.live); if (found.length === 0) return true; throw new Error(JSON.stringify(found)); });
    await it.free(2);
    if (await it.qemuOf(servers.live) !== before) throw new Error('its QEMU is another one');
    if ((await guests.domainXml(servers.live)).includes('ua-device')) throw new Error('its domain has it still');
    const left = await it.onPort(device.address);
    if (left.address === came.mac || left.vlan_list?.[0]?.vlan) throw new Error(`left on the port: ${JSON.stringify(left)}`);
    const told = await guests.says(servers.live, /devices changed[^]*devices changed[^]*/, GUEST_MS);
    if (told[0].slice(told[0].lastIndexOf('devices changed')).includes('8086:10ca')) throw new Error(`the guest said last: ${told[0].slice(-400)}`);
    await guests.remove(servers.live);
    return `on the port: ${left.address}, no VLAN`;
  });
  const image = await cloud.addImage('lab-halts', haltingDisk(cloud.home), 'raw');
  await row(4, async () => {
    const deaf = await guests.create({ name: 'deaf', imageRef: image });
    await guests.active(deaf);
    await it.attach(deaf);
    const { attachment } = await it.attached(deaf);
    await cloud.call('DELETE', `/v1/servers/${deaf}/devices/${attachment}`);
    const said = await cloud.until('it says what is needed', READY_MS, async () => { const [found] = await it.standing(deaf); return found?.state === 'detaching' && /needs guest stop/.test(found.reason ?? '') && found.reason; });
    await it.used();
    if ((await guests.show(deaf)).status !== 'ACTIVE') throw new Error(`it is ${(await guests.show(deaf)).status}`);
    await cloud.call('POST', `/compute/v2.1/servers/${deaf}/action`, { reboot: { type: 'HARD' } });
    await cloud.until('it is gone', READY_MS, async () => (await it.standing(deaf)).length === 0);
    await it.free(2);
    await guests.active(deaf);
    await guests.remove(deaf);
    return said;
  });
  await row(5, async () => {
    const server = await guests.create({ name: 'forgotten', imageRef: image });
    await guests.active(server);
    const killed = lab.run(`q=$(pgrep -f 'qemu-system.*-uuid ${server}'); while [ -z "$(find /proc/$q/fd -lname '*vfio/[0-9]*')" ]; do :; done; kill -KILL $(pidof libvirtd); sleep 1; libvirtd -d`, { seconds: 60 });
    await it.attach(server);
    await killed;
    const { attachment, mac } = await it.attached(server);
    const { device } = await it.used();
    const asClaimed = async () => {
      const { address, vlan_list: [{ vlan }] } = await it.onPort(device.address);
      if (address !== mac || vlan !== VLAN) throw new Error(`on the port: ${address} VLAN ${vlan}; claimed ${mac} VLAN ${VLAN}`);
    };
    await asClaimed();
    const knows = (await guests.domainXml(server)).includes('ua-device');
    await cloud.call('DELETE', `/v1/servers/${server}/devices/${attachment}`);
    const said = await cloud.until('it says what is needed', READY_MS, async () => { const [found] = await it.standing(server); return /needs guest stop/.test(found?.reason ?? '') && found.reason; });
    await asClaimed();
    await cloud.call('POST', `/compute/v2.1/servers/${server}/action`, { reboot: { type: 'HARD' } });
    await cloud.until('it is gone', READY_MS, async () => (await it.standing(server)).length === 0);
    await it.free(2);
    await guests.remove(server);
    return `libvirt ${knows ? 'knew of it all the same' : 'knew nothing of it'}; ${said}`;
  });
  await row(6, async () => {
    cloud.skylite('device', 'class', 'create', 'gpu', '--vendor', '1234', '--product', '1111', '--sanitizer', 'operator-accepts');
    cloud.skylite('device', 'pool', 'create', 'gpus', '--class', 'gpu', '--mode', 'functions', '--vendor', '1234', '--product', '1111');
    await cloud.until('it is available', READY_MS, async () => (await it.devices('class=gpu&state=available')).length === 1);
    await guests.flavor('lab-gpu', { 'pci_passthrough:alias': 'gpu:1' });
    const server = await guests.create({ name: 'gpu', flavor: 'lab-gpu' });
    const [line] = await guests.says(server, /lab-guest: pci \S+ 1234:1111 class 0x0380\w*/, GUEST_MS);
    await guests.remove(server);
    await cloud.until('it is available again', READY_MS, async () => (await it.devices('class=gpu&state=available')).length === 1);
    return line;
  });
}
