/**
 * Devices end to end, as an operator and a tenant meet them: our real services outside, our real agent on the emulated host's kernel and
 * libvirt, guests that drive their virtual functions themselves.
 */
import { ADDRESSES, VIRTUAL_FUNCTION } from '../machine/topology.mjs';
import { haltingDisk } from '../support/device-lab.mjs';

export const needsCloud = true;
export const checks = [
  'the host tells its ports, and what it lives on itself', 'a pool by API: one VF on each port, ready on vfio-pci', 'another number of VFs is thought through before',
  'two servers get a VF each, on different NUMA cells', 'a guest sees 8086:10ca and has the claimed MAC', 'the other one too', 'ping between the two VFs',
  'VLAN tags are seen on the wire outside', 'the kernel says of each VF what was claimed', 'a third server is refused in numbers', 'another number of VFs is refused while one is in use, and nothing was written',
  'SIGKILL of the agent: the guest goes on, the agent finds it', 'deleted: scrubbed, read back on the port, claimable again', 'the next holder has the next generation and its own MAC',
  'the GPU stand-in is passed whole, and comes back',
  'live attach: a guest that runs finds a VF with the claimed MAC, and its VLAN is on the port', 'SIGKILL of the agent: it finds what was attached, and nothing happens', 'live detach: the guest lets it go and runs on; scrubbed, claimable again',
  'a guest that does not answer keeps it and says what is needed; a hard reboot takes it',
  'SIGKILL of libvirtd as soon as QEMU has one: the guest keeps it as it was claimed, until a hard reboot takes it',
];

const VLAN = 42;
const GUEST_MS = 200_000;
const READY_MS = 120_000;

