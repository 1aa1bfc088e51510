/**
 * The next holder of a virtual function sees nothing of the one before: MAC, VLAN, trust, rate, as the kernel's port keeps them. In each
 * sequence a server gets a VF, its settings are made worse behind everybody's back, the server is deleted, and the next one gets the same VF.
 */
import { DeviceLab, VLANS } from '../support/device-lab.mjs';

export const needsCloud = true;
export const usual = 50;
export const checks = ['two VFs are ready', 'the next holder never sees the MAC, VLAN, trust or rate of the one before', 'after all of it, every VF is free, clean and as its pool wants it'];

const READY_MS = 120_000;

export async function run({ lab, cloud, check, times = usual }) {
  let it;
  await check(checks[0], async () => { it = await DeviceLab.prepared(lab, cloud, 1); });
  if (!it) return;
  const macs = [];
  await check(checks[1], async () => {
    const started = Date.now();
    let handed = 0;
    /** Who had a device last: identity to what it was left with. */
    const left = new Map();
    for (let done = 0; done < times; done += 2) {
      const both = await Promise.all([0, 1].slice(0, times - done).map(async (n) => {
        const vlan = VLANS[(done / 2 + n) % VLANS.length];
        const server = await it.create(`holder-${done + n}`, vlan);
        await it.guests.active(server);
        return { server, vlan, ...await it.claimed(server) };
      }));
      const { vfs, uses } = await it.look();
      for (const { server, vlan, mac, on } of both) {
        const { address } = uses.find(({ domain }) => domain === server) ?? {};
        const now = vfs.get(address);
        const before = left.get(on.identity);
        const said = `${on.identity}: ${now?.address} VLAN ${now?.vlan_list?.[0]?.vlan ?? 0} trust ${now?.trust} ${JSON.stringify(now?.rate)}; claimed ${mac} VLAN ${vlan}; before ${JSON.stringify(before)}`;
        if (!now || now.address !== mac || now.vlan_list?.[0]?.vlan !== vlan || now.trust || now.rate?.max_tx || now.spoofchk === false) throw new Error(`after ${handed} handed on: ${said}`);
        if (macs.includes(mac)) throw new Error(`${mac} was given twice`);
        if (before) handed += 1;
        macs.push(mac);
        // As a guest that is trusted, or a hand on the host, would leave it: with a MAC, a VLAN, rights and a rate of its own.
        const own = `52:54:00:0b:${(done % 256).toString(16).padStart(2, '0')}:0${now.index}`;
        const worse = { mac: own, vlan: 49, trust: true, rate: 77 };
        await lab.run(`n=$(ls /sys/bus/pci/devices/${now.port}/net); ip link set $n vf ${now.index} mac ${own}; ip link set $n vf ${now.index} vlan 49; ip link set $n vf ${now.index} trust on; ip link set $n vf ${now.index} spoofchk off; ip link set $n vf ${now.index} max_tx_rate 77`);
        macs.push(own);
        left.set(on.identity, worse);
      }
      await Promise.all(both.map(({ server }) => it.guests.remove(server)));
      await it.available(2);
      const { vfs: free } = await it.look();
      for (const [address, real] of free) {
        const wrong = it.leftOn(real, macs);
        if (wrong) throw new Error(`after ${handed} handed on: ${address} is offered to the next one with ${wrong}`);
      }
    }
    return `${times} sequences, ${handed} handed on, ${((Date.now() - started) / 1000).toFixed(0)} s`;
  });
  await check(checks[2], async () => {
    const found = await cloud.until('all is free', READY_MS, async () => { const all = await it.vfs(); return all.every(({ state, holder }) => state === 'available' && holder === null) && all; });
    return found.map(({ device, generation }) => `${device.identity} generation ${generation}, clean at ${device.cleanAt}`).join(', ');
  });
}
