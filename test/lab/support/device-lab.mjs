/**
 * The lab's host as a member of a cloud with one pool of virtual functions: what the cloud says of them beside what the kernel and the
 * hypervisor say, and the laws between the two that hold at every instant.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADDRESSES, VIRTUAL_FUNCTION } from '../machine/topology.mjs';

export const VLANS = [41, 42, 43];
export const CLASS = 'fast-net';
export const POOL = 'net1';
const READY_MS = 120_000;
const POLICY = { spoofchk: true, trust: false, rate: 0 };

/**
 * All at one moment, or nearly: VFs of both ports with driver and settings; which QEMU has which function's group open, as the kernel knows it;
 * which devices libvirt's own notes of running domains name (they are there without libvirtd, too); the ports once more.
 */
const LOOK = `
ports() {
  for p in ${ADDRESSES.ports.join(' ')}; do
    d=/sys/bus/pci/devices/$p; n=$(ls $d/net)
    echo "port $p $(ip -j link show $n)"
    for v in $d/virtfn*; do [ -e $v ] && a=$(readlink $v) && l=$(readlink $v/driver) ; [ -e $v ] && echo "vf $p \${v##*virtfn} \${a##*/} \${l##*/}"; l=; done
  done
}
ports
echo again
for q in $(pgrep qemu-system); do
  u=$(tr '\\0' '\\n' </proc/$q/cmdline 2>/dev/null | sed -n '/^-uuid$/{n;p}')
  for g in $(find /proc/$q/fd -lname '*vfio/[0-9]*' -printf '%l\\n' 2>/dev/null); do for a in /sys/kernel/iommu_groups/\${g##*/}/devices/*; do [ -e $a ] && echo "qemu $q $u \${a##*/}"; done; done
done
for x in /run/libvirt/qemu/*.xml; do
  [ -e $x ] && awk '/<uuid>/ && !u { u = $0; gsub(/.*<uuid>|<.uuid>.*/, "", u) } /<(hostdev|interface) / { h = 1 } h && /<source>/ { s = 1 } s && /<address / { print "live " u " " $0; s = 0 } /<.(hostdev|interface)>/ { h = s = 0 }' $x
done 2>/dev/null
ports
true`;

export class DeviceLab {
  /** Of all claims that were seen in a guest. */
  macs = new Set();

  constructor(lab, cloud) { Object.assign(this, { lab, cloud }); }

  /**
   * The host joins and offers `vfs` functions of each port. Flavors for guests that have no system, and cost nothing: `small-VLAN` with a
   * function, `bare` without. Their images: one that answers nobody, and one that lets go of devices.
   */
  static async prepared(lab, cloud, vfs) {
    const it = new DeviceLab(lab, cloud);
    await cloud.adopt(lab, { environment: { SKYLITE_DEVICES: 'manage' } });
    cloud.skylite('device', 'class', 'create', CLASS, '--vendor', VIRTUAL_FUNCTION.vendor, '--product', VIRTUAL_FUNCTION.device);
    await cloud.until('two ports are known', READY_MS, async () => (await it.devices('kind=pf')).length === 2);
    cloud.skylite('device', 'pool', 'create', POOL, '--class', CLASS, '--mode', 'vfs', '--vendor', '8086', '--product', '10c9', '--vfs', String(vfs), '--vlans', `${VLANS[0]}-${VLANS.at(-1)}`);
    it.guests = await cloud.guestKit(lab);
    it.images = { deaf: await cloud.addImage('lab-halts', haltingDisk(cloud.home), 'raw'), answers: await cloud.addImage('lab-ejects', ejectingDisk(cloud.home), 'raw') };
    await it.guests.flavor('bare', {}, { ram: 64 });
    for (const vlan of VLANS) await it.guests.flavor(`small-${vlan}`, { [`device:${CLASS}`]: `1,vlan=${vlan}` }, { ram: 64 });
    await it.available(2 * vfs);
    return it;
  }

  async devices(query) { return (await this.cloud.call('GET', `/v1/devices?${query}`)).devices; }
  vfs() { return this.devices(`class=${CLASS}&kind=vf`); }

  /** @param {number | null} vlan null: without a function @param {'deaf' | 'answers'} kind of guest */
  create(name, vlan, kind = 'deaf') { return this.guests.create({ name, flavor: vlan === null ? 'bare' : `small-${vlan}`, imageRef: this.images[kind] }); }

