// The way of devices through an agent, over the fake libvirt and the fake kernel: a pool's VFs are made, a guest gets two of them, runs,
// goes; they are scrubbed and told to be clean. Killed at any step it ends the same, and nothing is ever taken from a guest.
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaimedDevice, DesiredInstance } from '#libs/contracts';
import { labShape } from '#libs/pci';
import type { Step } from '../decide/facts.js';
import { LIMITS } from '../limits.js';
import { desired, instanceId, layout } from '../testing/builders.js';
import { claimedDevice as claimed, holdWish as hold, PF, poolWish as pool, vf } from '../testing/device-builders.js';
import { itObeysTheLaws, type Disturb } from '../testing/laws.js';
import { TestHost, type TestHostOptions } from '../testing/test-host.js';

jest.setTimeout(30_000); // a busy machine is no reason

const ID = instanceId();
const MAC = 'fa:16:3e:00:00:01';

const withDevices = (devices: ClaimedDevice[], change: Partial<DesiredInstance> = {}): DesiredInstance => desired({ layout: layout({ devices }), ...change });

let host: TestHost;
afterEach(() => host.close());

const state = (identity: string) => host.plane.devices.get(identity);
const isFree = (identity: string, cleanAt = 0): boolean => {
  const device = state(identity);
  return device?.condition === null && device.cleanAt === cleanAt && device.driver === 'vfio-pci' && device.usedBy === null;
};

async function hostWithVfs(options: TestHostOptions = {}): Promise<void> {
  host = new TestHost({ pci: labShape(), ...options });
  await host.start();
  host.plane.wish({ pools: [pool()] });
  await host.plane.untilSo(() => isFree(vf(0)) && isFree(vf(1)));
}

const TWO = [claimed(vf(0), 1, { mac: MAC, vlan: 42, tag: 'data' }), claimed(vf(1), 1, { attach: 'interface', mac: 'fa:16:3e:00:00:02', vlan: 42 })];

