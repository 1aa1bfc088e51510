import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mayKeepVfs } from '../decide/host-needs.js';
import { ProtectedFunctions } from './protected.js';

describe('what the host lives on', () => {
  let dir: string;
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'skylite-pci-')); });
  afterEach(() => { rmSync(dir, { recursive: true, force: true }); });

  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  const link = (path: string, target: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    symlinkSync(target, join(dir, path));
  };
  /** A block device at a place below /sys/devices, as class/block and dev/block show it. */
  const block = (name: string, place: string, numbers: string, slaves: readonly string[] = []): void => {
    mkdirSync(join(dir, 'sys/devices', place), { recursive: true });
    for (const slave of slaves) put(join('sys/devices', place, 'slaves', slave), '');
    link(`sys/class/block/${name}`, `../../devices/${place}`);
    link(`sys/dev/block/${numbers}`, `../../devices/${place}`);
  };
  const net = (name: string, place: string, lower: readonly string[] = []): void => {
    mkdirSync(join(dir, 'sys/devices', place), { recursive: true });
    for (const one of lower) put(join('sys/devices', place, `lower_${one}`), '');
    link(`sys/class/net/${name}`, `../../devices/${place}`);
  };
  const mount = (...lines: string[]): void => { put('proc/self/mountinfo', lines.join('\n')); };
  const route = (name: string, file = 'proc/net/route'): void => { put(file, `Iface\n${name}\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\n`); };
  const read = async (): Promise<Record<string, string>> => Object.fromEntries(await new ProtectedFunctions(join(dir, 'sys'), join(dir, 'proc')).read());

  it('is the disk of / and the ports above it', async () => {
    block('vda1', 'pci0000:00/0000:00:02.0/0000:04:00.0/virtio1/block/vda/vda1', '254:1');
    mount('22 1 254:1 / / rw shared:1 - ext4 /dev/vda1 rw');
    expect(await read()).toEqual({ '0000:00:02.0': 'boot-disk: / is on it', '0000:04:00.0': 'boot-disk: / is on it' });
  });

  it('is every disk below a volume over a RAID, also by the volume\'s name', async () => {
    block('dm-0', 'virtual/block/dm-0', '253:0', ['md0']);
    put('sys/devices/virtual/block/dm-0/dm/name', 'vg-root');
    block('md0', 'virtual/block/md0', '9:0', ['sda2', 'sdb2']);
    block('sda2', 'pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda2', '8:2');
    block('sdb2', 'pci0000:00/0000:05:00.0/ata1/host0/target0:0:0/0:0:0:0/block/sdb/sdb2', '8:18');
    mount('22 1 0:30 / / rw shared:1 - btrfs /dev/mapper/vg-root rw');
    expect(Object.keys(await read()).sort()).toEqual(['0000:00:1f.2', '0000:05:00.0']);
  });

  it('is every controller of a disk with several paths, by a partition of it', async () => {
    const place = 'virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p2';
    block('nvme0n1p2', place, '259:2');
    put('sys/class/nvme-subsystem/nvme-subsys0/nvme0', '');
    put('sys/class/nvme-subsystem/nvme-subsys0/nvme0n1', '');
    link('sys/class/nvme/nvme0', '../../devices/pci0000:00/0000:06:00.0/nvme/nvme0');
    mount('22 1 259:2 / / rw shared:1 - xfs /dev/nvme0n1p2 rw');
    expect(await read()).toEqual({ '0000:06:00.0': 'boot-disk: / is on it' });
  });

  it('is swap, disks of other mounts, and members of pools that nobody has mounted', async () => {
    block('sdc1', 'pci0000:00/0000:07:00.0/ata1/block/sdc/sdc1', '8:33');
    block('sdd', 'pci0000:00/0000:08:00.0/ata1/block/sdd', '8:48');
    block('sde', 'pci0000:00/0000:09:00.0/ata1/block/sde', '8:64');
    put('sys/devices/pci0000:00/0000:09:00.0/ata1/block/sde/holders/dm-7', '');
    block('sdf', 'pci0000:00/0000:0a:00.0/ata1/block/sdf', '8:80');
    put('proc/swaps', 'Filename Type Size Used Priority\n/dev/sdc1 partition 8 0 -2\n');
    mount('22 1 8:48 / /srv rw shared:1 - ext4 /dev/sdd rw');
    expect(await read()).toEqual({ '0000:07:00.0': 'swap', '0000:08:00.0': 'mounted: /srv is on it', '0000:09:00.0': 'in-use: sde is part of dm-7' });
  });

  it('is every disk when nobody can tell which one / is on', async () => {
    block('sda', 'pci0000:00/0000:00:1f.2/ata1/block/sda', '8:0');
    mount('22 1 0:50 / / rw shared:1 - zfs rpool/ROOT rw');
    expect(await read()).toEqual({ '0000:00:1f.2': 'boot-disk: which disk / is on cannot be told (rpool/ROOT)' });
  });

  it('is every disk of a btrfs, whichever the table of mounts names', async () => {
    block('nvme0n1', 'pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1', '259:0');
    block('nvme1n1p2', 'pci0000:00/0000:02:00.0/nvme/nvme1/nvme1n1/nvme1n1p2', '259:2');
    block('nvme2n1', 'pci0000:00/0000:03:00.0/nvme/nvme2/nvme2n1', '259:3');
    for (const name of ['nvme0n1', 'nvme1n1p2']) put(`sys/fs/btrfs/5c0d2d1e/devices/${name}`, '');
    put('sys/fs/btrfs/features/raid1c34', '1');
    mount('22 1 0:30 / / rw shared:1 - btrfs /dev/nvme0n1 rw');
    expect(await read()).toEqual({ '0000:01:00.0': 'boot-disk: / is on it', '0000:02:00.0': 'in-use: nvme1n1p2 is part of a btrfs' });
  });

  it('is every disk when a ZFS is mounted anywhere, for nobody can tell which are its own, whatever it is called', async () => {
    block('sda1', 'pci0000:00/0000:00:1f.2/ata1/block/sda/sda1', '8:1');
    block('nvme0n1', 'pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1', '259:0');
    mount('22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw', '23 22 0:44 / /var/lib/skylite rw shared:2 - zfs tank/sda1 rw');
    expect(await read()).toEqual({ '0000:00:1f.2': 'boot-disk: / is on it', '0000:01:00.0': 'mounted: which disk /var/lib/skylite is on cannot be told (tank/sda1)' });
  });

  it('is the cards below whatever is a port, route or not; and which of them may have VFs all the same', async () => {
    net('br-ext', 'virtual/net/br-ext', ['eno2.7']);
    net('eno2.7', 'virtual/net/eno2.7', ['eno2']);
    net('bond1', 'virtual/net/bond1', ['eno3']);
    net('vnet0', 'virtual/net/vnet0');
    net('ovs-system', 'virtual/net/ovs-system', ['eno4']);
    for (const [name, slot] of [['eno1', '04'], ['eno2', '05'], ['eno3', '06'], ['eno4', '07'], ['eno5', '08']] as const) net(name, `pci0000:00/0000:${slot}:00.0/net/${name}`);
    for (const [name, master] of [['eno1', 'br0'], ['eno2.7', 'br-ext'], ['eno3', 'bond1'], ['vnet0', 'br-ext'], ['eno4', 'ovs-system']] as const) {
      link(`sys/class/net/${name}/master`, `../../../virtual/net/${master}`);
    }
    net('br0', 'virtual/net/br0', ['eno1']);
    route('br0');
    const found = await read();
    expect(found).toEqual({
      '0000:04:00.0': 'default-route: br0', '0000:05:00.0': 'in-use: port of br-ext', '0000:06:00.0': 'in-use: port of bond1', '0000:07:00.0': 'in-use: port of ovs-system',
    });
    expect(Object.values(found).map(mayKeepVfs)).toEqual([false, true, true, true]);
  });

  it('is a PF for the strongest reason, be it a VF\'s', async () => {
    net('eno1', 'pci0000:00/0000:00:02.0/0000:01:00.0/net/eno1');
    net('eno1v0', 'pci0000:00/0000:00:02.0/0000:01:10.0/net/eno1v0');
    link('sys/class/net/eno1/master', '../../../../virtual/net/br0');
    link('sys/bus/pci/devices/0000:01:10.0', '../../../devices/pci0000:00/0000:00:02.0/0000:01:10.0');
    link('sys/devices/pci0000:00/0000:00:02.0/0000:01:10.0/physfn', '../0000:01:00.0');
    link('sys/bus/pci/devices/0000:01:00.0', '../../../devices/pci0000:00/0000:00:02.0/0000:01:00.0');
    route('eno1v0');
    expect(await read()).toMatchObject({ '0000:01:00.0': 'default-route: eno1v0', '0000:01:10.0': 'default-route: eno1v0' });
  });

  it('is whatever has a route, which may have VFs all the same; the default route\'s may not', async () => {
    for (const [name, slot] of [['ext0', '04'], ['mgmt0', '05'], ['sto0', '06'], ['bare0', '07'], ['six0', '08']] as const) net(name, `pci0000:00/0000:${slot}:00.0/net/${name}`);
    net('sto0.7', 'virtual/net/sto0.7', ['sto0']);
    net('docker0', 'virtual/net/docker0');
    put('proc/net/route', ['Iface', ...[['ext0', '00000000', '00000000'], ['ext0', '0000000A', '000000FF'], ['mgmt0', '0001A8C0', '00FFFFFF'], ['sto0.7', '0007A8C0', '00FFFFFF'], ['bare0', '0000FEA9', '0000FFFF'], ['docker0', '000011AC', '0000FFFF']]
      .map(([name = '', destination = '', mask = '']) => `${name}\t${destination}\t0\t0001\t0\t0\t0\t${mask}`)].join('\n'));
    const zero = '0'.repeat(32);
    put('proc/net/ipv6_route', [['bare0', 'fe80', '40'], ['bare0', 'ff00', '08'], ['six0', 'fd00', '40']].map(([name = '', destination = '', length = '']) => `${destination.padEnd(32, '0')} ${length} ${zero} 00 ${zero} 100 1 0 00000001 ${name}`).join('\n'));
    const found = await read();
    expect(found).toEqual({ '0000:04:00.0': 'default-route: ext0', '0000:05:00.0': 'in-use: routes over mgmt0', '0000:06:00.0': 'in-use: routes over sto0.7', '0000:08:00.0': 'in-use: routes over six0' });
    expect(Object.values(found).map(mayKeepVfs)).toEqual([false, true, true, true]);
  });

  it('is the cards below a bridge over a VLAN over a bond', async () => {
    net('br0', 'virtual/net/br0', ['bond0.7']);
    net('bond0.7', 'virtual/net/bond0.7', ['bond0']);
    net('bond0', 'virtual/net/bond0', ['eno1', 'eno2']);
    net('eno1', 'pci0000:00/0000:01:00.0/net/eno1');
    net('eno2', 'pci0000:00/0000:01:00.1/net/eno2');
    net('eno3', 'pci0000:00/0000:01:00.2/net/eno3');
    route('br0');
    expect(Object.keys(await read())).toEqual(['0000:01:00.0', '0000:01:00.1']);
  });

  it('is the cards of Open vSwitch below its own port', async () => {
    net('br-ex', 'virtual/net/br-ex');
    net('ovs-system', 'virtual/net/ovs-system', ['eno1']);
    net('eno1', 'pci0000:00/0000:01:00.0/net/eno1');
    route('br-ex');
    expect(await read()).toEqual({ '0000:01:00.0': 'default-route: br-ex' });
  });

  it('is whatever a tunnel may go by', async () => {
    net('wg0', 'virtual/net/wg0');
    net('eno1', 'pci0000:00/0000:01:00.0/net/eno1');
    put('proc/net/route', 'Iface\nwg0\t00000000\t0\t1\t0\t0\t0\t00000000\neno1\t0000000A\t0\t1\t0\t0\t0\t000000FF\n');
    expect(await read()).toEqual({ '0000:01:00.0': 'default-route: wg0, whose own way may be eno1' });
  });

  it('is a VF\'s PF too', async () => {
    net('eno1v0', 'pci0000:00/0000:00:02.0/0000:01:10.0/net/eno1v0');
    link('sys/bus/pci/devices/0000:01:10.0', '../../../devices/pci0000:00/0000:00:02.0/0000:01:10.0');
    link('sys/devices/pci0000:00/0000:00:02.0/0000:01:10.0/physfn', '../0000:01:00.0');
    link('sys/bus/pci/devices/0000:01:00.0', '../../../devices/pci0000:00/0000:00:02.0/0000:01:00.0');
    route('eno1v0');
    expect(Object.keys(await read()).sort()).toEqual(['0000:00:02.0', '0000:01:00.0', '0000:01:10.0']);
  });

  it('is the port of a bridge, and the way of the default route, also while their interfaces are renamed', async () => {
    const [port, routed] = ['pci0000:00/0000:00:02.0/0000:04:00.0/net/', 'pci0000:00/0000:00:03.0/0000:05:00.0/net/'];
    const rename = (place: string, from: string, to: string): void => {
      link(`sys/class/net/${to}`, `../../devices/${place}${to}`);
      renameSync(join(dir, 'sys/devices', place + from), join(dir, 'sys/devices', place + to));
      rmSync(join(dir, 'sys/class/net', from));
    };
    let [now, next] = ['eth0', 'ens2'];
    net(now, port + now);
    net(`${now}r`, `${routed}${now}r`);
    link(`sys/devices/${port}${now}/master`, '../../../../virtual/net/br0');
    route(`${now}r`);
    const missed: number[] = [];
    for (let turns = 0; turns < 200; turns += 1) {
      const reading = read();
      for (let turn = 0; turn < turns / 8; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
      rename(port, now, next);
      rename(routed, `${now}r`, `${next}r`);
      route(`${next}r`, 'proc/net/.route');
      renameSync(join(dir, 'proc/net/.route'), join(dir, 'proc/net/route'));
      [now, next] = [next, now];
      const found = await reading;
      if (found['0000:04:00.0'] === undefined || found['0000:05:00.0'] === undefined) missed.push(turns);
    }
    expect(missed).toEqual([]);
  });
});
