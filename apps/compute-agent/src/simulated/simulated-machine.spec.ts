import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeKernel, labShape, parsePciAddress } from '#libs/pci';
import { claimedDevice, vf } from '../testing/device-builders.js';
import { CLOUD_ID, desired, FROZEN, instanceId, layout, layoutCell } from '../testing/builders.js';
import { SimulatedMachine } from './simulated-machine.js';
import { simulatedCells, simulatedDevices, type SimulatedShape } from './simulated-shape.js';

const SHAPE: SimulatedShape = { vcpus: 8, memoryMib: 8_192, diskGib: 10, cells: 2, threadsPerCore: 2, hugePages: [{ cell: 1, kib: 2_048, count: 64 }] };
let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'simulated-')); });
afterEach(() => rmSync(folder, { recursive: true }));
const machine = () => new SimulatedMachine({ folder, cloudId: CLOUD_ID, shape: SHAPE, cpus: { shared: [0, 1], dedicated: [2, 3, 6, 7] }, urlOf: () => Promise.reject(new Error('none')), after: () => () => undefined });
const define = (to: SimulatedMachine, claimed: Parameters<typeof layout>[0]): Promise<unknown> => to.define({ desired: desired({ vcpus: 2, layout: layout(claimed) }), frozen: FROZEN, epoch: 1, rebootCount: 0 });

describe('a simulated host', () => {
  it('has the cells, cores and pages it is told to pretend', () => {
    expect(simulatedCells(SHAPE)).toEqual([
      { id: 0, cpus: [0, 1, 2, 3], memoryMib: 4_096, socket: 0, cores: [[0, 1], [2, 3]], pages: [], distances: [10, 20] },
      { id: 1, cpus: [4, 5, 6, 7], memoryMib: 4_096, socket: 1, cores: [[4, 5], [6, 7]], pages: [{ kib: 2_048, total: 64 }], distances: [20, 10] },
    ]);
  });
  it('keeps the layout that a guest was given, also when its process ends, and shows it as simulated', async () => {
    const claimed = { numa: true, cells: [layoutCell({ memoryMib: 64, pins: [[0, 2]] }), layoutCell({ hostCell: 1, memoryMib: 64, pageKib: 2_048, pins: [[1, 6]] })] };
    await define(machine(), claimed);
    const again = machine();
    expect(again.layoutOf(instanceId())).toEqual(layout(claimed));
    const xml = await again.domainXml(instanceId());
    expect(xml).toMatch(/^<!-- simulated: nothing runs -->\n<domain type='simulated'>/);
    expect(xml).toContain("<vcpupin vcpu='1' cpuset='6'/>");
    expect(xml).toContain("<cell id='1' cpus='1' memory='64' unit='MiB'/>");
    expect((await again.observe(new Set())).cpus).toEqual({ shared: '0-1', dedicated: [2, 3, 6, 7] });
    await again.undefine(instanceId());
    expect(again.layoutOf(instanceId())).toBeNull();
  });
  it('refuses a layout as a real host does', async () => {
    await expect(define(machine(), { cells: [layoutCell({ pins: [[0, 0], [1, 2]] })] })).rejects.toMatchObject({ code: 'layout-impossible', retry: 'never' });
    await expect(define(machine(), { cells: [layoutCell({ hostCell: 1, floating: [0, 1] })] })).rejects.toThrow(/no shared CPU/);
  });
});

const waiting: (() => void)[] = [];
const bare = (): SimulatedMachine => new SimulatedMachine({
  folder, cloudId: 'c', urlOf: async () => ({ url: '', sha512: '' }), after: (_ms, task) => { waiting.push(task); return () => undefined; },
});
const powerOf = async (one: SimulatedMachine, id: string): Promise<string | undefined> => (await one.observe(new Set([id]))).domains.get(id)?.power;

it('a pressed button is of the guest that was on then: a guest that was started since does not hear it', async () => {
  const one = bare();
  const wish = desired();
  await one.makeDisk(wish);
  await one.makeConfigDrive(wish);
  await one.define({ desired: wish, frozen: await one.freeze(), rebootCount: 0 } as never);
  await one.startDomain(wish.id);
  await one.pressPowerButton(wish.id);
  await one.destroy(wish.id);
  await one.startDomain(wish.id);
  waiting.splice(0).forEach((task) => { task(); });
  expect(await powerOf(one, wish.id)).toBe('running');

  await one.pressPowerButton(wish.id);
  waiting.splice(0).forEach((task) => { task(); });
  expect(await powerOf(one, wish.id)).toBe('stopped');
});