describe('devices of a host', () => {
  it('are told with what they are, and nothing is done without a wish', async () => {
    host = new TestHost({ pci: labShape() });
    await host.start();
    await host.plane.untilSo(() => state(PF)?.cleanAt === 0);
    expect(state(PF)).toMatchObject({ identityStrength: 'strong', kind: 'pf', vendor: '8086', product: '10c9', driver: 'igb', sriov: { totalVfs: 7, numVfs: 0 }, protectedBy: null, usedBy: null, dirty: null });
    expect([...host.plane.devices.values()].some(({ pciClass }) => pciClass.startsWith('06'))).toBe(false);
    expect([...host.plane.devices.values()].filter(({ protectedBy }) => protectedBy !== null)).toHaveLength(2);
    expect(host.kernel!.log).toEqual([]);
    expect(host.plane.inventories.at(-1)?.capabilities).toContain('DEVICES');
  });

  it('go from a pool to a guest and back, and are clean again', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO));
    await host.plane.settled(ID, 'running');
    expect(host.steps.indexOf('prepare-devices')).toBeLessThan(host.steps.indexOf('define'));
    const xml = host.hypervisor.domain(ID)!.xml;
    expect(xml).toContain("<hostdev mode='subsystem' type='pci' managed='no'>");
    expect(xml).toContain("<interface type='hostdev' managed='no'>");
    await host.plane.untilSo(() => state(vf(0))?.usedBy === ID && state(vf(1))?.usedBy === ID);
    const at = (index: number) => host.kernel!.state.at(host.plane.devices.get(vf(index))!.address as never)!;
    expect(at(0)).toMatchObject({ driver: 'vfio-pci', settings: { mac: MAC, vlan: 42, spoofCheck: true }, user: { domain: ID } });
    expect(at(1)).toMatchObject({ settings: { mac: 'fa:16:3e:00:00:02', vlan: 42 }, user: { domain: ID } });

    host.plane.want(withDevices(TWO, { generation: 2, intent: 'deleted' }));
    await host.plane.settled(ID, 'absent', 2);
    expect(state(vf(0))?.cleanAt).toBeNull();
    host.plane.wish({ holds: [hold(vf(0), 1, null), hold(vf(1), 1, null)] });
    await host.plane.untilSo(() => isFree(vf(0), 1) && isFree(vf(1), 1));
    for (const index of [0, 1]) expect(at(index)).toMatchObject({ resets: 1, trace: null, settings: { mac: '00:00:00:00:00:00', vlan: 0 } });
    expect(host.kernel!.harms).toEqual([]);
  });

  it('are made again after a host booted, and the guest starts with them', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO));
    await host.plane.settled(ID, 'running');
    void host.kill();
    await host.ledger.flush();
    host.hypervisor.powerLoss();
    // A card was put in: every bus is called otherwise.
    host.kernel!.renumber();
    host.bootId = 'boot-2';
    const before = state(vf(0))!.address;
    host.plane.devices.clear();
    await host.start();
    await host.plane.untilSo(() => state(vf(0))?.usedBy === ID && state(vf(1))?.usedBy === ID);
    expect(state(vf(0))!.address).not.toBe(before);
    expect(host.hypervisor.domain(ID)).toMatchObject({ state: 'running' });
    expect(host.kernel!.harms).toEqual([]);
  });

  it('that are gone keep a guest from starting, and it is said', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(5), 1, ID)] });
    host.plane.want(withDevices([claimed(vf(5), 1)]));
    expect(await host.plane.until(ID, (seen) => seen.error !== null)).toMatchObject({ state: 'failed', error: { code: 'device-missing', final: true } });
    expect(host.hypervisor.domain(ID)).toBeUndefined();
  });

  it('are not given at another generation, nor to another server', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 3, instanceId(9))] });
    await host.plane.untilSo(() => host.plane.deviceReports.at(-1)?.wishes === host.plane.wishes.version);
    host.plane.want(withDevices([claimed(vf(0), 1)]));
    expect(await host.plane.until(ID, (seen) => seen.error !== null)).toMatchObject({ error: { code: 'device-generation' } });
    host.plane.want(withDevices([claimed(vf(0), 3)], { generation: 2 }));
    expect(await host.plane.until(ID, (seen) => seen.error?.code === 'device-held')).toMatchObject({ generation: 2 });
    expect(host.steps).not.toContain('prepare-devices');
  });

  it('that cannot be reset are dirty after some tries, and free when an operator says so', async () => {
    await hostWithVfs();
    for (let at = 0; at < 3; at += 1) host.kernel!.failNext('reset', 'EIO');
    host.plane.wish({ holds: [hold(vf(0), 1, null)] });
    await host.plane.untilSo(() => state(vf(0))?.dirty?.generation === 1);
    expect(state(vf(0))).toMatchObject({ dirty: { code: 'other' } });
    host.plane.wish({ holds: [hold(vf(0), 1, null, { releasedAt: 1 })] });
    await host.plane.untilSo(() => isFree(vf(0), 1) && state(vf(0))?.dirty === null);
  });

  it('that have a reset which does not work where they stand are dirty, unless it is accepted that there is none', async () => {
    await hostWithVfs();
    host.kernel!.failNext('reset', 'ENOTTY');
    host.plane.wish({ holds: [hold(vf(0), 1, null)] });
    await host.plane.untilSo(() => state(vf(0))?.dirty?.generation === 1);
    expect(state(vf(0))).toMatchObject({ dirty: { code: 'unsupported' } });
    host.kernel!.failNext('reset', 'ENOTTY');
    host.plane.wish({ holds: [hold(vf(0), 1, null, { releasedAt: 1 }), hold(vf(1), 1, null, { sanitizer: 'operator-accepts' })] });
    await host.plane.untilSo(() => isFree(vf(0), 1) && isFree(vf(1), 1));
    expect(state(vf(1))).toMatchObject({ cleanAt: 1, dirty: null });
    expect(host.kernel!.log.filter(({ write, errno }) => write.op === 'reset' && errno === 'ENOTTY')).toHaveLength(2);
  });

  it('that cannot be reset because sysfs is read-only are not dirty for that, and clean when it is over', async () => {
    await hostWithVfs();
    const tries = 2 * LIMITS.scrubAttempts;
    for (let at = 0; at < tries; at += 1) host.kernel!.failNext('reset', 'EROFS');
    host.plane.wish({ holds: [hold(vf(0), 1, null)] });
    await host.plane.untilSo(() => isFree(vf(0), 1));
    expect(host.kernel!.log.filter(({ write, errno }) => write.op === 'reset' && errno === 'EROFS')).toHaveLength(tries);
  });

  it('that are busy are not dirty for that', async () => {
    await hostWithVfs();
    for (let at = 0; at < 2 * LIMITS.scrubAttempts; at += 1) host.kernel!.failNext('reset', 'EAGAIN');
    host.plane.wish({ holds: [hold(vf(0), 1, null)] });
    await host.plane.untilSo(() => isFree(vf(0), 1) || (state(vf(0))?.dirty ?? null) !== null);
    expect(state(vf(0))).toMatchObject({ cleanAt: 1, dirty: null });
  });

  it('that can not be cleaned yet say why, however long it takes', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(PF, 1, null)] });
    await host.plane.untilSo(() => state(PF)?.condition?.code === 'not-ready');
    expect(state(PF)).toMatchObject({ dirty: null, condition: { sentence: expect.stringMatching(/^It could not be made clean yet, and is tried again: .* has 2 VFs/) } });
    expect(host.kernel!.harms).toEqual([]);
  });

  it('of a pool that wants another number wait until all of them are free', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 1, ID)] });
    host.plane.want(withDevices([claimed(vf(0), 1)]));
    await host.plane.settled(ID, 'running');
    host.plane.wish({ pools: [pool(4)] });
    await host.plane.untilSo(() => host.plane.deviceProblems.some(({ code }) => code === 'vfs-in-use'));
    host.plane.wish({ pools: [] });
    await host.plane.untilSo(() => host.plane.deviceProblems.length === 0);
    expect(state(PF)?.sriov?.numVfs).toBe(2);
    host.plane.wish({ pools: [pool(4)] });
    host.plane.want(withDevices([claimed(vf(0), 1)], { generation: 2, intent: 'deleted' }));
    await host.plane.settled(ID, 'absent', 2);
    host.plane.wish({ holds: [hold(vf(0), 1, null)] });
    await host.plane.untilSo(() => state(PF)?.sriov?.numVfs === 4 && [0, 1, 2, 3].every((index) => state(vf(index))?.condition === null) && state(vf(0))?.cleanAt === 1);
    expect(host.kernel!.harms).toEqual([]);
  });
});

