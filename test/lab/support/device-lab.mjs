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

/** All at one moment, or nearly: VFs of both ports with driver and settings, and which QEMU has which function open. */
const LOOK = `
for p in ${ADDRESSES.ports.join(' ')}; do
  d=/sys/bus/pci/devices/$p; n=$(ls $d/net)
  echo "port $p $(ip -j link show $n)"
  for v in $d/virtfn*; do [ -e $v ] && a=$(readlink $v) && l=$(readlink $v/driver) ; [ -e $v ] && echo "vf $p \${v##*virtfn} \${a##*/} \${l##*/}"; l=; done
done
for q in $(pgrep qemu-system); do tr '\\0' ' ' </proc/$q/cmdline 2>/dev/null | sed "s/^/qemu $q /"; echo; done
true`;

export class DeviceLab {
  constructor(lab, cloud) { Object.assign(this, { lab, cloud }); }

  /** The host joins and offers `vfs` functions of each port; flavors `small-VLAN` for guests that have no system, and cost nothing. */
  static async prepared(lab, cloud, vfs) {
    const it = new DeviceLab(lab, cloud);
    await cloud.adopt(lab, { environment: { SKYLITE_DEVICES: 'manage' } });
    cloud.skylite('device', 'class', 'create', CLASS, '--vendor', VIRTUAL_FUNCTION.vendor, '--product', VIRTUAL_FUNCTION.device);
    await cloud.until('two ports are known', READY_MS, async () => (await it.devices('kind=pf')).length === 2);
    cloud.skylite('device', 'pool', 'create', POOL, '--class', CLASS, '--mode', 'vfs', '--vendor', '8086', '--product', '10c9', '--vfs', String(vfs), '--vlans', `${VLANS[0]}-${VLANS.at(-1)}`);
    it.guests = await cloud.guestKit(lab);
    it.image = await cloud.addImage('lab-halts', haltingDisk(cloud.home), 'raw');
    for (const vlan of VLANS) await it.guests.flavor(`small-${vlan}`, { [`device:${CLASS}`]: `1,vlan=${vlan}` }, { ram: 64 });
    await it.available(2 * vfs);
    return it;
  }

  async devices(query) { return (await this.cloud.call('GET', `/v1/devices?${query}`)).devices; }
  vfs() { return this.devices(`class=${CLASS}&kind=vf`); }

  create(name, vlan) { return this.guests.create({ name, flavor: `small-${vlan}`, imageRef: this.image }); }

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

  /** @returns what kernel and processes say */
  async look() {
    const text = await this.lab.run(LOOK);
    const vfs = new Map();
    const settings = new Map();
    const uses = [];
    for (const line of text.split('\n')) {
      const [kind, a, b, address, driver] = line.split(' ');
      if (kind === 'port') settings.set(a, JSON.parse(line.slice(line.indexOf('['))).find((each) => each.vfinfo_list)?.vfinfo_list ?? []);
      if (kind === 'vf') vfs.set(address, { port: a, index: Number(b), driver: driver ?? '', ...settings.get(a)?.find(({ vf }) => vf === Number(b)) });
      if (kind === 'qemu') {
        const domain = / -uuid (\S+)/.exec(line)?.[1];
        for (const [, used] of line.matchAll(/"driver":"vfio-pci","host":"([^"]+)"/g)) uses.push({ domain, pid: a, address: used });
      }
    }
    return { vfs, uses };
  }

  /**
   * The laws: no function in two processes; what a process has is held by that server; it stands on the bus, with the MAC and VLAN of its
   * claim; what is offered is in nobody's hands. The cloud is asked before and after: what changed in between is not judged.
   * @returns {Promise<string[]>} what is broken
   */
  async broken() {
    const before = await this.vfs();
    const { vfs, uses } = await this.look();
    const after = await this.vfs();
    const broken = [];
    const byAddress = (views, address) => views.find(({ device }) => device.address === address);
    for (const { domain, pid, address } of uses) {
      if (uses.some((other) => other.address === address && other.pid !== pid)) broken.push(`${address} is in two processes: ${domain}`);
      const holders = [byAddress(before, address)?.holder, byAddress(after, address)?.holder];
      if (!holders.includes(domain)) broken.push(`${address} is in the guest ${domain}, and held by ${holders.join(', then ')}`);
      const real = vfs.get(address);
      if (!real) broken.push(`${address} was taken from under ${domain}`);
      else if (holders.every((each) => each === domain)) {
        const { mac } = await this.claimed(domain);
        if (real.address !== mac || !VLANS.includes(real.vlan_list?.[0]?.vlan)) broken.push(`${address} in the guest ${domain} has MAC ${real.address} and VLAN ${real.vlan_list?.[0]?.vlan}; its claim has ${mac}`);
      }
    }
    for (const view of before) {
      const later = byAddress(after, view.device.address);
      const real = vfs.get(view.device.address);
      if (!real || later?.state !== 'available' || view.state !== 'available' || later.generation !== view.generation) continue;
      if (uses.some(({ address }) => address === view.device.address)) broken.push(`${view.device.address} is available, and in use`);
    }
    return broken;
  }

  /** @returns what of a VF that is offered to the next one is not as it should be; '' when all is */
  leftOn(real, macs) {
    const wrong = [];
    if (macs.includes(real.address)) wrong.push(`MAC ${real.address}`);
    if (real.vlan_list?.some(({ vlan }) => vlan)) wrong.push(`VLAN ${real.vlan_list[0].vlan}`);
    if (real.trust !== POLICY.trust) wrong.push(`trust ${real.trust}`);
    if (real.spoofchk !== POLICY.spoofchk) wrong.push(`spoof check ${real.spoofchk}`);
    if ((real.rate?.max_tx ?? real.tx_rate ?? 0) !== POLICY.rate) wrong.push(`rate ${JSON.stringify(real.rate ?? real.tx_rate)}`);
    if (real.driver !== 'vfio-pci') wrong.push(`driver ${real.driver || 'none'}`);
    return wrong.join(', ');
  }
}

/** A disk whose boot sector stops the CPU: a guest that neither answers nor costs anything. */
export function haltingDisk(folder) {
  const disk = Buffer.alloc(2 ** 20);
  disk.set([0xfa, 0xf4, 0xeb, 0xfd]);
  disk.set([0x55, 0xaa], 510);
  const file = join(folder, 'halts.raw');
  writeFileSync(file, disk);
  return file;
}
