import { describe, expect, it } from '@jest/globals';
import { parsePciAddress } from '../address.js';
import type { PciAddress } from '../api.js';
import type { KernelAnswer, KernelWrite } from '../kernel-port.js';
import { FakePci } from './fake-pci.js';
import { FakeKernel } from './kernel.js';
import { fleetShape, labShape } from './shape.js';

const PF = parsePciAddress('0000:01:00.0');
const VF1 = parsePciAddress('0000:01:10.2');

describe('the fake kernel', () => {
  it('makes VFs where igb does, binds one to vfio-pci and back', async () => {
    const pci = new FakePci();
    await pci.setNumVfs(PF, 4, { autoprobe: false });
    const vf = (await pci.read()).functions.get(VF1);
    expect(vf).toMatchObject({ product: '10ca', driver: null, physfn: { address: PF, index: 1 } });
    await pci.bind(VF1, 'vfio-pci');
    expect((await pci.read()).functions.get(VF1)?.driver).toBe('vfio-pci');
    await pci.bind(VF1, 'kernel');
    expect((await pci.read()).functions.get(VF1)).toMatchObject({ driver: 'igbvf', driverOverride: null });
    expect((await pci.read()).functions.get(PF)?.sriov?.autoprobe).toBe(false);
  });

  it('sets a VF of a port whose interface is renamed between the look and the write', async () => {
    const kernel = new FakeKernel();
    const [look, write, vfs] = [kernel.look.bind(kernel), kernel.write.bind(kernel), kernel.vfs.bind(kernel)];
    let looks = 0;
    const gone: KernelAnswer & { kind: 'refused' } = { kind: 'refused', errno: 'ENODEV', text: 'Cannot find device "eth0"' };
    await new FakePci(kernel).setNumVfs(PF, 4, { autoprobe: false });
    for (const renamedAt of [1, 2]) {
      looks = 0;
      const known = (name: string): boolean => name !== 'eth0' || looks < renamedAt;
      kernel.look = async (address) => {
        const found = await look(address);
        looks += 1;
        return found === null || looks > renamedAt || address !== PF ? found : { ...found, networks: found.networks.map((one) => ({ ...one, name: 'eth0' })) };
      };
      kernel.write = async (wanted, lock) => (wanted.op === 'vf' && !known(wanted.network) ? gone : await write(wanted, lock));
      const named = async (pf: PciAddress, network: string): ReturnType<typeof vfs> => (known(network) ? await vfs(pf) : gone);
      kernel.vfs = named as typeof vfs;
      await new FakePci(kernel).setVf(PF, 1, { vlan: 40 + renamedAt });
      expect(await vfs(PF)).toEqual(expect.arrayContaining([expect.objectContaining({ index: 1, vlan: 40 + renamedAt })]));
    }
  });

  it('says of a rate why it is refused by what the cable is at that moment, whatever its state still says', async () => {
    const kernel = new FakeKernel();
    const pci = new FakePci(kernel);
    await pci.setNumVfs(PF, 2, { autoprobe: false });
    await pci.linkUp(PF);
    await expect(pci.setVf(PF, 1, { maxTxMbps: 100_000 })).rejects.toMatchObject({ code: 'invalid' });
    kernel.link(PF, false);
    const look = kernel.look.bind(kernel);
    kernel.look = async (address) => {
      const found = await look(address);
      return found && { ...found, networks: found.networks.map((one) => ({ ...one, link: 'up' })) };
    };
    await expect(pci.setVf(PF, 1, { maxTxMbps: 100 })).rejects.toMatchObject({ code: 'link-down' });
    kernel.link(PF, true);
    await pci.setVf(PF, 1, { maxTxMbps: 100 });
  });

  it('unplugs a VF from a guest that answers, in silence, and says so to the checker only', async () => {
    const pci = new FakePci();
    await pci.setNumVfs(PF, 2, { autoprobe: false });
    pci.kernel.useBy(VF1, 'a');
    await pci.setNumVfs(PF, 0, { autoprobe: false });
    expect(pci.kernel.harms).toMatchObject([{ kind: 'unplugged', domain: 'a' }]);
  });

  it('hangs on a guest that does not answer, holds the PF, and takes all siblings along when the guest is gone', async () => {
    const kernel = new FakeKernel();
    const pci = new FakePci(kernel);
    await pci.setNumVfs(PF, 4, { autoprobe: false });
    kernel.useBy(VF1, 'a', { answers: false });
    await expect(pci.setNumVfs(PF, 0, { autoprobe: false })).rejects.toMatchObject({ code: 'deadline' });
    const again = new FakePci(kernel);
    expect((await again.read()).held).toMatchObject([{ address: PF }]);
    await expect(again.bind(VF1, null)).rejects.toMatchObject({ code: 'held' });
    kernel.useBy(VF1, null);
    expect(await again.read()).toMatchObject({ held: [] });
    expect((await again.read()).functions.get(PF)?.sriov?.numVfs).toBe(0);
  });

  it('has nothing more written to it while a probe hangs; one that fails leaves autoprobe as it was', async () => {
    class Hanging extends FakeKernel {
      override async write(write: KernelWrite, lock: PciAddress): Promise<KernelAnswer> {
        if (write.op === 'probe') this.hang(lock);
        return await super.write(write, lock);
      }
    }
    const hanging = new FakePci(new Hanging());
    await hanging.setNumVfs(PF, 2, { autoprobe: false });
    await expect(hanging.bind(VF1, 'kernel')).rejects.toMatchObject({ code: 'deadline' });
    expect(hanging.kernel.log.at(-1)).toMatchObject({ write: { op: 'probe' } });
    const failing = new FakePci();
    await failing.setNumVfs(PF, 2, { autoprobe: false });
    failing.kernel.failNext('probe', 'EINVAL');
    await expect(failing.bind(VF1, 'kernel')).rejects.toMatchObject({ errno: 'EINVAL' });
    expect((await failing.read()).functions.get(PF)?.sriov?.autoprobe).toBe(false);
  });

  it('takes the VFs of a PF that a guest is given', async () => {
    const pci = new FakePci();
    await pci.setNumVfs(PF, 4, { autoprobe: false });
    await expect(pci.bind(PF, 'vfio-pci')).rejects.toMatchObject({ code: 'in-use' });
    pci.kernel.useBy(PF, 'a');
    expect((await pci.read()).functions.get(PF)).toMatchObject({ driver: 'vfio-pci', sriov: { numVfs: 0 } });
    pci.kernel.useBy(PF, null);
    expect((await pci.read()).functions.get(PF)?.driver).toBe('igb');
  });

  it('loses one VF of several and gets it back, each with its own number', async () => {
    const pci = new FakePci();
    await pci.setNumVfs(PF, 3, { autoprobe: false });
    pci.kernel.vanish(VF1);
    expect((await pci.read()).functions.get(PF)?.sriov?.vfs.map(({ index }) => index)).toEqual([0, 2]);
    await pci.setVf(PF, 2, { vlan: 7 });
    expect((await pci.vfSettings(PF)).map(({ index, vlan }) => [index, vlan])).toEqual([[0, 0], [2, 7]]);
    pci.kernel.comeBack('0000:01:00.0/vf1');
    expect((await pci.read()).functions.get(VF1)).toMatchObject({ driver: null, physfn: { address: PF, index: 1 } });
    expect((await pci.vfSettings(PF)).map(({ index }) => index)).toEqual([0, 1, 2]);
    pci.kernel.vanish(VF1);
    await pci.setNumVfs(PF, 0, { autoprobe: false });
    expect(() => pci.kernel.comeBack('0000:01:00.0/vf1')).toThrow(/has never had/);
  });

  it('calls buses otherwise after a card was inserted, and groups after a boot', async () => {
    const pci = new FakePci();
    const before = await pci.read();
    pci.kernel.renumber();
    const after = await pci.read();
    expect(after.functions.has(parsePciAddress('0000:02:00.0'))).toBe(true);
    expect(after.functions.get(parsePciAddress('0000:02:00.0'))?.networks[0]?.permanentMac).toBe(before.functions.get(PF)?.networks[0]?.permanentMac);
    expect(after.functions.has(parsePciAddress('0000:00:1d.0'))).toBe(true);
    expect(after.functions.get(parsePciAddress('0000:42:00.0'))?.iommuGroup).not.toBe(before.functions.get(parsePciAddress('0000:41:00.0'))?.iommuGroup);
    expect(pci.bootId).not.toBe('00000000-0000-4000-8000-000000000001');
  });

  it('says why a group is not viable, and takes it when its mates are unbound', async () => {
    const pci = new FakePci();
    const edu = parsePciAddress('0000:05:01.0');
    expect(pci.kernel.refusalOfUse(edu, 'a')).toMatch(/group \d+ is not viable/);
    await pci.bind(parsePciAddress('0000:05:02.0'), null);
    expect(pci.kernel.refusalOfUse(edu, 'a')).toBeNull();
  });

  it('tells what a guest has open by groups, as the kernel does, whose bridges are in no guest', async () => {
    const pci = new FakePci();
    await pci.bind(parsePciAddress('0000:05:02.0'), null);
    pci.kernel.useBy(parsePciAddress('0000:05:01.0'), 'a');
    expect(await pci.kernel.opened('a')).toEqual([['0000:04:00.0', '0000:05:01.0', '0000:05:02.0']]);
    expect([await pci.opened('a'), await pci.opened('b')]).toEqual([[['0000:05:01.0', '0000:05:02.0']], []]);
  });

  it('resets no bus for one function of several on it', async () => {
    const pci = new FakePci(new FakeKernel(fleetShape({ pfs: 0, gpus: 1 })));
    const [display, sound] = [...(await pci.read()).functions.values()].filter(({ vendor }) => vendor === '10de');
    expect([display?.resetMethods, sound?.resetMethods]).toEqual([['flr'], []]);
    await expect(pci.reset(sound!.address)).rejects.toMatchObject({ code: 'unsupported' });
    expect(await pci.kernel.write({ op: 'reset', address: sound!.address }, sound!.address)).toMatchObject({ errno: 'ENOTTY' });
    pci.kernel.vanish(display!.address);
    await pci.reset(sound!.address);
    const alone = parsePciAddress('0000:03:00.0');
    expect((await new FakePci().read()).functions.get(alone)?.resetMethods).toEqual(['bus']);
  });

  it('says what libvirt says of whole cards and of ports that are down', async () => {
    const pci = new FakePci();
    await pci.setNumVfs(PF, 2, { autoprobe: false });
    await pci.bind(VF1, 'vfio-pci');
    const asInterface = { managed: false, asInterface: true } as const;
    expect(pci.kernel.refusalOfUse(VF1, 'a', asInterface)).toBe("Unable to configure VF 1 of PF 'enp1s0' because the PF is not online");
    expect(pci.kernel.refusalOfUse(VF1, 'a', { managed: false })).toBeNull();
    await pci.linkUp(PF);
    expect(pci.kernel.refusalOfUse(VF1, 'a', asInterface)).toBeNull();
    expect(pci.kernel.refusalOfUse(PF, 'a', { asInterface: true })).toBe('Interface type hostdev is currently supported on SR-IOV Virtual Functions only');
    expect(pci.kernel.refusalOfUse(parsePciAddress('0000:00:03.0'), 'a')).toBe('Non-endpoint PCI devices cannot be assigned to guests');
    expect(pci.kernel.refusalOfUse(parsePciAddress('0000:00:19.7'), 'a')).toMatch(/^Device 0000:00:19\.7 not found/);
    expect(pci.kernel.refusalOfUse(parsePciAddress('0000:01:10.0'), 'a', { managed: false })).toMatch(/must be manually detached from the host$/);
    pci.kernel.useBy(VF1, 'a');
    expect(pci.kernel.refusalOfUse(VF1, 'b')).toMatch(/is in use by driver QEMU, domain a$/);
  });

  it('without an IOMMU gives nothing to vfio-pci, and to no guest', async () => {
    const pci = new FakePci(new FakeKernel({ ...labShape(), iommu: false }));
    await pci.setNumVfs(PF, 2, { autoprobe: false });
    await expect(pci.bind(VF1, 'vfio-pci')).rejects.toMatchObject({ code: 'not-verified', message: expect.stringContaining('has the host an IOMMU') });
    expect(await pci.kernel.write({ op: 'bind', address: VF1, driver: 'vfio-pci' }, PF)).toMatchObject({ errno: 'EINVAL' });
    expect(pci.kernel.refusalOfUse(VF1, 'a')).toBe("unsupported configuration: host doesn't support passthrough of host PCI devices");
  });

  it('builds hosts of fleets, with all VFs of all PFs at addresses of their own', async () => {
    const pci = new FakePci(new FakeKernel(fleetShape({ pfs: 4, vfsPerPf: 256, gpus: 4, nvmes: 4 })));
    const pfs = [...(await pci.read()).functions.values()].filter((one) => one.sriov !== null);
    for (const pf of pfs) await pci.setNumVfs(pf.address, 256, { autoprobe: false });
    const { functions } = await pci.read();
    expect([...functions.values()].filter((one) => one.physfn !== null)).toHaveLength(1_024);
    expect([...await pci.protectedFunctions()].map(([, why]) => why)).toEqual(['default-route: eno1', 'boot-disk: sda']);
  });
});
