/** What the kernel and libvirt let anybody do, and our agent and services refuse, explain or outlive. */
import { ADDRESSES } from '../machine/topology.mjs';
import { haltingDisk } from '../support/device-lab.mjs';
import { FastNet, GUEST_MS, READY_MS, VLAN } from '../support/fast-net.mjs';

export const needsCloud = true;
export const checks = [
  'a host with two VFs', 'a group that its host uses is explained, and given as one or not at all', 'a group with its port: both functions go to one guest, the port stays with its driver', 'a VF as hostdev: the agent sets its MAC and VLAN, and takes them back',
  'a writer that hangs under a guest hangs neither the agent nor anybody else; when that guest has ended, all is free', 'a port with live VFs is not passed as a whole',
];

export async function run({ lab, cloud, check }) {
  const row = (n, work) => check(checks[n], work);
  const it = new FastNet(lab, cloud);
  await row(0, async () => { await it.joined(); await it.offered(); });
  const guests = await cloud.guestKit(lab);
  const image = await cloud.addImage('lab-halts', haltingDisk(cloud.home), 'raw');
  const at = async (address) => (await it.devices('limit=100')).find(({ device }) => device.address === address);
  const [edu, e1000] = ADDRESSES.bridged;

  await row(1, async () => {
    const { code, sentence } = (await at(edu)).device.condition ?? {};
    if (code !== 'group-not-viable' || !sentence.includes(`${e1000} (on e1000)`)) throw new Error(`${code}: ${sentence}`);
    cloud.skylite('device', 'class', 'create', 'edu', '--vendor', '1234', '--product', '11e8', '--sanitizer', 'operator-accepts');
    const made = await cloud.ask('POST', '/v1/device-pools?yes_really=true', { name: 'alone', className: 'edu', mode: 'functions', match: { vendor: ['1234'], product: ['11e8'] }, groupTogether: false });
    if (made.status >= 400) throw new Error(`${made.status} ${made.text.slice(0, 300)}`);
    const held = await cloud.until('it is held back', READY_MS, async () => { const found = await at(edu); return found.state === 'unusable' && found; });
    const { problems: [problem] } = (await cloud.call('GET', '/v1/device-pools')).pools.find(({ name }) => name === 'alone');
    if (!/group-not-viable/.test(held.reason) || !/IOMMU group .*groupTogether/.test(problem?.sentence)) throw new Error(`${held.reason} / ${JSON.stringify(problem)}`);
    if (!(await lab.run(`readlink /sys/bus/pci/devices/${e1000}/driver`)).includes('e1000')) throw new Error('its neighbour was taken from its driver');
    return `${sentence} / ${problem.sentence}`;
  });
  await row(2, async () => {
    cloud.skylite('device', 'pool', 'delete', 'alone');
    cloud.skylite('device', 'class', 'create', 'tester', '--vendor', '1b36', '--product', '0005', '--sanitizer', 'operator-accepts');
    cloud.skylite('device', 'pool', 'create', 'pair', '--class', 'tester', '--mode', 'functions', '--vendor', '1b36', '--product', '0005');
    const [main, mate] = ADDRESSES.functions;
    const claimable = () => cloud.until('it can be claimed', READY_MS, async () => (await at(main)).state === 'available');
    await claimable();
    await guests.flavor('lab-tester', { 'pci_passthrough:alias': 'tester:1' });
    const server = await guests.create({ name: 'tester', flavor: 'lab-tester' });
    const [line] = await guests.says(server, /lab-guest: pci \S+ 1b36:0005 class \w+/, GUEST_MS);
    const [second] = await guests.says(server, /lab-guest: pci \S+ 1234:11e8 class \w+/, GUEST_MS);
    const holders = [await at(main), await at(mate)].map(({ holder }) => holder);
    const drivers = (await lab.run(`for a in ${main} ${mate} ${ADDRESSES.functionsPort}; do basename "$(readlink /sys/bus/pci/devices/$a/driver)"; done`)).trim().split('\n');
    if (drivers.join() !== 'vfio-pci,vfio-pci,pcieport' || holders.some((holder) => holder !== server)) throw new Error(`drivers ${drivers.join()}; holders ${holders.join()}`);
    await guests.remove(server);
    await claimable();
    return `${line}; ${second}; ${drivers.join(', ')}`;
  });
  await row(3, async () => {
    cloud.skylite('device', 'class', 'set', 'fast-net', '--attach', 'hostdev');
    await guests.flavor('lab-hostdev', { 'device:fast-net': `1,vlan=${VLAN}` });
    const server = await guests.create({ name: 'hostdev', flavor: 'lab-hostdev', imageRef: image });
    await guests.active(server);
    const { mac } = await it.claimed(server);
    const { device } = await it.used();
    const xml = await guests.domainXml(server);
    if (!/<hostdev mode='subsystem' type='pci' managed='no'/.test(xml) || /<interface type='hostdev'/.test(xml)) throw new Error(xml.slice(-1500));
    const now = await it.onPort(device.address);
    if (now.address !== mac || now.vlan_list[0].vlan !== VLAN) throw new Error(`on the port: ${now.address} VLAN ${now.vlan_list[0].vlan}; claimed ${mac} VLAN ${VLAN}`);
    await guests.remove(server);
    await it.free(2);
    const left = await it.onPort(device.address);
    if (left.address === mac || left.vlan_list?.[0]?.vlan) throw new Error(`left on the port: ${JSON.stringify(left)}`);
    cloud.skylite('device', 'class', 'set', 'fast-net', '--attach', 'auto');
    return `${mac} VLAN ${VLAN}, then ${left.address}`;
  });
  await row(4, async () => {
    const deaf = await guests.create({ name: 'deaf', imageRef: image });
    await guests.active(deaf);
    await it.attach(deaf);
    await it.attached(deaf);
    const { device } = await it.used();
    const port = (await lab.run(`basename "$(readlink -f /sys/bus/pci/devices/${device.address}/physfn)"`)).trim();
    // Somebody's hand, as no lock of ours keeps it off.
    const stack = await lab.run(`setsid sh -c 'echo 0 >/sys/bus/pci/devices/${port}/sriov_numvfs' >/dev/null 2>&1 & sleep 3; cat /proc/$!/stack 2>/dev/null || echo it has ended`);
    if (!stack.includes('vfio_unregister')) throw new Error(`the writer does not hang: ${stack}`);
    const meanwhile = await guests.create({ name: 'meanwhile', imageRef: image });
    await guests.active(meanwhile);
    await guests.remove(meanwhile);
    if ((await guests.show(deaf)).status !== 'ACTIVE') throw new Error(`${deaf} is ${(await guests.show(deaf)).status}`);
    await guests.remove(deaf);
    const found = await it.free(2);
    if (await it.numvfs() !== '1\n1\n') throw new Error(`sriov_numvfs: ${await it.numvfs()}`);
    return found.map(({ device: { identity }, generation }) => `${identity} generation ${generation}`).join(', ');
  });
  await row(5, async () => {
    cloud.skylite('device', 'pool', 'delete', 'net1');
    cloud.skylite('device', 'class', 'create', 'whole', '--vendor', '8086', '--product', '10c9');
    cloud.skylite('device', 'pool', 'create', 'ports', '--class', 'whole', '--mode', 'functions', '--vendor', '8086', '--product', '10c9', '--yes-really');
    const held = await cloud.until('both ports are held back', READY_MS, async () => { const found = await it.devices('class=whole&kind=pf'); return found.length === 2 && found.every(({ state }) => state === 'unusable') && found; });
    if (held.some(({ reason }) => !/live VFs/.test(reason))) throw new Error(held.map(({ reason }) => reason).join('; '));
    if (await it.numvfs() !== '1\n1\n') throw new Error(`sriov_numvfs: ${await it.numvfs()}`);
    return held[0].reason;
  });
}
