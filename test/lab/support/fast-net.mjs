/**
 * One virtual function on each port of the lab's host, as class `fast-net` from pool `net1`: made by the API, and looked at from all sides.
 */
import { ADDRESSES, VIRTUAL_FUNCTION } from '../machine/topology.mjs';

export const VLAN = 42;
export const GUEST_MS = 200_000;
export const READY_MS = 120_000;
const AGENT = { environment: { SKYLITE_DEVICES: 'manage' } };

export class FastNet {
  constructor(lab, cloud) { Object.assign(this, { lab, cloud }); }

  async devices(query) { return (await this.cloud.call('GET', `/v1/devices?${query}`)).devices; }
  vfs(state) { return this.devices(`class=fast-net&kind=vf${state ? `&state=${state}` : ''}`); }
  /** Of a server: its device's MAC, and the hold (identity, generation). */
  async claimed(server) { return (await this.cloud.call('GET', `/v1/servers/${server}`)).server.devices[0]; }
  numvfs() { return this.lab.run(`cat ${ADDRESSES.ports.map((port) => `/sys/bus/pci/devices/${port}/sriov_numvfs`).join(' ')}`); }

  /** What the port keeps of a VF. */
  async onPort(address) {
    const [port, index] = (await this.lab.run(`p=$(readlink -f /sys/bus/pci/devices/${address}/physfn); for v in $p/virtfn*; do [ "$(basename "$(readlink $v)")" = ${address} ] && echo "$(ls $p/net) \${v##*virtfn}"; done`)).trim().split(' ');
    return JSON.parse(await this.lab.run(`ip -j link show ${port}`))[0].vfinfo_list[Number(index)];
  }

  /** The host joins. @returns its ports */
  async joined() {
    await this.cloud.adopt(this.lab, AGENT);
    return this.cloud.until('two ports are known', READY_MS, async () => { const found = await this.devices('kind=pf'); return found.length === 2 && found; });
  }

  /** Class and pool are made. */
  defined() {
    this.cloud.skylite('device', 'class', 'create', 'fast-net', '--vendor', VIRTUAL_FUNCTION.vendor, '--product', VIRTUAL_FUNCTION.device);
    this.sinceMs = Date.now();
    this.cloud.skylite('device', 'pool', 'create', 'net1', '--class', 'fast-net', '--mode', 'vfs', '--vendor', '8086', '--product', '10c9', '--vfs', '1', '--physical-network', 'lan1', '--vlans', '40-49');
  }

  /** As defined. @returns the VFs, as soon as they can be claimed */
  offered() {
    this.defined();
    return this.free(2);
  }

  free(count) { return this.cloud.until(`${count} VFs are available`, READY_MS, async () => { const found = await this.vfs('available'); return found.length === count && found; }); }
  used() { return this.cloud.until('one VF is in use', READY_MS, async () => { const found = await this.vfs('in-use'); return found.length === 1 && found[0]; }); }

  async standing(server) { return (await this.cloud.call('GET', `/v1/servers/${server}/devices`)).devices; }
  attach(server) { return this.cloud.call('POST', `/v1/servers/${server}/devices`, { class: 'fast-net', vlan: VLAN, tag: 'later' }); }
  attached(server) {
    return this.cloud.until('it is attached', READY_MS, async () => {
      const found = await this.standing(server);
      if (found.length === 1 && found[0].state === 'attached') return found[0];
      throw new Error(JSON.stringify(found));
    });
  }

  async qemuOf(...servers) { return (await this.lab.run(servers.map((server) => `pgrep -f 'qemu-system.*-uuid ${server}'`).join('; '))).trim().split('\n').join(' '); }

  /** SIGKILL, and a new one: the guests' processes are the same ones. @returns them */
  async agentKilled(...servers) {
    const announced = async () => Number(await this.lab.run('grep -c announced /var/log/skylite-agent.log || true'));
    const [before, times] = [await this.qemuOf(...servers), await announced()];
    await this.cloud.killAgent(this.lab);
    await this.cloud.startAgent(this.lab);
    await this.cloud.until('the agent is back', READY_MS, async () => await announced() > times);
    const now = await this.qemuOf(...servers);
    if (now !== before) throw new Error(`QEMU before: ${before}; after: ${now}`);
    return `QEMU ${now}`;
  }
}
