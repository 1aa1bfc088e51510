/**
 * The kernel's rules that our fake kernel and libs/pci are written to, each asked of the real one: what a write to sysfs is answered, how
 * virtual functions are numbered, what `ip link` can set on them. Nothing in here hangs; what does is in the libvirt case.
 */
import { join } from 'node:path';
import { ADDRESSES } from '../machine/topology.mjs';
import { placed } from '../support/inside.mjs';

const PCI = '/sys/bus/pci';
const [near, far] = ADDRESSES.ports;
const [vf0, vf1, , vf3] = ADDRESSES.firstVfs;
const at = (address, name) => `${PCI}/devices/${address}/${name}`;
const numvfs = (count, port = near) => `w:${at(port, 'sriov_numvfs')}=${count}`;
const override = (address, driver) => `w:${at(address, 'driver_override')}=${driver}\n`;
const bind = (driver, address) => `w:${PCI}/drivers/${driver}/bind=${address}`;
const unbind = (driver, address) => `w:${PCI}/drivers/${driver}/unbind=${address}`;
const probe = (address) => `w:${PCI}/drivers_probe=${address}`;
const driver = (address) => `l:${at(address, 'driver')}`;
const autoprobe = (on, port = near) => `w:${at(port, 'sriov_drivers_autoprobe')}=${on}`;
const [edu] = ADDRESSES.bridged;
/** Takes a port from its driver, and gives it back. */
const withoutDriver = (orders) => [[unbind('igb', near), 'ok'], ...orders, [override(near, ''), 'ok'], [probe(near), 'ok'], [driver(near), 'igb']];

/** Each row: what is claimed, and orders with their answers (a pattern, or the very text). */
const ROWS = [
  ['a port offers seven virtual functions, and its VFs are 10ca (without 0x)', [[`r:${at(near, 'sriov_totalvfs')}`, '7'], [`r:${at(near, 'sriov_vf_device')}`, '10ca'], [`r:${at(near, 'vendor')}`, '0x8086']]],
  ['no NUMA node is -1', [[`r:${at(ADDRESSES.gpu, 'numa_node')}`, '-1'], [`r:${at(near, 'numa_node')}`, '0'], [`r:${at(far, 'numa_node')}`, '1']]],
  ['numvfs: 0 to N, N to N', [[autoprobe(0), 'ok'], [numvfs(4), 'ok'], [numvfs(4), 'ok'], [`r:${at(near, 'sriov_numvfs')}`, '4']]],
  ['a VF is numbered by virtfnN, not by its function', [[`l:${at(near, 'virtfn0')}`, vf0], [`l:${at(near, 'virtfn1')}`, vf1], [`l:${at(near, 'virtfn3')}`, vf3]]],
  ['VFs made without autoprobe have no driver, and their PF\'s NUMA node', [[driver(vf0), 'ENOENT'], [`r:${at(vf0, 'numa_node')}`, '0'], [`l:${at(vf0, 'physfn')}`, near]]],
  ['a VF can be reset by itself', [[`r:${at(vf0, 'reset_method')}`, /\bflr\b/]]],
  ['driver_override unset reads (null)', [[`r:${at(vf0, 'driver_override')}`, '(null)']]],
  ['numvfs: N to another M is EBUSY', [[numvfs(2), 'EBUSY']]],
  ['bind of a VF by driver_override; a second bind is EBUSY', [[override(vf0, 'vfio-pci'), 'ok'], [bind('vfio-pci', vf0), 'ok'], [driver(vf0), 'vfio-pci'], [bind('vfio-pci', vf0), 'EBUSY']]],
  ['bind to another driver, which does not match, of one that is bound is ENODEV', [[bind('igb', vf0), 'ENODEV']]],
  ['bind without id or override is ENODEV', [[bind('vfio-pci', vf1), 'ENODEV']]],
  ['bind of an address that is not there is ENODEV', [[bind('vfio-pci', '0000:77:00.0'), 'ENODEV']]],
  ['unbind from a driver it is not on is ENODEV', [[unbind('igbvf', vf0), 'ENODEV']]],
  ['numvfs: 0 while VFs sit idle on vfio-pci', [[numvfs(0), 'ok'], [`r:${at(near, 'sriov_numvfs')}`, '0'], [`l:${at(near, 'virtfn0')}`, 'ENOENT']]],
  ['numvfs above totalvfs is ERANGE', [[numvfs(8), 'ERANGE']]],
  ['numvfs of nonsense is EINVAL', [[numvfs(65_536), /EINVAL|ERANGE/], [numvfs(-1), 'EINVAL'], [numvfs('abc'), 'EINVAL']]],
  ['numvfs without a driver is ENOENT', withoutDriver([[numvfs(1), 'ENOENT']])],
  ['numvfs of a port on vfio-pci is ENOENT', withoutDriver([[override(near, 'vfio-pci'), 'ok'], [bind('vfio-pci', near), 'ok'], [numvfs(1), 'ENOENT'], [unbind('vfio-pci', near), 'ok']])],
  ['numvfs of a port on pci-pf-stub works', withoutDriver([[override(near, 'pci-pf-stub'), 'ok'], [bind('pci-pf-stub', near), 'ok'], [numvfs(2), 'ok'], [numvfs(0), 'ok'], [unbind('pci-pf-stub', near), 'ok']])],
  ['drivers_probe where no driver fits says ok and binds nothing', [[probe(edu), 'ok'], [driver(edu), 'ENOENT']]],
  ['driver_override takes any text', [[override(edu, 'no-such-driver'), 'ok'], [`r:${at(edu, 'driver_override')}`, 'no-such-driver'], [override(edu, ''), 'ok'], [`r:${at(edu, 'driver_override')}`, '(null)']]],
  ['new_id twice is EEXIST', [[`w:${PCI}/drivers/pci-pf-stub/new_id=1af4 7777`, 'ok'], [`w:${PCI}/drivers/pci-pf-stub/new_id=1af4 7777`, 'EEXIST'], [`w:${PCI}/drivers/pci-pf-stub/remove_id=1af4 7777`, 'ok']]],
];