describe('the whole way of a guest with devices', () => {
  /** From a pool to a running guest that is rebooted, goes, and leaves clean devices. */
  async function walk(disturb: Disturb): Promise<Step[]> {
    await hostWithVfs();
    let nth = 0;
    host.around = (step, run) => disturb(step, run, nth++);
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO));
    await host.plane.settled(ID, 'running');
    host.plane.want(withDevices(TWO, { generation: 2, rebootCount: 1, rebootType: 'hard' }));
    await host.plane.until(ID, (seen) => seen.generation === 2 && seen.state === 'running' && seen.rebootCount === 1 && seen.doing === null && seen.error === null);
    expect(host.kernel!.state.at(state(vf(0))!.address as never)).toMatchObject({ user: { domain: ID }, settings: { mac: MAC, vlan: 42 } });
    host.plane.want(withDevices(TWO, { generation: 3, intent: 'deleted' }));
    await host.plane.settled(ID, 'absent', 3);
    host.plane.wish({ holds: [hold(vf(0), 1, null), hold(vf(1), 1, null)] });
    await host.plane.untilSo(() => isFree(vf(0), 1) && isFree(vf(1), 1));
    expect(host.kernel!.harms).toEqual([]);
    expect(host.hypervisor.domains()).toEqual([]);
    return [...host.steps];
  }

  // Around the others guests of every kind are killed (reconcile/laws.spec.ts).
  itObeysTheLaws(() => host, walk, new Set<Step>(['prepare-devices', 'start', 'destroy']));
});

describe('a device that a running guest loses', () => {
  it('is said, and the guest goes on', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 1, ID)] });
    host.plane.want(withDevices([claimed(vf(0), 1)]));
    await host.plane.settled(ID, 'running');
    host.kernel!.vanish(state(vf(0))!.address as never);
    await host.plane.untilSo(() => state(vf(0)) === undefined && host.plane.drift.some(({ kind, id }) => kind === 'device-trouble' && id === ID));
    expect(host.hypervisor.domain(ID)).toMatchObject({ state: 'running' });
    host.plane.want(withDevices([claimed(vf(0), 1)], { generation: 2, rebootCount: 1, rebootType: 'hard' }));
    expect(await host.plane.until(ID, (seen) => seen.generation === 2 && seen.error !== null)).toMatchObject({ state: 'running', error: { code: 'device-missing' } });
  });
});

describe('a write that hangs', () => {
  it('keeps its PF and all VFs from everybody, and nothing else', async () => {
    await hostWithVfs();
    const pf = state(PF)!.address as never;
    host.kernel!.hang(pf);
    host.plane.wish({ holds: [hold(vf(0), 1, null)] });
    await host.plane.untilSo(() => state(PF)?.condition?.code === 'hung-writer' && state(vf(0))?.condition?.code === 'hung-writer' && state(vf(1))?.condition?.code === 'hung-writer');
    expect(state('mac:52:54:00:aa:00:02')?.condition?.code).not.toBe('hung-writer');
    expect(state(vf(0))).toMatchObject({ dirty: null, cleanAt: 0 });
    host.kernel!.unhang(pf);
    await host.plane.untilSo(() => isFree(vf(0), 1) && isFree(vf(1)));
  });
});

