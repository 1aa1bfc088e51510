/**
 * What libvirt does with devices on this kernel, and in which words it refuses. Domains in here have no system and stay paused: one
 * that looks for something to boot would take a whole emulated CPU.
 */
import { ADDRESSES } from '../machine/topology.mjs';

const [near] = ADDRESSES.ports;
const [name] = ADDRESSES.portNames;
const VIRSH = 'virsh -c qemu:///system';
const numvfs = `/sys/bus/pci/devices/${near}/sriov_numvfs`;
const VFS = ADDRESSES.firstVfs.slice(0, 4);
const nodedev = (address) => `pci_${address.replace(/[:.]/g, '_')}`;

const source = (address) => {
  const [, domain, bus, slot, fn] = /^(\w+):(\w+):(\w+)\.(\d)$/.exec(address);
  return `<source><address type='pci' domain='0x${domain}' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'/></source>`;
};
const hostdev = (address, managed = 'yes') => `<hostdev mode='subsystem' type='pci' managed='${managed}'>${source(address)}</hostdev>`;
const port = (address, mac, vlan) => `<interface type='hostdev' managed='yes'><mac address='${mac}'/>${source(address).replace("<address type='pci'", "<address type='pci'")}<vlan><tag id='${vlan}'/></vlan></interface>`;
const domain = (title, devices) => `<domain type='kvm'><name>${title}</name><memory unit='MiB'>96</memory><vcpu>1</vcpu><os><type machine='q35' arch='x86_64'>hvm</type></os><devices>${devices}</devices></domain>`;

export const checks = [
  'capabilities name a host that can pass devices, and its two cells', 'a port\'s VFs, a VF\'s port, its group: as nodedev tells it', 'hostdev: bound to vfio-pci, given back to no driver it did not have',
  'managed=no on an unbound VF is refused', 'a VF in use is refused to a second domain', 'a VF in use is not reset', 'a VF that is not there is named', 'interface hostdev sets MAC and VLAN, and takes them back',
  'interface hostdev of a whole port is refused', 'interface hostdev of a port that is down is refused', 'a bridge is refused', 'a group that is not viable is explained by QEMU', 'the GPU stand-in is passed and comes back',
  'a port with VFs is handed over without a word, and its VFs are gone', 'numvfs=0 under a guest that does not answer: the writer hangs, readers hang, until the guest ends',
];