export async function run({ lab, cloud, check }) {
  const row = (n, work) => check(checks[n], work);
  const devices = async (query) => (await cloud.call('GET', `/v1/devices?${query}`)).devices;
  const claimed = async (server) => (await cloud.call('GET', `/v1/servers/${server}`)).server.devices[0];
  const numvfs = () => lab.run(`cat ${ADDRESSES.ports.map((port) => `/sys/bus/pci/devices/${port}/sriov_numvfs`).join(' ')}`);
  const onPort = async (address) => {
    const [port, index] = (await lab.run(`p=$(readlink -f /sys/bus/pci/devices/${address}/physfn); for v in $p/virtfn*; do [ "$(basename "$(readlink $v)")" = ${address} ] && echo "$(ls $p/net) \${v##*virtfn}"; done`)).trim().split(' ');
    return JSON.parse(await lab.run(`ip -j link show ${port}`))[0].vfinfo_list[Number(index)];
  };
  const agent = { environment: { SKYLITE_DEVICES: 'manage' } };

  await row(0, async () => {
    await cloud.adopt(lab, agent);
    const ports = await cloud.until('two ports are known', READY_MS, async () => { const found = await devices('kind=pf'); return found.length === 2 && found; });
    const kept = (await devices('state=protected')).map(({ device }) => device.address);
    for (const address of [ADDRESSES.disk, ADDRESSES.door]) if (!kept.includes(address)) throw new Error(`${address} is not protected; ${kept.join(', ')} are`);
    return ports.map(({ device, state }) => `${device.identity} ${device.address} cell ${device.numaNode} ${state}`).join(', ');
  });
  await row(1, async () => {
    cloud.skylite('device', 'class', 'create', 'fast-net', '--vendor', VIRTUAL_FUNCTION.vendor, '--product', VIRTUAL_FUNCTION.device);
    const since = Date.now();
    cloud.skylite('device', 'pool', 'create', 'net1', '--class', 'fast-net', '--mode', 'vfs', '--vendor', '8086', '--product', '10c9', '--vfs', '1', '--physical-network', 'lan1', '--vlans', '40-49');
    const ready = await cloud.until('two VFs are available', READY_MS, async () => { const found = await devices('class=fast-net&kind=vf&state=available'); return found.length === 2 && found; });
    if (await numvfs() !== '1\n1\n') throw new Error(`sriov_numvfs: ${await numvfs()}`);
    for (const { device } of ready) {
      const driver = (await lab.run(`basename "$(readlink /sys/bus/pci/devices/${device.address}/driver)"`)).trim();
      if (driver !== 'vfio-pci') throw new Error(`${device.address} is on ${driver || 'no driver'}`);
    }
    return `${((Date.now() - since) / 1000).toFixed(1)} s from the word to VFs that can be claimed`;
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
    const given = await devices('class=fast-net&kind=vf');
    const cells = given.map(({ device, holder }) => `${device.identity} cell ${device.numaNode} holder ${holder}`);
    if (new Set(given.map(({ device }) => device.numaNode)).size !== 2 || given.some(({ holder }) => holder === null)) throw new Error(cells.join(', '));
    return cells.join(', ');
  });
  for (const [n, name] of [[4, 'one'], [5, 'two']]) {
    await row(n, async () => {
      const { mac } = await claimed(servers[name]);
      const said = await guests.says(servers[name], /lab-guest: ready at [\d.]+/, GUEST_MS);
      const lines = said.input.split('\n').map((line) => line.trim()).filter((line) => /pci .*8086:10ca|net .*igbvf|carrier/.test(line));
      if (!lines.some((line) => line.includes('8086:10ca')) || !lines.some((line) => line.includes(`mac ${mac} driver igbvf`)) || !lines.some((line) => /carrier \S+ 1/.test(line))) throw new Error(`claimed ${mac}; the guest said: ${lines.join(' | ')}`);
      return lines.join(' | ');
    });
  }
  await row(6, async () => (await guests.says(servers.one, /lab-guest: ping 10\.9\.42\.2 3 packets received/, GUEST_MS))[0]);
  await row(7, async () => {
    // On the wire itself, outside the host: neither guest knows of a VLAN. The first goes on calling its peer.
    const mac = (await claimed(servers.one)).mac;
    const heard = await lab.tapped(0);
    const frame = await cloud.until('a frame of the guest is on the wire', GUEST_MS, async () => (await heard()).find((each) => each.subarray(6, 12).toString('hex') === mac.replaceAll(':', '')));
    const [type, tag] = [frame.readUInt16BE(12), frame.readUInt16BE(14)];
    if (type !== 0x8100 || (tag & 0xfff) !== VLAN) throw new Error(`${frame.subarray(0, 18).toString('hex')} has no tag ${VLAN}`);
    return `${mac} > ${frame.subarray(0, 6).toString('hex').replace(/..(?=.)/g, '$&:')}, ethertype 802.1Q, vlan ${tag & 0xfff}, inside 0x${frame.readUInt16BE(16).toString(16).padStart(4, '0')}`;
  });
  await row(8, async () => {
    const said = [];
    for (const name of ['one', 'two']) {
      const { mac, on } = await claimed(servers[name]);
      const [{ device }] = await devices(`device=${encodeURIComponent(on.identity)}`);
      const { address, vlan_list: [{ vlan }] } = await onPort(device.address);
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
    if (await numvfs() !== '1\n1\n') throw new Error(`sriov_numvfs: ${await numvfs()}`);
  });
  await row(11, async () => {
    const running = async () => (await lab.run(`pgrep -f 'qemu-system.*-uuid ${servers.one}'; pgrep -f 'qemu-system.*-uuid ${servers.two}'`)).trim().split('\n').join(' ');
    const announced = async () => Number(await lab.run('grep -c announced /var/log/skylite-agent.log || true'));
    const [before, times] = [await running(), await announced()];
    await cloud.killAgent(lab);
    await cloud.startAgent(lab);
    await cloud.until('the agent is back', READY_MS, async () => await announced() > times);
    const now = await running();
    if (now !== before) throw new Error(`QEMU before: ${before}; after: ${now}`);
    return `QEMU ${now}`;
  });
  let before;
  await row(12, async () => {
    before = await claimed(servers.one);
    await guests.remove(servers.one);
    const [{ device, generation }] = await cloud.until('it is available again', READY_MS, async () => { const found = await devices('class=fast-net&kind=vf&state=available'); return found.length === 1 && found; });
    const left = await onPort(device.address);
    if (left.address === before.mac || left.vlan_list?.[0]?.vlan || left.trust) throw new Error(`left on the port: ${JSON.stringify(left)}`);
    return `${device.identity}, generation ${generation}, clean at ${device.cleanAt}; on the port: ${left.address}, no VLAN`;
  });
  await row(13, async () => {
    servers.again = await guests.create({ name: 'again', flavor: 'lab-vf' });
    await guests.active(servers.again);
    const now = await claimed(servers.again);
    if (now.on.identity !== before.on.identity || now.on.generation !== before.on.generation + 1 || now.mac === before.mac) throw new Error(JSON.stringify({ before, now }));
    for (const name of ['again', 'two']) await guests.remove(servers[name]);
    return `generation ${now.on.generation}, ${now.mac}`;
  });
  const standing = async (server) => (await cloud.call('GET', `/v1/servers/${server}/devices`)).devices;
  const attach = (server) => cloud.call('POST', `/v1/servers/${server}/devices`, { class: 'fast-net', vlan: VLAN, tag: 'later' });
  const attached = (server) => cloud.until('it is attached', READY_MS, async () => {
    const found = await standing(server);
    if (found.length === 1 && found[0].state === 'attached') return found[0];
    throw new Error(JSON.stringify(found));
  });
  const free = (count) => cloud.until(`${count} VFs are available`, READY_MS, async () => (await devices('class=fast-net&kind=vf&state=available')).length === count);
  const used = () => cloud.until('one VF is in use', READY_MS, async () => { const found = await devices('class=fast-net&kind=vf&state=in-use'); return found.length === 1 && found[0]; });
  const qemuOf = async (server) => (await lab.run(`pgrep -f 'qemu-system.*-uuid ${server}'`)).trim();
  let came;
  await row(15, async () => {
    await free(2);
    servers.live = await guests.create({ name: 'live' });
    await guests.says(servers.live, /lab-guest: ready at [\d.]+/, GUEST_MS);
    const since = Date.now();
    await attach(servers.live);
    came = await attached(servers.live);
    const took = ((Date.now() - since) / 1000).toFixed(1);
    const [line] = await guests.says(servers.live, new RegExp(`lab-guest: net \\S+ mac ${came.mac} driver igbvf pci \\S+`), GUEST_MS);
    const { device } = await used();
    const { address, vlan_list: [{ vlan }] } = await onPort(device.address);
    if (address !== came.mac || vlan !== VLAN) throw new Error(`on the port: ${address} VLAN ${vlan}; claimed ${came.mac} VLAN ${VLAN}`);
    return `${took} s from the word to attached; ${line}; on the port VLAN ${vlan}`;
  });
  await row(16, async () => {
    const [before, times] = [await qemuOf(servers.live), Number(await lab.run('grep -c announced /var/log/skylite-agent.log || true'))];
    await cloud.killAgent(lab);
    await cloud.startAgent(lab);
    await cloud.until('the agent is back', READY_MS, async () => Number(await lab.run('grep -c announced /var/log/skylite-agent.log || true')) > times);
    await attached(servers.live);
    if (await qemuOf(servers.live) !== before) throw new Error(`QEMU before: ${before}; after: ${await qemuOf(servers.live)}`);
    return `QEMU ${before}`;
  });
  await row(17, async () => {
    const before = await qemuOf(servers.live);
    const { device } = await used();
    await cloud.call('DELETE', `/v1/servers/${servers.live}/devices/${came.attachment}`);
    await cloud.until('it is gone', READY_MS, async () => { const found = await standing(servers.live); if (found.length === 0) return true; throw new Error(JSON.stringify(found)); });
    await free(2);
    if (await qemuOf(servers.live) !== before) throw new Error('its QEMU is another one');
    if ((await guests.domainXml(servers.live)).includes('ua-device')) throw new Error('its domain has it still');
    const left = await onPort(device.address);
    if (left.address === came.mac || left.vlan_list?.[0]?.vlan) throw new Error(`left on the port: ${JSON.stringify(left)}`);
    const told = await guests.says(servers.live, /devices changed[^]*devices changed[^]*/, GUEST_MS);
    if (told[0].slice(told[0].lastIndexOf('devices changed')).includes('8086:10ca')) throw new Error(`the guest said last: ${told[0].slice(-400)}`);
    await guests.remove(servers.live);
    return `on the port: ${left.address}, no VLAN`;
  });
  const image = await cloud.addImage('lab-halts', haltingDisk(cloud.home), 'raw');
  await row(18, async () => {
    const deaf = await guests.create({ name: 'deaf', imageRef: image });
    await guests.active(deaf);
    await attach(deaf);
    const { attachment } = await attached(deaf);
    await cloud.call('DELETE', `/v1/servers/${deaf}/devices/${attachment}`);
    const said = await cloud.until('it says what is needed', READY_MS, async () => { const [found] = await standing(deaf); return found?.state === 'detaching' && /needs guest stop/.test(found.reason ?? '') && found.reason; });
    await used();
    if ((await guests.show(deaf)).status !== 'ACTIVE') throw new Error(`it is ${(await guests.show(deaf)).status}`);
    await cloud.call('POST', `/compute/v2.1/servers/${deaf}/action`, { reboot: { type: 'HARD' } });
    await cloud.until('it is gone', READY_MS, async () => (await standing(deaf)).length === 0);
    await free(2);
    await guests.active(deaf);
    await guests.remove(deaf);
    return said;
  });
  await row(19, async () => {
    const server = await guests.create({ name: 'forgotten', imageRef: image });
    await guests.active(server);
    const killed = lab.run(`q=$(pgrep -f 'qemu-system.*-uuid ${server}'); while [ -z "$(find /proc/$q/fd -lname '*vfio/[0-9]*')" ]; do :; done; kill -KILL $(pidof libvirtd); sleep 1; libvirtd -d`, { seconds: 60 });
    await attach(server);
    await killed;
    const { attachment, mac } = await attached(server);
    const { device } = await used();
    const asClaimed = async () => {
      const { address, vlan_list: [{ vlan }] } = await onPort(device.address);
      if (address !== mac || vlan !== VLAN) throw new Error(`on the port: ${address} VLAN ${vlan}; claimed ${mac} VLAN ${VLAN}`);
    };
    await asClaimed();
    const knows = (await guests.domainXml(server)).includes('ua-device');
    await cloud.call('DELETE', `/v1/servers/${server}/devices/${attachment}`);
    const said = await cloud.until('it says what is needed', READY_MS, async () => { const [found] = await standing(server); return /needs guest stop/.test(found?.reason ?? '') && found.reason; });
    await asClaimed();
    await cloud.call('POST', `/compute/v2.1/servers/${server}/action`, { reboot: { type: 'HARD' } });
    await cloud.until('it is gone', READY_MS, async () => (await standing(server)).length === 0);
    await free(2);
    await guests.remove(server);
    return `libvirt ${knows ? 'knew of it all the same' : 'knew nothing of it'}; ${said}`;
  });
  await row(14, async () => {
    cloud.skylite('device', 'class', 'create', 'gpu', '--vendor', '1234', '--product', '1111', '--sanitizer', 'operator-accepts');
    cloud.skylite('device', 'pool', 'create', 'gpus', '--class', 'gpu', '--mode', 'functions', '--vendor', '1234', '--product', '1111');
    await cloud.until('it is available', READY_MS, async () => (await devices('class=gpu&state=available')).length === 1);
    await guests.flavor('lab-gpu', { 'pci_passthrough:alias': 'gpu:1' });
    const server = await guests.create({ name: 'gpu', flavor: 'lab-gpu' });
    const [line] = await guests.says(server, /lab-guest: pci \S+ 1234:1111 class 0x0380\w*/, GUEST_MS);
    await guests.remove(server);
    await cloud.until('it is available again', READY_MS, async () => (await devices('class=gpu&state=available')).length === 1);
    return line;
  });
}
