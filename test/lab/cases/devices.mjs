/**
 * Devices end to end, as an operator and a tenant meet them: our real services outside, our real agent on the emulated host's kernel and
 * libvirt, guests that drive their virtual functions themselves.
 */
import { ADDRESSES } from '../machine/topology.mjs';
import { FastNet, GUEST_MS, READY_MS, VLAN } from '../support/fast-net.mjs';

export const needsCloud = true;
export const checks = [
  'the host tells its ports, and what it lives on itself', 'a pool by API: one VF on each port, ready on vfio-pci', 'another number of VFs is thought through before',
  'two servers get a VF each, on different NUMA cells', 'a guest sees 8086:10ca and has the claimed MAC', 'the other one too', 'ping between the two VFs',
  'VLAN tags are seen on the wire outside', 'the kernel says of each VF what was claimed', 'a third server is refused in numbers', 'another number of VFs is refused while one is in use, and nothing was written',
  'SIGKILL of the agent: the guest goes on, the agent finds it', 'deleted: scrubbed, read back on the port, claimable again', 'the next holder has the next generation and its own MAC',
];

export async function run({ lab, cloud, check }) {
  const row = (n, work) => check(checks[n], work);
  const it = new FastNet(lab, cloud);

  await row(0, async () => {
    const ports = await it.joined();
    const kept = (await it.devices('state=protected')).map(({ device }) => device.address);
    for (const address of [ADDRESSES.disk, ADDRESSES.door]) if (!kept.includes(address)) throw new Error(`${address} is not protected; ${kept.join(', ')} are`);
    return ports.map(({ device, state }) => `${device.identity} ${device.address} cell ${device.numaNode} ${state}`).join(', ');
  });
  await row(1, async () => {
    const ready = await it.offered();
    const tookMs = Date.now() - it.sinceMs;
    if (await it.numvfs() !== '1\n1\n') throw new Error(`sriov_numvfs: ${await it.numvfs()}`);
    for (const { device } of ready) {
      const driver = (await lab.run(`basename "$(readlink /sys/bus/pci/devices/${device.address}/driver)"`)).trim();
      if (driver !== 'vfio-pci') throw new Error(`${device.address} is on ${driver || 'no driver'}`);
    }
    return `${(tookMs / 1000).toFixed(1)} s from the word to VFs that can be claimed`;
  });
  await row(2, () => { const plan = cloud.skylite('device', 'pool', 'set', 'net1', '--vfs', '3', '--dry-run'); if (!/3/.test(plan)) throw new Error(plan); });

  const guests = await cloud.guestKit(lab);
  await guests.flavor('lab-vf', { 'device:fast-net': `1,vlan=${VLAN},tag=data`, 'hw:numa_nodes': '1', 'hw:pci_numa_affinity_policy': 'required' });
  const servers = {};
  await row(3, async () => {
    servers.one = await guests.create({ name: 'one', flavor: 'lab-vf', says: { address: '10.9.42.1/24', peer: '10.9.42.2' } });
    await guests.active(servers.one);
    servers.two = await guests.create({ name: 'two', flavor: 'lab-vf', says: { address: '10.9.42.2/24', peer: '10.9.42.1' } });
    await guests.active(servers.two);
    const given = await it.vfs();
    const cells = given.map(({ device, holder }) => `${device.identity} cell ${device.numaNode} holder ${holder}`);
    if (new Set(given.map(({ device }) => device.numaNode)).size !== 2 || given.some(({ holder }) => holder === null)) throw new Error(cells.join(', '));
    return cells.join(', ');
  });
  for (const [n, name] of [[4, 'one'], [5, 'two']]) {
    await row(n, async () => {
      const { mac } = await it.claimed(servers[name]);
      const said = await guests.says(servers[name], /lab-guest: ready at [\d.]+/, GUEST_MS);
      const lines = said.input.split('\n').map((line) => line.trim()).filter((line) => /pci .*8086:10ca|net .*igbvf|carrier/.test(line));
      if (!lines.some((line) => line.includes('8086:10ca')) || !lines.some((line) => line.includes(`mac ${mac} driver igbvf`)) || !lines.some((line) => /carrier \S+ 1/.test(line))) throw new Error(`claimed ${mac}; the guest said: ${lines.join(' | ')}`);
      return lines.join(' | ');
    });
  }
  await row(6, async () => (await guests.says(servers.one, /lab-guest: ping 10\.9\.42\.2 3 packets received/, GUEST_MS))[0]);
  await row(7, async () => {
    // On the wire itself, outside the host: neither guest knows of a VLAN. The first goes on calling its peer.
    const { mac } = await it.claimed(servers.one);
    const heard = await lab.tapped(0);
    const frame = await cloud.until('a frame of the guest is on the wire', GUEST_MS, async () => (await heard()).find((each) => each.subarray(6, 12).toString('hex') === mac.replaceAll(':', '')));
    const [type, tag] = [frame.readUInt16BE(12), frame.readUInt16BE(14)];
    if (type !== 0x8100 || (tag & 0xfff) !== VLAN) throw new Error(`${frame.subarray(0, 18).toString('hex')} has no tag ${VLAN}`);
    return `${mac} > ${frame.subarray(0, 6).toString('hex').replace(/..(?=.)/g, '$&:')}, ethertype 802.1Q, vlan ${tag & 0xfff}, inside 0x${frame.readUInt16BE(16).toString(16).padStart(4, '0')}`;
  });
  await row(8, async () => {
    const said = [];
    for (const name of ['one', 'two']) {
      const { mac, on } = await it.claimed(servers[name]);
      const [{ device }] = await it.devices(`device=${encodeURIComponent(on.identity)}`);
      const { address, vlan_list: [{ vlan }] } = await it.onPort(device.address);
      if (address !== mac || vlan !== VLAN) throw new Error(`${name}: ${address} VLAN ${vlan}, claimed ${mac} VLAN ${VLAN}`);
      said.push(`${on.identity} ${address} VLAN ${vlan}`);
    }
    return said.join(', ');
  });
  await row(9, async () => {
    const third = await guests.create({ name: 'three', flavor: 'lab-vf' });
    await cloud.until('it is refused', READY_MS, async () => (await guests.show(third)).status === 'ERROR');
    const { explanation } = await cloud.call('GET', `/v1/servers/${third}/scheduling`);
    const filter = explanation.filters.find(({ name }) => name === 'devices');
    await cloud.call('DELETE', `/compute/v2.1/servers/${third}`);
    return JSON.stringify(filter.hosts?.[0]);
  });
  await row(10, async () => {
    const { status, text } = await cloud.ask('PATCH', '/v1/device-pools/net1', { vfCount: 3 });
    if (status !== 409 || !text.includes(servers.one)) throw new Error(`${status} ${text.slice(0, 300)}`);
    if (await it.numvfs() !== '1\n1\n') throw new Error(`sriov_numvfs: ${await it.numvfs()}`);
  });
  await row(11, () => it.agentKilled(servers.one, servers.two));
  let before;
  await row(12, async () => {
    before = await it.claimed(servers.one);
    await guests.remove(servers.one);
    const [{ device, generation }] = await it.free(1);
    const left = await it.onPort(device.address);
    if (left.address === before.mac || left.vlan_list?.[0]?.vlan || left.trust) throw new Error(`left on the port: ${JSON.stringify(left)}`);
    return `${device.identity}, generation ${generation}, clean at ${device.cleanAt}; on the port: ${left.address}, no VLAN`;
  });
  await row(13, async () => {
    servers.again = await guests.create({ name: 'again', flavor: 'lab-vf' });
    await guests.active(servers.again);
    const now = await it.claimed(servers.again);
    if (now.on.identity !== before.on.identity || now.on.generation !== before.on.generation + 1 || now.mac === before.mac) throw new Error(JSON.stringify({ before, now }));
    for (const name of ['again', 'two']) await guests.remove(servers[name]);
    return `generation ${now.on.generation}, ${now.mac}`;
  });
}
