// The PCI buses of some of the hosts, each a kernel in memory that outlives its agents, and what only an onlooker knows: which
// piece of silicon is which device, who had it last, and what was done to it. All lots are drawn from a stream of their own, and
// whether a seed has devices at all, too: seeds without them go the ways that they would go without this file.
import { FakeKernel, fleetShape, identify } from '#libs/pci';
import { VFS } from './device-stock.mjs';
import { makeRandom } from './time.mjs';

/** What servers ask for. */
const DEVICE_FLAVORS = ['vf', 'vf', 'vf2', 'vf2', 'gpu'];

export class Devices {
  /** Hosts that have any. */
  hosts = [];
  /** Faults of devices so far: before the first, nobody may fail for want of a device's health. */
  faults = 0;
  /** Guests from under which a device fell off the bus. */
  robbed = new Set();
  /** Host, identity, generation and holder of each claim that was looked at. */
  holds = new Set();
  /** MAC -> the last server that it was given to. */
  #macs = new Map();
  /** Faults are over. */
  #calm = false;
  /** Host name -> { when: before or after, n } of the write to the bus at which its agent dies. */
  #deaths = new Map();

  /** @returns undefined: this seed has none */
  static of(seed, cloud) {
    const random = makeRandom(seed ^ 0x3c6ef372);
    return random.chance(0.35) ? new Devices(random, cloud) : undefined;
  }