/** What `ip link set PORT vf …` answers, after four VFs are there. */
const [name] = ADDRESSES.portNames;
const VF_0 = `ip -j link show ${name} | tr -d '\\n' | sed 's/.*"vf":0,//; s/"vf":1,.*//'`;
const LINK_ROWS = [
  ['MAC, VLAN, spoof check, trust and rate can be set', `ip link set ${name} vf 0 mac 52:54:00:00:aa:01 && ip link set ${name} vf 0 vlan 42 && ip link set ${name} vf 0 spoofchk off && ip link set ${name} vf 0 trust on && ip link set ${name} vf 0 max_tx_rate 100`, 0, /^$/],
  ['and read back', VF_0, 0, /52:54:00:00:aa:01.*"vlan":42.*"spoofchk":false.*"trust":true/],
  ['a multicast MAC is EINVAL', `ip link set ${name} vf 0 mac 01:00:5e:00:00:01`, 2, /Invalid argument/],
  ['a VF that is not there is EINVAL', `ip link set ${name} vf 7 mac 52:54:00:00:aa:02`, 2, /Invalid argument/],
  ['VLAN 5000 is refused', `ip link set ${name} vf 0 vlan 5000`, 255, /vlan|argument/i],
  ['a rate above the link\'s speed is EINVAL', `ip link set ${name} vf 0 max_tx_rate 2000`, 2, /Invalid argument/],
  ['no minimum rate on igb: EINVAL', `ip link set ${name} vf 0 min_tx_rate 10`, 2, /Invalid argument/],
  ['no VF link state on igb: EOPNOTSUPP', `ip link set ${name} vf 0 state disable`, 2, /not supported/],
  ['no 802.1ad on igb: EPROTONOSUPPORT', `ip link set ${name} vf 0 vlan 42 proto 802.1ad`, 2, /Protocol not supported/],
  ['a rate while the link is down is EINVAL', `ip link set ${name} down && ip link set ${name} vf 0 max_tx_rate 50`, 2, /Invalid argument/],
  ['numvfs 0 and again: a new VF 0 has none of the old one\'s settings', `ip link set ${name} up; echo 0 >${at(near, 'sriov_numvfs')} && echo 4 >${at(near, 'sriov_numvfs')} && ${VF_0}`, 0, /^(?!.*52:54:00:00:aa:01)(?!.*"vlan":42)/],
];

export const checks = [...ROWS, ...LINK_ROWS].map(([claim]) => claim);

export async function run({ lab, check }) {
  const sysfs = await placed(lab, join(import.meta.dirname, '../inside/sysfs.mjs'));
  await lab.run('modprobe pci-pf-stub; modprobe vfio-pci; modprobe igbvf');
  for (const [claim, orders] of ROWS) {
    await check(claim, async () => {
      const said = JSON.parse(await lab.run(`${sysfs} ${orders.map(([order]) => `$'${order.replaceAll('\n', '\\n').replaceAll("'", "\\'")}'`).join(' ')}`));
      for (const [n, [order, expected]] of orders.entries()) {
        if (expected instanceof RegExp ? !expected.test(said[n]) : said[n] !== expected) throw new Error(`${order.trim()}: ${said[n]} instead of ${expected}`);
      }
    });
  }
  // A number of VFs resets the port; a rate is taken when its link is back.
  await lab.run(`udevadm settle; ip link set ${name} up; echo 0 >${at(near, 'sriov_drivers_autoprobe')}; echo 4 >${at(near, 'sriov_numvfs')}; for n in $(seq 60); do [ "$(cat /sys/class/net/${name}/carrier)" = 1 ] && exit 0; sleep 0.5; done; exit 1`);
  for (const [claim, script, expected, pattern] of LINK_ROWS) {
    await check(claim, async () => {
      const { code, output } = await lab.order(script);
      if (code !== expected || !pattern.test(output.trim())) throw new Error(`exit code ${code}: ${output.trim()}`);
    });
  }
}
