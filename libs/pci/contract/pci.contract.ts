// What every kernel must do, as data: run against the fake on every commit and against the kernel in the lab. The facts are the kernel's
// and libvirt's; where the fake would differ, the fake is wrong.
import assert from 'node:assert/strict';
import { PciError, type PciAddress } from '../api.js';
import type { KernelWrite } from '../kernel-port.js';
import { parsePciAddress } from '../address.js';
import type { PciCase, PciContractHost } from './host.js';

/** @returns the errno of one bare write; null: it was taken */
async function errno(host: PciContractHost, write: KernelWrite): Promise<string | null> {
  const answer = await host.port.write(write, host.pf);
  if (answer.kind === 'refused') return answer.errno;
  assert.equal(answer.kind, 'done');
  return null;
}

async function refused(code: PciError['code'], what: Promise<unknown>): Promise<PciError> {
  try {
    await what;
  } catch (error) {
    assert.ok(error instanceof PciError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`It was not refused as ${code}.`);
}

async function vf(host: PciContractHost, index: number): Promise<PciAddress> {
  const { functions } = await host.pci.read();
  const found = functions.get(host.pf)?.sriov?.vfs.find((one) => one.index === index);
  assert.ok(found, `There is no VF ${index}.`);
  return found.address;
}

async function driverOf(host: PciContractHost, address: PciAddress): Promise<string | null> {
  const found = (await host.pci.read()).functions.get(address);
  assert.ok(found, `${address} is gone.`);
  return found.driver;
}

async function numVfs(host: PciContractHost): Promise<number> {
  return (await host.pci.read()).functions.get(host.pf)?.sriov?.numVfs ?? -1;
}

/** Looks again until it is so: for what another process brings about. */
async function until(host: PciContractHost, is: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + host.patienceMs;
  while (!await is()) {
    assert.ok(performance.now() < end, `It never came about: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, Math.min(200, host.patienceMs / 50)); });
  }
}

/** A number of VFs resets the port: its link is gone for some seconds. */
const linked = (host: PciContractHost): Promise<void> => until(host, async () => {
  const network = (await host.port.look(host.pf))?.networks[0];
  // The one may still be up from before, the other not be known yet.
  return network?.link === 'up' && await host.port.hasCarrier(network.name) === true;
}, 'the link is up');

const NOWHERE = parsePciAddress('0000:00:19.7');
const off = { autoprobe: false } as const;

const NUMBERS: readonly PciCase[] = [
  { name: 'numvfs from N to M is EBUSY, and to N again changes nothing', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    assert.equal(await errno(host, { op: 'numvfs', pf: host.pf, count: 3 }), 'EBUSY');
    assert.equal(await errno(host, { op: 'numvfs', pf: host.pf, count: 2 }), null);
    await refused('busy', host.pci.setNumVfs(host.pf, 3, off));
    assert.equal(await numVfs(host), 2);
  } },
  { name: 'numvfs above the total is ERANGE; beyond 16 bits or below 0 EINVAL', needs: [], async run(host) {
    assert.equal(await errno(host, { op: 'numvfs', pf: host.pf, count: 8 }), 'ERANGE');
    assert.equal(await errno(host, { op: 'numvfs', pf: host.pf, count: 65_536 }), 'EINVAL');
    assert.equal(await errno(host, { op: 'numvfs', pf: host.pf, count: -1 }), 'EINVAL');
    for (const nonsense of [0.5, Number.NaN]) assert.equal(await errno(host, { op: 'numvfs', pf: host.pf, count: nonsense }), 'EINVAL');
    await refused('invalid', host.pci.setNumVfs(host.pf, Number.NaN, off));
    await refused('range', host.pci.setNumVfs(host.pf, 8, off));
    assert.equal(await numVfs(host), 0);
  } },
  { name: 'numvfs without a driver, or on vfio-pci, is ENOENT', needs: [], async run(host) {
    await host.pci.bind(host.pf, null);
    assert.equal(await errno(host, { op: 'numvfs', pf: host.pf, count: 2 }), 'ENOENT');
    await host.pci.bind(host.pf, 'vfio-pci');
    assert.equal(await errno(host, { op: 'numvfs', pf: host.pf, count: 2 }), 'ENOENT');
    await refused('no-driver', host.pci.setNumVfs(host.pf, 2, off));
  } },
  { name: 'pci-pf-stub makes VFs, without an interface of the PF to set them by', needs: ['pci-pf-stub'], async run(host) {
    await host.pci.bind(host.pf, 'pci-pf-stub');
    await host.pci.setNumVfs(host.pf, 2, off);
    assert.equal(await numVfs(host), 2);
    await refused('no-driver', host.pci.vfSettings(host.pf));
  } },
  { name: 'numvfs of nothing is ENOENT', needs: [], async run(host) {
    assert.equal(await errno(host, { op: 'numvfs', pf: NOWHERE, count: 1 }), 'ENOENT');
    await refused('no-device', host.pci.setNumVfs(NOWHERE, 1, off));
  } },
  { name: 'a VF is known by its PF\'s link, not by its function number', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 4, off);
    const { functions } = await host.pci.read();
    const sriov = functions.get(host.pf)?.sriov;
    assert.deepEqual(sriov?.vfs.map((one) => one.index), [0, 1, 2, 3]);
    for (const one of sriov?.vfs ?? []) {
      assert.deepEqual(functions.get(one.address)?.physfn, { address: host.pf, index: one.index });
      assert.equal(Number(one.address.slice(-1)), (2 * one.index) % 8);
      assert.equal(functions.get(one.address)?.product, '10ca');
    }
  } },
  { name: 'VFs have groups of their own, or none', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 3, off);
    const { functions, groups } = await host.pci.read();
    for (const one of functions.get(host.pf)?.sriov?.vfs ?? []) {
      const group = functions.get(one.address)?.iommuGroup ?? null;
      if (group !== null) assert.deepEqual(groups.get(group), [one.address]);
    }
  } },
];

const DRIVERS: readonly PciCase[] = [
  { name: 'autoprobe off: VFs come bare, a probe without override does nothing and says nothing, and their own driver can be had all the same', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    const first = await vf(host, 0);
    assert.equal(await driverOf(host, first), null);
    assert.equal(await errno(host, { op: 'probe', address: first }), null);
    assert.equal(await driverOf(host, first), null);
    await host.pci.bind(first, 'kernel');
    assert.equal(await driverOf(host, first), 'igbvf');
    assert.equal((await host.pci.read()).functions.get(host.pf)?.sriov?.autoprobe, false);
  } },
  { name: 'autoprobe on: VFs come with their driver', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, { autoprobe: true });
    const first = await vf(host, 0);
    await until(host, async () => await driverOf(host, first) === 'igbvf', 'igbvf has the VF');
  } },
  { name: 'a VF goes to vfio-pci, back, and to nobody', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    const first = await vf(host, 0);
    await host.pci.bind(first, 'vfio-pci');
    assert.equal((await host.pci.read()).functions.get(first)?.driverOverride, 'vfio-pci');
    assert.equal(await driverOf(host, first), 'vfio-pci');
    await host.pci.bind(first, 'vfio-pci');
    await host.pci.bind(first, 'kernel');
    assert.equal(await driverOf(host, first), 'igbvf');
    await host.pci.bind(first, null);
    const bare = (await host.pci.read()).functions.get(first);
    assert.deepEqual([bare?.driver, bare?.driverOverride], [null, null]);
  } },
  { name: 'any text is an override; a probe for a driver that is not there does nothing, which is found out', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 1, off);
    const first = await vf(host, 0);
    assert.equal(await errno(host, { op: 'override', address: first, driver: 'no-such-driver' }), null);
    assert.equal(await errno(host, { op: 'probe', address: first }), null);
    await refused('not-verified', host.pci.bind(first, 'no-such-driver'));
    assert.equal(await driverOf(host, first), null);
    await host.pci.bind(first, 'vfio-pci');
  } },
  { name: 'bound by name, what is bound already is EBUSY; what neither id nor override matches, and what is not there, is ENODEV', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    const [first, second] = [await vf(host, 0), await vf(host, 1)];
    await host.pci.bind(first, 'vfio-pci');
    assert.equal(await errno(host, { op: 'bind', address: first, driver: 'vfio-pci' }), 'EBUSY');
    assert.equal(await errno(host, { op: 'bind', address: first, driver: 'igbvf' }), 'ENODEV');
    assert.equal(await errno(host, { op: 'bind', address: second, driver: 'vfio-pci' }), 'ENODEV');
    assert.equal(await errno(host, { op: 'bind', address: NOWHERE, driver: 'vfio-pci' }), 'ENODEV');
    assert.equal(await errno(host, { op: 'bind', address: second, driver: 'no-such-driver' }), 'ENOENT');
    assert.deepEqual([await driverOf(host, first), await driverOf(host, second)], ['vfio-pci', null]);
  } },
  { name: 'unbinding what another driver has, or nothing, is ENODEV; probing nothing too', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 1, off);
    const first = await vf(host, 0);
    assert.equal(await errno(host, { op: 'unbind', address: first, driver: 'vfio-pci' }), 'ENODEV');
    assert.equal(await errno(host, { op: 'unbind', address: NOWHERE, driver: 'vfio-pci' }), 'ENODEV');
    assert.equal(await errno(host, { op: 'probe', address: NOWHERE }), 'ENODEV');
    await refused('no-device', host.pci.bind(NOWHERE, 'vfio-pci'));
  } },
  { name: 'a PF with VFs keeps its driver', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    await refused('in-use', host.pci.bind(host.pf, 'vfio-pci'));
    await refused('in-use', host.pci.bind(host.pf, null));
    await refused('in-use', host.pci.reset(host.pf));
    assert.equal(await numVfs(host), 2);
  } },
  { name: 'a VF is reset; what offers no reset says so', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 1, off);
    const first = await vf(host, 0);
    await host.pci.bind(first, 'vfio-pci');
    await host.pci.reset(first);
    assert.equal(await driverOf(host, first), 'vfio-pci');
    if (host.unresettable !== null) await refused('unsupported', host.pci.reset(host.unresettable));
  } },
];

const SETTINGS: readonly PciCase[] = [
  { name: 'MAC, VLAN, priority, trust, spoof check and rate of a VF are set and read back, and gone with the VF', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    const wanted = { mac: 'fa:16:3e:01:02:03', vlan: 42, qos: 3, trust: true, spoofCheck: false, maxTxMbps: 100 } as const;
    await linked(host);
    await host.pci.setVf(host.pf, 1, wanted);
    assert.deepEqual((await host.pci.vfSettings(host.pf))[1], { index: 1, minTxMbps: 0, ...wanted });
    await host.pci.setVf(host.pf, 1, { vlan: 43 });
    assert.equal((await host.pci.vfSettings(host.pf))[1]?.qos, 3);
    await host.pci.setVf(host.pf, 1, { vlan: 0, trust: false, spoofCheck: true, maxTxMbps: 0 });
    assert.deepEqual((await host.pci.vfSettings(host.pf))[1], { index: 1, minTxMbps: 0, mac: wanted.mac, vlan: 0, qos: 0, trust: false, spoofCheck: true, maxTxMbps: 0 });
    await host.pci.setVf(host.pf, 1, wanted);
    await host.pci.setNumVfs(host.pf, 0, off);
    await host.pci.setNumVfs(host.pf, 2, off);
    const fresh = (await host.pci.vfSettings(host.pf))[1];
    assert.deepEqual([fresh?.vlan, fresh?.trust], [0, false]);
    assert.notEqual(fresh?.mac, wanted.mac);
  } },
  { name: 'a multicast MAC, a VF that is not there, a rate above the link\'s and a lowest rate are EINVAL', needs: [], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    const network = (await host.pci.read()).functions.get(host.pf)?.networks[0]?.name ?? '';
    const set = (index: number, settings: Extract<KernelWrite, { op: 'vf' }>['settings']): Promise<string | null> => errno(host, { op: 'vf', pf: host.pf, network, index, settings });
    assert.equal(await set(0, { mac: '01:00:5e:00:00:01' }), 'EINVAL');
    assert.equal(await set(5, { mac: 'fa:16:3e:01:02:03' }), 'EINVAL');
    assert.equal(await set(0, { maxTxMbps: 100_000 }), 'EINVAL');
    assert.equal(await set(0, { minTxMbps: 10, maxTxMbps: 100 }), 'EINVAL');
    assert.equal(await set(0, { vlan: 5_000 }), 'EINVAL');
    await refused('invalid', host.pci.setVf(host.pf, 0, { mac: '01:00:5e:00:00:01' }));
  } },
];

const GUESTS: readonly PciCase[] = [
  { name: 'numvfs=0 waits for a guest that does not answer: the writer is given up, looks do not hang, the PF is held for whoever comes, and when the guest ends all siblings are gone', needs: ['deaf-guests'], async run(host) {
    await host.pci.setNumVfs(host.pf, 3, off);
    const first = await vf(host, 0);
    await host.giveToGuest(first, { answers: false });
    await refused('deadline', host.pci.setNumVfs(host.pf, 0, off));
    const other = host.again();
    const { held, functions } = await other.pci.read();
    assert.deepEqual(held.map((one) => one.address), [host.pf]);
    assert.equal(held[0]?.bootId, host.port.bootId);
    assert.ok(functions.has(host.pf));
    await refused('held', other.pci.setNumVfs(host.pf, 0, off));
    await refused('held', host.pci.bind(first, null));
    await host.endGuest(first);
    await until(host, async () => (await other.pci.read()).held.length === 0, 'the writer has ended');
    assert.equal(await numVfs(host), 0);
  } },
  { name: 'unbinding the VF of a guest that does not answer hangs likewise', needs: ['deaf-guests'], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    const first = await vf(host, 0);
    await host.giveToGuest(first, { answers: false });
    await refused('deadline', host.pci.bind(first, null));
    assert.deepEqual((await host.again().pci.read()).held.map((one) => one.address), [host.pf]);
    await host.endGuest(first);
    await until(host, async () => (await host.pci.read()).held.length === 0, 'the writer has ended');
    await host.pci.setNumVfs(host.pf, 0, off);
  } },
  { name: 'numvfs=0 takes the VF from under a guest that answers, without an error', needs: ['guests'], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    const first = await vf(host, 0);
    await host.giveToGuest(first, { answers: true });
    await host.pci.setNumVfs(host.pf, 0, off);
    assert.equal((await host.pci.read()).functions.has(first), false);
    await host.endGuest(first);
  } },
  { name: 'libvirt gives a PF with VFs to a guest, and the VFs vanish without a word', needs: ['deaf-guests'], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    await host.giveToGuest(host.pf, { answers: false });
    assert.equal(await numVfs(host), 0);
    assert.equal(await driverOf(host, host.pf), 'vfio-pci');
    await host.endGuest(host.pf);
    await until(host, async () => await driverOf(host, host.pf) === 'igb', 'igb has its PF again');
  } },
  { name: 'a function in use is given to no other guest', needs: ['deaf-guests'], async run(host) {
    await host.pci.setNumVfs(host.pf, 2, off);
    const first = await vf(host, 0);
    await host.giveToGuest(first, { answers: false });
    await assert.rejects(host.giveToGuest(first, { answers: false }), /in use by driver QEMU/);
    await host.endGuest(first);
  } },
  { name: 'a group is given when its other endpoints are unbound, and else is not viable', needs: ['deaf-guests', 'shared-group'], async run(host) {
    const { quiet, bound } = host.shared ?? { quiet: host.pf, bound: host.pf };
    const { functions } = await host.pci.read();
    assert.equal(functions.get(quiet)?.iommuGroup, functions.get(bound)?.iommuGroup);
    await assert.rejects(host.giveToGuest(quiet, { answers: false }), /not viable/);
    await host.pci.bind(bound, null);
    await host.giveToGuest(quiet, { answers: false });
    await host.endGuest(quiet);
  } },
];

export const PCI_CASES: readonly PciCase[] = [...NUMBERS, ...DRIVERS, ...SETTINGS, ...GUESTS];