  constructor(random, cloud) {
    Object.assign(this, { random, cloud, world: cloud.world });
    const chosen = cloud.hosts.filter(() => random.chance(0.6)).slice(0, random.chance(0.3) ? 4 : 2);
    this.hosts = chosen.length > 0 ? chosen : [cloud.hosts[0]];
    this.hosts.forEach((host, n) => this.#furnish(host, n + 1));
  }

  #furnish(host, n) {
    const { functions, ...rest } = fleetShape({ pfs: 1 + this.random.int(2), vfsPerPf: VFS + 1, gpus: this.random.chance(0.6) ? 1 : 0, cells: 1, host: n });
    // NICs are known by their MACs, and by nothing else.
    const shape = { ...rest, functions: functions.map(({ serial, ...one }) => (one.sriov ? one : { ...one, ...(serial && { serial }) })) };
    const kernel = new FakeKernel(shape, { delay: (write) => this.#pass(host, write), nowMs: () => Math.floor(this.world.now) });
    host.kernel = kernel;
    const { refusalOfUse, useBy, write } = { refusalOfUse: kernel.refusalOfUse.bind(kernel), useBy: kernel.useBy.bind(kernel), write: kernel.write.bind(kernel) };
    kernel.refusalOfUse = (address, domain, options) => {
      this.#asked(host, address, domain);
      return refusalOfUse(address, domain, options);
    };
    kernel.useBy = (address, domain, options) => {
      if (domain !== null) this.#given(host, kernel.state.at(address), domain);
      useBy(address, domain, options);
    };
    kernel.write = async (what, lock) => {
      const answer = await write(what, lock);
      this.world.trace(`${host.name} pci ${what.op} ${answer.errno ?? answer.kind}`);
      return this.#dies(host, 'after') ? new Promise(() => {}) : answer;
    };
    // Truth: which function is which, as the first look at the bus has it.
    host.silicon = new Map();
    const physical = new Map([...kernel.state.functions.values()].map((one) => [one.address, kernel.state.view(one)]));
    for (const [address, { identity }] of identify(physical, kernel.bootId, null).devices) host.silicon.set(identity, kernel.state.at(address).key);
  }

  /** The function under a device's name, whether it is there or not. */
  keyOf(host, identity) {
    const [, pf, vf] = /^(.+)\/vf:(\d+)$/.exec(identity) ?? [undefined, identity];
    const key = host.silicon.get(pf);
    return key === undefined || vf === undefined ? key : `${key}/vf${vf}`;
  }
  functionOf(host, identity) { return host.kernel.state.functions.get(this.keyOf(host, identity)); }
  flavor(otherwise) { return this.random.chance(0.55) ? this.random.pick(DEVICE_FLAVORS) : otherwise; }

  /** The agent's end of a kernel that lives on: its ears die with it. */
  listen(pci, process) {
    pci.onChange = (listener) => {
      const stop = pci.kernel.onChange(() => (process.state === 'dead' ? stop() : this.world.after(0, listener, process)));
      return stop;
    };
  }

  dieAt(host, death) { this.#deaths.set(host.name, death); }
  #dies(host, when) {
    const death = this.#deaths.get(host.name);
    if (death?.when !== when || (death.n -= 1) > 0) return false;
    this.#deaths.delete(host.name);
    this.cloud.crash(host);
    return true;
  }
  /** A file of the agent's devices changed. */
  booked(name) { const host = this.hosts.find((each) => each.name === name); if (host !== undefined) this.#dies(host, 'booked'); }

  #pass(host, write) {
    const slow = write === null ? 1 : 12;
    const ms = this.random.between(0.1, slow) + (write === null ? 0 : this.random.between(0, host.slowMs / 10));
    return new Promise((resolve) => { this.world.after(ms, () => { if (write === null || !this.#dies(host, 'before')) resolve(); }); });
  }

  /** libvirt is asked for a function: nobody asks for what stands where one of his devices stood, while all of them are there. */
  #asked(host, address, domain) {
    const own = (this.cloud.kept.get(domain)?.get(host.name)?.placed?.layout?.devices ?? []).map(({ identity }) => this.functionOf(host, identity));
    if (own.every((one) => one?.present) && !own.some((one) => one.address === address)) this.cloud.violated('another device', `${domain} asks for ${address} on ${host.name}, its devices are at ${own.map((one) => one.address).join()}`);
  }

  /** libvirt gives a function to a guest: nothing of anybody else is on it, and it is one of those that the guest is defined with. */
  #given(host, one, domain) {
    const { cloud } = this;
    if (one.trace !== null && one.trace !== domain) cloud.violated('predecessor', `${domain} gets ${one.key} on ${host.name} as ${one.trace} left it`);
    const devices = cloud.kept.get(domain)?.get(host.name)?.placed?.layout?.devices ?? [];
    const claimed = devices.find(({ identity }) => this.keyOf(host, identity) === one.key);
    if (claimed === undefined) { cloud.violated('another device', `${domain} gets ${one.key} (${one.address}) on ${host.name}, it is defined with ${devices.map(({ identity }) => identity).join()}`); return; }
    if (one.settings !== null) {
      const { mac, vlan, trust, spoofCheck, minTxMbps, maxTxMbps } = one.settings;
      const owns = claimed.attach === 'hostdev';
      const stranger = this.#macs.get(mac);
      if ((stranger !== undefined && stranger !== domain) || (owns && claimed.mac !== null && mac !== claimed.mac) || trust || !spoofCheck || minTxMbps !== 0 || maxTxMbps !== 0 || ![0, claimed.vlan].includes(vlan)) {
        cloud.violated('predecessor', `${domain} gets ${one.key} on ${host.name} set as ${JSON.stringify(one.settings)}${stranger ? ` (of ${stranger})` : ''}`);
      }
      if (claimed.mac !== null) this.#macs.set(claimed.mac, domain);
    }
  }
  /** What of a VF's settings is somebody else's; null: nothing. */
  leftOn({ settings }, domain) {
    const { mac, vlan, trust, spoofCheck, maxTxMbps } = settings ?? { spoofCheck: true };
    const stranger = this.#macs.get(mac);
    return (stranger !== undefined && stranger !== domain) || vlan || trust || !spoofCheck || maxTxMbps ? `set as ${JSON.stringify(settings)}${stranger ? ` (of ${stranger})` : ''}` : null;
  }
  /** A guest took a MAC of its own choice. */
  tookMac(mac, domain) { this.#macs.set(mac, domain); }

  /** Power: VFs and overrides are gone; now and then a card was put in before, and buses are called otherwise. */
  reboot(host) {
    for (const { user } of host.kernel.state.functions.values()) if (user) this.robbed.delete(user.domain);
    // By two, a card stands where the one before it stood: a NIC with VFs takes two.
    if (this.random.chance(0.5)) host.kernel.renumber([], this.random.pick([1, 2]));
    else host.kernel.reboot();
  }

  /** Once all is calm, guests answer; those of a host that was away then, when it comes. */
  machineIsUp(name, machine) {
    if (this.#calm) for (const [id, places] of this.cloud.kept) if (places.get(name)?.deaf) machine.guestDeaf(id, false);
  }

  /** Everything is as it should be again, as far as hands can do it. */
  heal() {
    this.#deaths.clear();
    this.#calm = true;
    for (const { kernel, name, process, machine } of this.hosts) {
      if (process.state === 'alive' && machine) this.world.in(process, () => this.machineIsUp(name, machine));
      kernel.failures.splice(0);
      for (const one of [...kernel.state.functions.values()]) {
        // A card that came back has other VFs by then.
        if (!one.present && kernel.state.functions.get(one.key) === one && (one.vf === null || one.vf.pf.present)) kernel.comeBack(one.key);
        if (one.shape.sriov && one.vf === null) { kernel.unhang(one.address); kernel.link(one.address, true); }
      }
    }
  }
}