describe('what a VF may do, while nobody can read it', () => {
  const settings = () => host.kernel!.state.at(state(vf(0))!.address as never)!.settings;

  /** The first VF was a guest's, who is gone. */
  async function givenBack(): Promise<void> {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO));
    await host.plane.settled(ID, 'running');
    host.plane.want(withDevices(TWO, { generation: 2, intent: 'deleted' }));
    await host.plane.settled(ID, 'absent', 2);
    expect(settings()).toMatchObject({ mac: MAC });
  }

  it('is not taken for clean: it is tried again, and not counted, until it was set back and read', async () => {
    await givenBack();
    const tries = 6 * LIMITS.scrubAttempts;
    for (let at = 0; at < tries; at += 1) host.kernel!.failNext('vfs', 'ETIMEDOUT', state(PF)!.address as never);
    host.plane.wish({ holds: [hold(vf(0), 1, null), hold(vf(1), 1, null)] });
    await host.plane.untilSo(() => state(vf(0))?.cleanAt === 1 || (state(vf(0))?.dirty ?? null) !== null);
    expect([state(vf(0))?.dirty, settings()]).toMatchObject([null, { mac: '00:00:00:00:00:00', vlan: 0 }]);
  });

  it('is not taken for nothing while the interface of its PF is out of sight', async () => {
    await givenBack();
    const { shape } = host.kernel!.state.at(state(PF)!.address as never)!;
    const { network } = shape;
    Object.assign(shape, { network: undefined });
    host.plane.wish({ holds: [hold(vf(0), 1, null), hold(vf(1), 1, null)] });
    await host.plane.untilSo(() => state(vf(0))?.cleanAt === 1 || state(vf(0))?.condition?.sentence.includes('could not be read, so') === true);
    expect([state(vf(0))?.cleanAt, state(vf(0))?.dirty]).toEqual([null, null]);
    Object.assign(shape, { network });
    await host.plane.untilSo(() => isFree(vf(0), 1));
    expect(settings()).toMatchObject({ mac: '00:00:00:00:00:00', vlan: 0 });
  });
});

describe('a rate, which no driver takes while the link is down', () => {
  const limited = pool(2, { vfs: { ...pool().vfs!, policy: { ...pool().vfs!.policy, maxTxMbps: 100 } } });
  const refusals = (): number => host.kernel!.log.filter(({ write, errno }) => write.op === 'vf' && write.settings.maxTxMbps !== undefined && errno === 'EINVAL').length;

  it('keeps a VF that was given back waiting, and is no reason to call it dirty; all else of it is cleaned meanwhile', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO));
    await host.plane.settled(ID, 'running');
    const pf = state(PF)!.address as never;
    host.kernel!.link(pf, false);
    host.plane.wish({ pools: [limited], holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO, { generation: 2, intent: 'deleted' }));
    await host.plane.settled(ID, 'absent', 2);
    host.plane.wish({ pools: [limited], holds: [hold(vf(0), 1, null), hold(vf(1), 1, null)] });
    await host.plane.untilSo(() => refusals() > 2 * LIMITS.scrubAttempts);
    expect(state(vf(0))).toMatchObject({ dirty: null, cleanAt: null, condition: { code: 'link-down' } });
    expect(host.kernel!.state.at(state(vf(0))!.address as never)).toMatchObject({ settings: { mac: '00:00:00:00:00:00', vlan: 0, maxTxMbps: 0 } });
    host.kernel!.link(pf, true);
    await host.plane.untilSo(() => isFree(vf(0), 1) && isFree(vf(1), 1));
    expect(host.kernel!.state.at(state(vf(0))!.address as never)).toMatchObject({ settings: { maxTxMbps: 100 } });
  });

  it('keeps a server waiting, and is not counted against it', async () => {
    await hostWithVfs();
    const pf = state(PF)!.address as never;
    host.kernel!.link(pf, false);
    host.plane.wish({ pools: [limited], holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO));
    await host.plane.untilSo(() => refusals() > 2 * LIMITS.attempts);
    expect(await host.plane.until(ID, (seen) => seen.error?.code === 'device-link-down')).toMatchObject({ error: { final: false } });
    host.kernel!.link(pf, true);
    await host.plane.settled(ID, 'running');
  });
});