  /** Of a server: its device's MAC, and the hold (identity, generation). */
  async claimed(server) { return (await this.cloud.call('GET', `/v1/servers/${server}`)).server.devices[0]; }

  /** Waits until so many VFs can be claimed, and all are free. */
  available(count) {
    return this.cloud.until(`${count} VFs are available, and none is anything else`, READY_MS, async () => {
      const found = await this.vfs();
      if (found.length === count && found.every(({ state }) => state === 'available')) return found;
      throw new Error(found.map(({ device, state, holder, reason }) => `${device.identity} ${state} ${holder ?? ''} ${reason ?? ''}`).join('; '));
    });
  }

  /** Of a server: its devices and attachments, and how each stands. */
  standing(server) { return this.cloud.call('GET', `/v1/servers/${server}/devices`); }

  /** @returns what the kernel, processes and libvirt say; `earlier`: the VFs as they were before processes were looked at, `vfs`: after it */
  async look() {
    const [early, late] = (await this.lab.run(LOOK)).split('\nagain\n').map((text) => text.split('\n').map((line) => line.split(' ')));
    const vfs = vfsOf(late);
    const uses = late.filter(([kind]) => kind === 'qemu').map(([, pid, domain, address]) => ({ domain, pid, address }));
    const live = late.filter(([kind]) => kind === 'live').flatMap(([, domain, ...words]) => {
      const [bus, slot, fn] = ['bus', 'slot', 'function'].map((name) => Number(new RegExp(`${name}='(\\w+)'`).exec(words.join(' '))?.[1]));
      return [{ domain, address: `0000:${hex(bus)}:${hex(slot)}.${fn}` }];
    });
    return { earlier: vfsOf(early), vfs, uses, live };
  }

  /**
   * The laws: no function in two processes; what a process has, or libvirt says of a domain, is held by that server, came it with the flavor or
   * later; it stands on the bus, with the MAC and VLAN of its claim; what is offered is in nobody's hands. The cloud is asked before and
   * after: what changed in between is not judged.
   * @returns {Promise<string[]>} what is broken
   */
  async broken() {
    const before = await this.vfs();
    const { earlier, vfs, uses, live } = await this.look();
    const after = await this.vfs();
    const broken = [];
    const byAddress = (views, address) => views.find(({ device }) => device.address === address);
    const holders = (address) => [byAddress(before, address)?.holder, byAddress(after, address)?.holder];
    for (const { domain, pid, address } of uses) {
      if (uses.some((other) => other.address === address && other.pid !== pid)) broken.push(`${address} is in two processes: ${domain}`);
      if (!holders(address).includes(domain)) broken.push(`${address} is in the guest ${domain}, and held by ${holders(address).join(', then ')}`);
      if (!vfs.has(address)) broken.push(`${address} was taken from under ${domain}`);
    }
    for (const { domain, address } of live) {
      if (!holders(address).includes(domain)) broken.push(`libvirt says that ${domain} has ${address}, which is held by ${holders(address).join(', then ')}`);
    }
    for (const domain of new Set(uses.map((each) => each.domain))) {
      const had = uses.filter(({ address }) => holders(address).every((each) => each === domain));
      // It may be gone by now.
      const { value: { devices = [] } } = had.length > 0 ? await this.cloud.ask('GET', `/v1/servers/${domain}/devices`) : { value: {} };
      for (const { mac } of devices) this.macs.add(mac);
      for (const { address } of had) {
        const { device } = byAddress(after, address);
        const claim = devices.find(({ on }) => on.identity === device.identity);
        // libvirt sets them before QEMU has the function, and takes them back after: right at one of the two looks is right all the time.
        const seen = [earlier.get(address), vfs.get(address)].filter((each) => each !== undefined);
        if (claim && !seen.some((real) => real.address === claim.mac && (real.vlan_list?.[0]?.vlan ?? 0) === (claim.vlan ?? 0))) {
          broken.push(`${address} in the guest ${domain} has ${seen.map((real) => `MAC ${real.address} and VLAN ${real.vlan_list?.[0]?.vlan ?? 0}`).join(', then ')}; its claim has ${claim.mac} and ${claim.vlan}`);
        }
      }
    }
    for (const view of before) {
      const { address } = view.device;
      const later = byAddress(after, address);
      if (!vfs.has(address) || later?.state !== 'available' || view.state !== 'available' || later.generation !== view.generation) continue;
      if ([...uses, ...live].some((each) => each.address === address)) broken.push(`${address} is available, and in use`);
    }
    return broken;
  }