describe('a simulated host with devices', () => {
  const PF = parsePciAddress('0000:01:00.0');
  const VF = parsePciAddress('0000:01:10.0');
  const claimed = claimedDevice(vf(0), 1, { attach: 'interface', mac: 'fa:16:3e:00:00:01', vlan: 42 });
  const wish = desired({ layout: layout({ devices: [claimed] }) });
  const made = (): SimulatedMachine => new SimulatedMachine({ folder, cloudId: CLOUD_ID, shape: { ...SHAPE, devices: labShape() }, urlOf: () => Promise.reject(new Error('none')), after: () => () => undefined });

  it('gives them to its guests, and remembers that when its process ends', async () => {
    const first = made();
    const pci = first.pci!.pci;
    await pci.setNumVfs(PF, 2, { autoprobe: false });
    await pci.linkUp(PF);
    await first.makeDisk(wish);
    await first.makeConfigDrive(wish);
    await first.define({ desired: wish, frozen: FROZEN, epoch: 1, rebootCount: 0, devices: [{ claimed: { ...claimed, place: 0 }, address: VF }] });
    await expect(first.startDomain(wish.id)).rejects.toThrow(/must be manually detached/);
    await pci.bind(VF, 'vfio-pci');
    await first.startDomain(wish.id);
    expect(await first.deviceUses()).toEqual([{ address: VF, domainId: wish.id, live: true }]);

    const again = made();
    expect(again.pci!.kernel.state.at(VF)).toMatchObject({ driver: 'vfio-pci', user: { domain: wish.id }, settings: { mac: 'fa:16:3e:00:00:01', vlan: 42 } });
    expect((await again.observe(new Set())).domains.get(wish.id)).toMatchObject({ power: 'running', hostdevs: [{ place: 0, address: VF }], live: [{ place: 0, address: VF }] });
    await expect(again.save(wish.id)).rejects.toThrow(/cannot migrate/);
    await again.destroy(wish.id);
    expect(again.pci!.kernel.state.at(VF)?.user).toBeNull();
    expect(await again.deviceUses()).toEqual([{ address: VF, domainId: wish.id, live: false }]);
    await again.undefine(wish.id);
    expect(await again.deviceUses()).toEqual([]);
  });
  it('may stand on a bus that outlives its process, with all who use it', async () => {
    const kernel = new FakeKernel(labShape());
    const on = (): SimulatedMachine => new SimulatedMachine({ folder, cloudId: CLOUD_ID, shape: SHAPE, kernel, urlOf: () => Promise.reject(new Error('none')), after: () => () => undefined });
    const first = on();
    await first.pci!.pci.setNumVfs(PF, 2, { autoprobe: false });
    await first.pci!.pci.linkUp(PF);
    await first.pci!.pci.bind(VF, 'vfio-pci');
    await first.makeDisk(wish);
    await first.makeConfigDrive(wish);
    await first.define({ desired: wish, frozen: FROZEN, epoch: 1, rebootCount: 0, devices: [{ claimed: { ...claimed, place: 0 }, address: VF }] });
    await first.startDomain(wish.id);
    // It fell off the bus under the guest: no new process gives it back to it.
    kernel.vanish(VF);
    expect((await on().observe(new Set())).domains.get(wish.id)).toMatchObject({ power: 'running' });
    kernel.comeBack('0000:01:00.0/vf0');
    expect(on().pci!.kernel.state.at(VF)?.user).toBeNull();
  });
  it('gives them to a guest that runs, and takes them from one that lets go', async () => {
    const kernel = new FakeKernel(labShape());
    const on = (): SimulatedMachine => new SimulatedMachine({ folder, cloudId: CLOUD_ID, shape: SHAPE, kernel, urlOf: () => Promise.reject(new Error('none')), after: () => () => undefined });
    const one = on();
    await one.pci!.pci.setNumVfs(PF, 2, { autoprobe: false });
    await one.pci!.pci.linkUp(PF);
    await one.pci!.pci.bind(VF, 'vfio-pci');
    const quiet = { ...wish, name: 'deaf-1', layout: null };
    await one.makeDisk(quiet);
    await one.makeConfigDrive(quiet);
    await one.define({ desired: quiet, frozen: FROZEN, epoch: 1, rebootCount: 0 });
    await one.startDomain(quiet.id);
    const device = { claimed: { ...claimed, place: 2 }, address: VF };
    const seen = async (of = one) => (await of.observe(new Set())).domains.get(quiet.id)!;
    await one.bookDevices({ ...quiet, layout: wish.layout }, [device.claimed]);
    for (let twice = 0; twice < 2; twice += 1) await one.attachDevice(quiet.id, device);
    expect(kernel.state.at(VF)).toMatchObject({ user: { domain: quiet.id }, settings: { vlan: 42 } });
    expect(await seen(on())).toMatchObject({ hostdevs: [{ place: 2, address: VF }], live: [{ place: 2, address: VF }], notes: { devices: [{ place: 2 }] } });
    // Its name says that it answers nobody.
    expect(await one.detachDevice(quiet.id, 2)).toBe('asked');
    expect(await seen()).toMatchObject({ hostdevs: [], live: [{ place: 2 }] });
    one.guestDeaf(quiet.id, false);
    expect(await one.detachDevice(quiet.id, 2)).toBe('gone');
    expect([kernel.state.at(VF)?.user, (await seen()).live]).toEqual([null, []]);
    await one.bookDevices(quiet, []);
    expect((await seen()).notes).toMatchObject({ devices: [], shape: { layout: null } });
  });
  it('has none unless it is told to', () => {
    expect(machine().pci).toBeUndefined();
    expect(simulatedDevices({ pfs: 0, vfsPerPf: 8 }, CLOUD_ID)).toBeUndefined();
    expect(simulatedDevices({ pfs: 1, vfsPerPf: 4 }, CLOUD_ID)?.functions.some(({ sriov }) => sriov?.totalVfs === 4)).toBe(true);
  });
});