describe('a card that reports fatal errors', () => {
  it('gives out none of its VFs until its PF is released; who has one keeps it, and starts with it', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO));
    await host.plane.settled(ID, 'running');
    host.kernel!.aer(state(PF)!.address as never, 'fatal', 2);
    await host.plane.untilSo(() => state(vf(1))?.condition?.code === 'pf-aer-errors');
    expect(state(PF)).toMatchObject({ condition: { code: 'aer-errors', sentence: expect.stringContaining('2 fatal errors') } });
    expect(state(vf(0))).toMatchObject({ usedBy: ID, condition: { code: 'pf-aer-errors', sentence: expect.stringContaining(`release the PF (${PF})`) } });
    host.plane.want(withDevices(TWO, { generation: 2, rebootCount: 1, rebootType: 'hard' }));
    await host.plane.settled(ID, 'running', 2);
    host.plane.wish({ holds: [hold(PF, 1, null, { releasedAt: 1 }), hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    await host.plane.untilSo(() => state(PF)?.condition === null && state(vf(0))?.condition === null && state(vf(1))?.condition === null);
  });
});

describe('a host whose memory of devices is lost', () => {
  it('takes nothing from its guests, and knows again who has what', async () => {
    await hostWithVfs();
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, ID)] });
    host.plane.want(withDevices(TWO));
    await host.plane.settled(ID, 'running');
    void host.kill();
    await host.ledger.flush();
    for (const name of ['devices.json', 'device-wishes.json']) rmSync(join(host.folder, 'ledger', name), { force: true });
    host.plane.devices.clear();
    const writes = host.kernel!.log.length;
    await host.start();
    await host.plane.untilSo(() => state(vf(0))?.usedBy === ID && host.plane.deviceReports.at(-1)?.wishes === host.plane.wishes.version);
    expect(host.kernel!.log.length).toBe(writes);
    expect(state(vf(0))?.cleanAt).toBeNull();
    host.plane.want(withDevices(TWO, { generation: 2, intent: 'deleted' }));
    await host.plane.settled(ID, 'absent', 2);
    host.plane.wish({ holds: [hold(vf(0), 1, null), hold(vf(1), 1, null)] });
    await host.plane.untilSo(() => isFree(vf(0), 1) && isFree(vf(1), 1));
  });
});

describe('a host without an IOMMU', () => {
  it('says so of every device, and to whoever is to have one', async () => {
    host = new TestHost({ pci: { ...labShape(), iommu: false } });
    await host.start();
    host.plane.wish({ pools: [pool()], holds: [hold(vf(0), 1, ID)] });
    await host.plane.untilSo(() => state(vf(0))?.condition?.code === 'no-iommu' && host.plane.deviceProblems.some(({ sentence }) => sentence.includes('has the host an IOMMU')));
    expect([...host.plane.devices.values()].map(({ condition }) => condition?.code)).toEqual(Array.from(host.plane.devices, () => 'no-iommu'));
    host.plane.want(withDevices([claimed(vf(0), 1)]));
    expect(await host.plane.until(ID, (seen) => seen.error !== null)).toMatchObject({ error: { code: 'device-unusable', message: expect.stringContaining('intel_iommu=on') } });
    expect(host.hypervisor.domain(ID)).toBeUndefined();
  });
});

describe('a host that only looks at its devices', () => {
  it('tells them, and does not say that it gives any', async () => {
    host = new TestHost({ pci: labShape(), mayWrite: false });
    await host.start();
    await host.plane.untilSo(() => state(PF) !== undefined && host.plane.inventories.length > 0);
    expect(host.plane.inventories.at(-1)?.capabilities).not.toContain('DEVICES');
  });

  it('and one that can not look says to its guests why they wait', async () => {
    host = new TestHost({ pci: labShape() });
    for (let at = 0; at < 2_000; at += 1) host.kernel!.failNext('read', 'EIO');
    await host.start();
    host.plane.want(withDevices([claimed(vf(0), 1)]));
    await host.plane.until(ID, (seen) => seen.error?.code === 'devices-unseen');
    expect(host.kernel!.log).toEqual([]);
  });
});

describe('a control plane that only wants reports', () => {
  it('gets them, and nothing is touched', async () => {
    host = new TestHost({ pci: labShape() });
    host.plane.reportOnly = true;
    await host.start();
    host.plane.wish({ pools: [pool()] });
    await host.plane.untilSo(() => state(PF) !== undefined);
    await new Promise((resolve) => { setTimeout(resolve, 120); });
    expect(host.kernel!.log).toEqual([]);
  });
});