  /** @returns all there is to see, for people */
  async evidence() {
    const vfs = await this.vfs();
    const holders = [...new Set(vfs.flatMap(({ holder }) => holder ?? []))];
    const standings = await Promise.all(holders.map(async (id) => `${id} ${JSON.stringify((await this.cloud.ask('GET', `/v1/servers/${id}/devices`)).value)}`));
    const inside = await this.lab.run('virsh -c qemu:///system list --all --uuid; for d in $(virsh -c qemu:///system list --all --uuid); do virsh -c qemu:///system dumpxml $d; done; tail -n 200 /var/log/libvirt/libvirtd.log 2>/dev/null; dmesg | tail -n 100; cat /var/log/skylite-agent.log; true', { seconds: 120 });
    return [...vfs.map((view) => JSON.stringify(view)), ...standings, JSON.stringify(await this.look(), (_, value) => (value instanceof Map ? Object.fromEntries(value) : value)), inside].join('\n');
  }

  /** @returns what of a VF that is offered to the next one is not as it should be; '' when all is */
  leftOn(real, macs) {
    const wrong = [];
    if ([...macs].includes(real.address)) wrong.push(`MAC ${real.address}`);
    if (real.vlan_list?.some(({ vlan }) => vlan)) wrong.push(`VLAN ${real.vlan_list[0].vlan}`);
    if (real.trust !== POLICY.trust) wrong.push(`trust ${real.trust}`);
    if (real.spoofchk !== POLICY.spoofchk) wrong.push(`spoof check ${real.spoofchk}`);
    if ((real.rate?.max_tx ?? real.tx_rate ?? 0) !== POLICY.rate) wrong.push(`rate ${JSON.stringify(real.rate ?? real.tx_rate)}`);
    if (real.driver !== 'vfio-pci') wrong.push(`driver ${real.driver || 'none'}`);
    return wrong.join(', ');
  }
}

const hex = (number) => number.toString(16).padStart(2, '0');

/** By address, of what a look says of the ports. */
function vfsOf(lines) {
  const vfs = new Map();
  const settings = new Map();
  for (const [kind, port, ...words] of lines) {
    if (kind === 'port') settings.set(port, JSON.parse(words.join(' ')).find((each) => each.vfinfo_list)?.vfinfo_list ?? []);
    if (kind !== 'vf') continue;
    const [index, address, driver] = words;
    vfs.set(address, { port, index: Number(index), driver: driver ?? '', ...settings.get(port)?.find(({ vf }) => vf === Number(index)) });
  }
  return vfs;
}

/** A disk whose boot sector stops the CPU: a guest that neither answers nor costs anything. */
export const haltingDisk = (folder) => bootDisk(folder, 'halts', [0xfa, 0xf4, 0xeb, 0xfd]);

/**
 * A disk whose boot sector lets go of devices, and does nothing else: every eighth tick of the clock it reads which slots of the first bus are
 * asked back (ACPI's port 0xae04 of a 440FX, bus 0 chosen at 0xae10), and ejects them (0xae08).
 */
export const ejectingDisk = (folder) => bootDisk(folder, 'ejects', [
  0xfb, /* next: */ 0xf4, 0xfe, 0xc1, 0xf6, 0xc1, 0x07, 0x75, 0xf8, // sti; hlt; inc cl; test cl, 7; jnz next
  0xba, 0x10, 0xae, 0x66, 0x31, 0xc0, 0x66, 0xef, // mov dx, 0xae10; xor eax, eax; out dx, eax
  0xba, 0x04, 0xae, 0x66, 0xed, 0x66, 0x85, 0xc0, 0x74, 0xe6, // mov dx, 0xae04; in eax, dx; test eax, eax; jz next
  0xba, 0x08, 0xae, 0x66, 0xef, 0xeb, 0xdf, // mov dx, 0xae08; out dx, eax; jmp next
]);

function bootDisk(folder, name, program) {
  const disk = Buffer.alloc(2 ** 20);
  disk.set(program);
  disk.set([0x55, 0xaa], 510);
  const file = join(folder, `${name}.raw`);
  writeFileSync(file, disk);
  return file;
}