export async function run({ lab, check }) {
  const row = (n, work) => check(checks[n], work);
  const virsh = (words, seconds = 60) => lab.order(`${VIRSH} ${words}`, { seconds });
  const start = (title, devices) => lab.order(`cat >/tmp/${title}.xml <<'X'\n${domain(title, devices)}\nX\n${VIRSH} create --paused /tmp/${title}.xml`, { seconds: 90 });
  const good = async (what) => { const { code, output } = await what; if (code !== 0) throw new Error(output.trim()); return output; };
  const refused = async (what, pattern) => {
    const { code, output } = await what;
    if (code === 0) throw new Error('it was not refused');
    if (!pattern.test(output)) throw new Error(output.trim());
    return pattern.exec(output)[0];
  };
  const destroy = (title) => good(virsh(`destroy ${title}`));
  const driver = async (address) => (await lab.run(`basename "$(readlink /sys/bus/pci/devices/${address}/driver)"`)).trim();
  const vf = async (index) => JSON.parse(await lab.run(`ip -j link show ${name}`))[0].vfinfo_list[index];
  const expect = (text, pattern) => { if (!pattern.test(text)) throw new Error(`${pattern} is not in: ${text.slice(0, 1500)}`); };
  const fresh = (count) => lab.run(`echo 0 >${numvfs}; echo 0 >/sys/bus/pci/devices/${near}/sriov_drivers_autoprobe; echo ${count} >${numvfs}; udevadm settle; ip link set ${name} up`);
  await fresh(4);

  await row(0, async () => { const xml = await good(virsh('capabilities')); expect(xml, /<iommu support='yes'\/>/); expect(xml, /<cells num='2'>/); });
  await row(1, async () => {
    expect(await good(virsh(`nodedev-dumpxml ${nodedev(near)}`)), /<capability type='virt_functions' maxCount='7'>[\s\S]*slot='0x10' function='0x6'/);
    const xml = await good(virsh(`nodedev-dumpxml ${nodedev(VFS[0])}`));
    expect(xml, /<capability type='phys_function'>[\s\S]*bus='0x21' slot='0x00'/);
    expect(xml, /<iommuGroup number='\d+'>/);
    expect(await good(virsh(`nodedev-dumpxml ${nodedev(ADDRESSES.ports[1])}`)), /<numa node='1'\/>/);
  });
  await row(2, async () => {
    await good(start('a', hostdev(VFS[0])));
    if (await driver(VFS[0]) !== 'vfio-pci') throw new Error(`on ${await driver(VFS[0])}`);
  });
  await row(3, () => refused(start('b', hostdev(VFS[1], 'no')), /must be manually detached from the host/));
  await row(4, () => refused(start('b', hostdev(VFS[0])), /PCI device 0000:21:10.0 is in use by driver QEMU, domain a/));
  await row(5, () => refused(virsh(`nodedev-reset ${nodedev(VFS[0])}`), /in use|active/i));
  await destroy('a');
  await row(6, () => refused(start('b', hostdev(ADDRESSES.firstVfs[6])), /not found|could not access|Unable to|No such/i));
  await row(7, async () => {
    const before = await vf(2);
    await good(start('a', port(VFS[2], '52:54:00:6d:90:02', 42)));
    const during = await vf(2);
    if (during.address !== '52:54:00:6d:90:02' || during.vlan_list?.[0]?.vlan !== 42) throw new Error(JSON.stringify(during));
    await destroy('a');
    const after = await vf(2);
    if (JSON.stringify(after.vlan_list) !== JSON.stringify(before.vlan_list)) throw new Error(`VLAN after: ${JSON.stringify(after)}`);
    return `MAC before ${before.address}, after ${after.address}`;
  });
  await row(8, () => refused(start('b', port(ADDRESSES.ports[1], '52:54:00:6d:90:03', 0).replace(/<vlan>.*<\/vlan>/, '')), /only|SR-IOV Virtual Functions/));
  await row(9, async () => {
    await lab.run(`ip link set ${name} down`);
    try { return await refused(start('b', port(VFS[2], '52:54:00:6d:90:04', 42)), /not online/); } finally { await lab.run(`ip link set ${name} up`); }
  });
  await row(10, () => refused(start('b', hostdev('0000:40:00.0', 'no')), /Non-endpoint|must be manually detached|cannot be assigned/));
  await row(11, async () => {
    await lab.run(`modprobe e1000; echo ${ADDRESSES.bridged[1]} >/sys/bus/pci/drivers/e1000/bind 2>/dev/null; true`);
    return refused(start('b', hostdev(ADDRESSES.bridged[0])), /group \d+ is not viable/);
  });
  await row(12, async () => {
    const before = await driver(ADDRESSES.gpu);
    await good(start('g', hostdev(ADDRESSES.gpu)));
    if (await driver(ADDRESSES.gpu) !== 'vfio-pci') throw new Error('not on vfio-pci');
    await destroy('g');
    const after = await driver(ADDRESSES.gpu);
    if (after === 'vfio-pci') throw new Error('still on vfio-pci');
    return `driver before ${before || 'none'}, after ${after || 'none'}`;
  });
  await row(13, async () => {
    await good(start('p', hostdev(near)));
    const count = (await lab.run(`cat ${numvfs}`)).trim();
    await destroy('p');
    if (count !== '0') throw new Error(`${count} VFs are left`);
    await lab.run(`udevadm settle; for n in 1 2 3 4 5 6 7 8 9 10; do [ -e /sys/class/net/${name} ] && break; sleep 0.5; done`);
  });
  await row(14, async () => {
    await fresh(4);
    await good(start('h', hostdev(VFS[0])));
    const state = () => lab.run('p=$(cat /tmp/writer); [ -d /proc/$p ] && sed -n "s/^State:\\t\\(.\\).*/\\1/p" /proc/$p/status || echo gone');
    await lab.run(`setsid sh -c 'echo 0 >${numvfs}' >/dev/null 2>&1 </dev/null & echo $! >/tmp/writer; sleep 3`);
    const where = await lab.run('cat /proc/$(cat /tmp/writer)/stack');
    if (!/vfio_unregister_group_dev/.test(where)) throw new Error(`the writer is in state ${await state()}: ${where}`);
    await lab.run(`setsid cat ${numvfs} >/dev/null 2>&1 </dev/null & echo $! >/tmp/reader; sleep 1; kill -KILL $(cat /tmp/writer); sleep 1`);
    if ((await state()).trim() !== 'D') throw new Error('the writer could be killed');
    if ((await lab.run('[ -d /proc/$(cat /tmp/reader) ] && echo waits || echo read')).trim() !== 'waits') throw new Error('a reader was not kept waiting');
    await destroy('h');
    await lab.run('for n in $(seq 40); do [ -d /proc/$(cat /tmp/writer) ] || exit 0; sleep 0.5; done; exit 1');
    const left = (await lab.run(`cat ${numvfs}; ls -d /sys/bus/pci/devices/0000:21:1* 2>/dev/null | wc -l`)).trim().split('\n');
    if (left[0] !== '0' || left[1] !== '0') throw new Error(`left: ${left.join(' ')}`);
    return 'and the late write took all VFs along';
  });
}
