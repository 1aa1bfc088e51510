// Devices that come to, and leave, a server that is there, through a whole agent over the fake libvirt and the fake kernel. Killed at any step,
// with replies that get lost and guests that do not answer it ends the same; and what a report leaves out, no domain has.
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { ClaimedDevice, DesiredInstance, ObservedInstance } from '#libs/contracts';
import { labShape } from '#libs/pci';
import type { Step } from '../decide/facts.js';
import { hostDevicesIn } from '../domain-xml/host-devices.js';
import { desired, instanceId, layout } from '../testing/builders.js';
import { claimedDevice, holdWish as hold, poolWish as pool, vf } from '../testing/device-builders.js';
import { itObeysTheLaws, type Disturb } from '../testing/laws.js';
import { TestHost, type TestHostOptions } from '../testing/test-host.js';

jest.setTimeout(30_000); // a busy machine is no reason

const ID = instanceId();
const ATTACHMENT = (n: number): string => `99999999-9999-4999-8999-00000000000${n}`;
const NIC = claimedDevice(vf(0), 1, { attach: 'interface', mac: 'fa:16:3e:00:00:01', vlan: 42 });
const later = (n: number, change: Partial<ClaimedDevice> = {}): ClaimedDevice => claimedDevice(vf(n), 1, { attachment: ATTACHMENT(n), place: n, mac: `fa:16:3e:00:00:1${n}`, ...change });
const BOTH = [NIC, later(1)];
const wish = (generation: number, devices: ClaimedDevice[], change: Partial<DesiredInstance> = {}): DesiredInstance => desired({ generation, layout: layout(devices.length > 0 ? { devices } : {}), ...change });

let host: TestHost;
afterEach(() => host.close());

const device = (index: number) => host.plane.devices.get(vf(index));
const kernelAt = (index: number) => host.kernel!.state.at(device(index)!.address as never)!;
const xml = (inactive: boolean): Promise<string> => host.libvirt.domainLookupByUuid(ID).then((domain) => host.libvirt.domainGetXmlDesc(domain, { inactive }));
const places = async (inactive = false): Promise<(number | null)[]> => hostDevicesIn(await xml(inactive)).map(({ place }) => place);
const says = (generation: number, ...states: string[]) => (seen: ObservedInstance): boolean =>
  seen.generation === generation && seen.doing === null && JSON.stringify(seen.devices?.map(({ identity, state }) => `${identity.slice(-1)} ${state}`)) === JSON.stringify(states);
const shows = (generation: number, ...states: string[]): Promise<ObservedInstance> => host.plane.until(ID, says(generation, ...states));

/** A host with three VFs, and a guest with the first. */
async function hostWithGuest(options: TestHostOptions = {}, intent: DesiredInstance['intent'] = 'running', devices = [NIC]): Promise<void> {
  host = new TestHost({ pci: labShape(), ...options });
  await host.start();
  host.plane.wish({ pools: [pool(3)] });
  await host.plane.untilSo(() => [0, 1, 2].every((index) => device(index)?.driver === 'vfio-pci' && device(index)?.condition === null));
  host.plane.wish({ holds: [0, 1, 2].map((index) => hold(vf(index), 1, ID)) });
  host.plane.want(wish(1, devices, { intent }));
  await host.plane.until(ID, (seen) => seen.state === intent && says(1, ...devices.map(({ identity }) => `${identity.slice(-1)} attached`))(seen));
}

describe('a device that QEMU has got, and libvirt knows nothing of: it ended in between', () => {
  const nic = later(1, { attach: 'interface', vlan: 42 });
  const asClaimed = { user: { domain: ID }, resets: 0, settings: { mac: nic.mac, vlan: 42 } };

  async function hostWithUnnamed(): Promise<void> {
    await hostWithGuest();
    host.hypervisor.forgetNextAttach();
    host.plane.want(wish(2, [NIC, nic]));
    await shows(2, '0 attached', '1 attached');
    expect([await places(), await places(true)]).toEqual([[0], [0, 1]]);
    await host.plane.untilSo(() => device(1)?.usedBy === ID);
  }

  it('is taken for what it is: attached, as it was claimed, and nothing is done to it', async () => {
    await hostWithUnnamed();
    expect(kernelAt(1)).toMatchObject(asClaimed);
    host.plane.want(wish(3, [NIC, nic], { rebootCount: 1, rebootType: 'hard' }));
    await host.plane.until(ID, (seen) => seen.rebootCount === 1 && says(3, '0 attached', '1 attached')(seen));
    expect(await places()).toEqual([0, 1]);
    expect(kernelAt(1)).toMatchObject(asClaimed);
    expect(host.kernel!.harms).toEqual([]);
  });

  it('is not released, nor scrubbed, before the guest is stopped', async () => {
    await hostWithUnnamed();
    host.plane.want(wish(3, [NIC]));
    expect(await shows(3, '0 attached', '1 needs-guest-stop')).toMatchObject({ devices: [{}, { message: expect.stringContaining('libvirt ended while') }] });
    // As if the control plane had not waited for that.
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, null), hold(vf(2), 1, ID)] });
    await host.plane.untilSo(() => device(1)?.condition?.sentence.includes('runs with it') === true);
    expect(kernelAt(1)).toMatchObject(asClaimed);
    host.plane.want(wish(4, [NIC], { rebootCount: 1, rebootType: 'hard' }));
    await host.plane.until(ID, (seen) => seen.rebootCount === 1 && says(4, '0 attached')(seen));
    await host.plane.untilSo(() => device(1)?.cleanAt === 1);
    expect(kernelAt(1)).toMatchObject({ user: null, resets: 1, settings: { mac: '00:00:00:00:00:00', vlan: 0 } });
    expect(host.kernel!.harms).toEqual([]);
  });
});

describe('a guest that runs', () => {
  it('gets a device and gives it back, and its others never notice', async () => {
    await hostWithGuest();
    expect(host.plane.inventories.at(-1)?.capabilities).toContain('LIVE_DEVICES');
    const before = kernelAt(0).settings;
    host.plane.want(wish(2, BOTH));
    expect(await shows(2, '0 attached', '1 attached')).toMatchObject({ state: 'running', error: null, devices: [{}, { deviceId: BOTH[1]!.deviceId, generation: 1 }] });
    expect([await places(), await places(true)]).toEqual([[0, 1], [0, 1]]);
    expect(kernelAt(1)).toMatchObject({ driver: 'vfio-pci', user: { domain: ID }, settings: { mac: 'fa:16:3e:00:00:11' } });
    expect(kernelAt(0).settings).toEqual(before);
    expect((await host.agent.reconciler.last(ID))?.facts.domain?.notes?.devices.map(({ identity }) => identity)).toEqual([vf(0), vf(1)]);
    expect(host.plane.drift).toEqual([]);

    host.plane.want(wish(3, [NIC]));
    await shows(3, '0 attached');
    expect([await places(), await places(true)]).toEqual([[0], [0]]);
    expect(kernelAt(1).user).toBeNull();
    expect(host.hypervisor.domain(ID)).toMatchObject({ state: 'running', starts: 1, resets: 0 });
    expect(host.steps.filter((step) => step === 'define' || step === 'start' || step === 'prepare-devices')).toEqual(['prepare-devices', 'define', 'start']);
    expect([host.plane.drift, host.kernel!.harms]).toEqual([[], []]);
    host.plane.wish({ holds: [hold(vf(0), 1, ID), hold(vf(1), 1, null), hold(vf(2), 1, ID)] });
    await host.plane.untilSo(() => device(1)?.cleanAt === 1);
  });

  it('that does not answer keeps it, says what is needed, and lets it go when it answers late', async () => {
    await hostWithGuest({}, 'running', BOTH);
    host.hypervisor.guestDeaf(ID, true);
    host.plane.want(wish(2, [NIC]));
    const silent = await shows(2, '0 attached', '1 needs-guest-stop');
    expect(silent).toMatchObject({ state: 'running', error: null, devices: [{}, { message: expect.stringContaining('does not answer') }] });
    expect([await places(), await places(true)]).toEqual([[0, 1], [0]]);
    // It is not asked all the time, and what is said stays the same.
    const reports = host.plane.history.length;
    await host.plane.untilSo(() => host.hypervisor.callCount('DOMAIN_DETACH_DEVICE_ALIAS') >= 5);
    expect(host.plane.history.slice(reports).every((seen) => JSON.stringify(seen.devices) === JSON.stringify(silent.devices))).toBe(true);
    expect(host.plane.drift).toEqual([]);
    host.hypervisor.guestDeaf(ID, false);
    await shows(2, '0 attached');
    expect(kernelAt(1).user).toBeNull();
  });

  it('that does not answer loses it when it is stopped, rebooted hard, or resets itself', async () => {
    await hostWithGuest({}, 'running', [NIC, later(1), later(2)]);
    host.hypervisor.guestDeaf(ID, true);
    host.plane.want(wish(2, BOTH));
    await shows(2, '0 attached', '1 attached', '2 needs-guest-stop');
    host.plane.want(wish(3, BOTH, { rebootCount: 1, rebootType: 'hard' }));
    await shows(3, '0 attached', '1 attached');
    expect([await places(), host.hypervisor.domain(ID)?.starts]).toEqual([[0, 1], 2]);
    host.plane.want(wish(4, [NIC], { rebootCount: 1 }));
    await shows(4, '0 attached', '1 needs-guest-stop');
    host.plane.want(wish(5, [NIC], { rebootCount: 1, intent: 'stopped', powerOffTimeoutS: 0 }));
    await host.plane.until(ID, (seen) => seen.state === 'stopped' && says(5, '0 attached')(seen));
    expect(await places(true)).toEqual([0]);
  });

  it('that a device can not be given says why, is none the worse, and has it taken back', async () => {
    await hostWithGuest();
    for (let n = 0; n < 20; n += 1) host.kernel!.failNext('vf', 'EINVAL');
    host.plane.want(wish(2, BOTH));
    const failed = await shows(2, '0 attached', '1 failed');
    expect(failed).toMatchObject({ state: 'running', error: null, devices: [{}, { message: expect.stringContaining('PF') }] });
    host.plane.want(wish(3, [NIC]));
    await shows(3, '0 attached');
    expect([await places(), await places(true)]).toEqual([[0], [0]]);
    // libvirt's words are told as well.
    host.hypervisor.faults.on('DOMAIN_ATTACH_DEVICE_FLAGS', { kind: 'error', code: 1, message: 'internal error: no room' }, { times: 20 });
    host.plane.want(wish(4, [NIC, later(2, { mac: null })]));
    expect(await shows(4, '0 attached', '2 failed')).toMatchObject({ devices: [{}, { message: expect.stringContaining('no room') }] });
    host.plane.want(wish(5, [NIC]));
    await shows(5, '0 attached');
    expect((await host.agent.reconciler.last(ID))?.facts.domain?.notes?.devices.map(({ identity }) => identity)).toEqual([vf(0)]);
  });

  it('that has no slot left says so, is none the worse, and has it after a stop', async () => {
    await hostWithGuest();
    const high = [NIC, later(1, { place: 16 })];
    host.plane.want(wish(2, high));
    expect(await shows(2, '0 attached', '1 failed')).toMatchObject({ state: 'running', error: null, devices: [{}, { message: expect.stringContaining('no slot left') }] });
    expect([await places(), host.hypervisor.callCount('DOMAIN_ATTACH_DEVICE_FLAGS')]).toEqual([[0], 0]);
    host.plane.want(wish(3, high, { intent: 'stopped', powerOffTimeoutS: 0 }));
    await host.plane.until(ID, (seen) => seen.state === 'stopped' && seen.generation === 3);
    host.plane.want(wish(4, high));
    await host.plane.until(ID, (seen) => seen.state === 'running' && says(4, '0 attached', '1 attached')(seen));
    expect(await places()).toEqual([0, 16]);
  });

  it('that is paused waits', async () => {
    await hostWithGuest();
    host.plane.want(wish(2, [NIC], { intent: 'paused' }));
    await host.plane.settled(ID, 'paused', 2);
    host.plane.want(wish(3, BOTH, { intent: 'paused' }));
    expect(await shows(3, '0 attached', '1 attaching')).toMatchObject({ state: 'paused', devices: [{}, { message: expect.stringContaining('halted') }] });
    host.plane.want(wish(4, BOTH));
    await shows(4, '0 attached', '1 attached');
  });

  it('of an agent that is started anew on what an older one defined has what it had', async () => {
    await hostWithGuest({}, 'running', BOTH);
    void host.kill();
    await host.ledger.flush();
    host.plane.reports.clear();
    await host.start();
    await shows(1, '0 attached', '1 attached');
    expect(host.steps.filter((step) => step === 'attach-device' || step === 'detach-device')).toEqual([]);
  });
});

describe('a guest with devices of a group that others share, its port too', () => {
  const [NEAR, FAR] = ['slot:0000:00/06.0/00.0/01.0/1234:11e8', 'mac:52:54:00:12:34:56'];
  const shared = (n: number, identity: string): ClaimedDevice => claimedDevice(identity, 1, { attachment: ATTACHMENT(n), place: n });

  async function hostWithShared(devices: ClaimedDevice[]): Promise<void> {
    host = new TestHost({ pci: labShape() });
    await host.start();
    host.plane.wish({ pools: [pool(3), ...[NEAR, FAR].map((identity) => pool(0, { identity, mode: 'functions', vfs: null }))], holds: [vf(0), vf(1), NEAR, FAR].map((identity) => hold(identity, 1, ID)) });
    await host.plane.untilSo(() => [vf(0), vf(1)].every((identity) => host.plane.devices.get(identity)?.condition === null));
    host.plane.want(wish(1, devices));
    await host.plane.until(ID, (seen) => seen.state === 'running' && seen.devices?.every(({ state }) => state === 'attached') === true);
  }

  it('gives another one back, and gets one more of the group, as it does any', async () => {
    const rest = [NIC, shared(2, NEAR), shared(3, FAR)];
    await hostWithShared([NIC, later(1), shared(2, NEAR), shared(3, FAR)]);
    host.plane.want(wish(2, rest));
    await host.plane.until(ID, (seen) => seen.generation === 2 && seen.doing === null && seen.devices?.length === 3);
    expect([await places(), await places(true)]).toEqual([[0, 2, 3], [0, 2, 3]]);
    host.plane.want(wish(3, rest.slice(0, 2)));
    await host.plane.until(ID, (seen) => seen.generation === 3 && seen.doing === null && seen.devices?.length === 2);
    host.plane.want(wish(4, rest));
    await host.plane.until(ID, (seen) => seen.generation === 4 && seen.doing === null && seen.devices?.length === 3 && seen.devices.every(({ state }) => state === 'attached'));
    expect([await places(), await places(true), host.kernel!.harms]).toEqual([[0, 2, 3], [0, 2, 3], []]);
  });

  it('is not said to have one that could not be attached', async () => {
    await hostWithShared([NIC, shared(2, NEAR), shared(3, FAR)]);
    host.plane.want(wish(2, [NIC, shared(2, NEAR)]));
    await host.plane.until(ID, (seen) => seen.generation === 2 && seen.doing === null && seen.devices?.length === 2);
    host.hypervisor.faults.on('DOMAIN_ATTACH_DEVICE_FLAGS', { kind: 'error', code: 1, message: 'internal error: no room' }, { times: 20 });
    host.plane.want(wish(3, [NIC, shared(2, NEAR), shared(3, FAR)]));
    expect((await host.plane.until(ID, (seen) => seen.generation === 3 && seen.doing === null && seen.devices?.some(({ state }) => state === 'failed') === true)).devices).toMatchObject([{ state: 'attached' }, { state: 'attached' }, { state: 'failed' }]);
  });
});

describe('a guest that is off', () => {
  it('is defined with it, or without, and started as it is defined', async () => {
    await hostWithGuest({}, 'stopped', []);
    host.plane.want(wish(2, BOTH, { intent: 'stopped' }));
    await shows(2, '0 attached', '1 attached');
    expect(await places(true)).toEqual([0, 1]);
    host.plane.want(wish(3, [later(1)], { intent: 'stopped' }));
    await shows(3, '1 attached');
    host.plane.want(wish(4, [later(1)]));
    await host.plane.until(ID, (seen) => seen.state === 'running' && says(4, '1 attached')(seen));
    expect([await places(), host.plane.drift]).toEqual([[1], []]);
    expect(kernelAt(1)).toMatchObject({ user: { domain: ID }, settings: { mac: 'fa:16:3e:00:00:11' } });
  });
  it('starts without what it shall have no more, also when nothing was asked of its host in between', async () => {
    await hostWithGuest({}, 'stopped', [later(1)]);
    host.plane.want(wish(2, [], { intent: 'running' }));
    await host.plane.until(ID, (seen) => seen.state === 'running' && says(2)(seen));
    expect(await places()).toEqual([]);
  });
  it('says why it can not have one, and stays stopped', async () => {
    await hostWithGuest({}, 'stopped', []);
    host.plane.want(wish(2, [later(5)], { intent: 'stopped' }));
    expect(await shows(2, '5 failed')).toMatchObject({ state: 'stopped', error: null, devices: [{ message: expect.stringContaining('not in its host') }] });
  });
});

describe('the way of a device to a running guest and back', () => {
  async function walk(disturb: Disturb): Promise<Step[]> {
    await hostWithGuest();
    host.steps.length = 0;
    let nth = 0;
    host.around = (step, run) => disturb(step, run, nth++);
    host.plane.want(wish(2, BOTH));
    await shows(2, '0 attached', '1 attached');
    host.plane.want(wish(3, [later(1), later(2)]));
    await shows(3, '1 attached', '2 attached');
    expect([await places(), await places(true)]).toEqual([[1, 2], [1, 2]]);
    host.plane.want(wish(4, []));
    await shows(4);
    expect([await places(), await places(true), host.kernel!.harms, host.hypervisor.domain(ID)?.starts]).toEqual([[], [], [], 1]);
    return [...host.steps];
  }
  itObeysTheLaws(() => host, walk, new Set<Step>(['attach-device', 'detach-device']));
});

const named = <T>(name: string, value: T): T => Object.defineProperty(value as object, fc.toStringMethod, { value: () => name }) as T;
type Event = () => Promise<void> | void;
const wants = fc.subarray([0, 1, 2]).map((these) => these.map((n) => later(n)));

describe('whatever happens', () => {
  it('no report leaves out a device that the domain still has', async () => {
    let generation = 1;
    const wanted = (devices: ClaimedDevice[]): Event => () => host.plane.want(wish((generation += 1), devices));
    const fault = (procedure: 'DOMAIN_ATTACH_DEVICE_FLAGS' | 'DOMAIN_DETACH_DEVICE_ALIAS' | 'DOMAIN_SET_METADATA', when: 'before' | 'after'): Event => () => host.hypervisor.faults.on(procedure, { kind: 'drop', when });
    const anyEvent: fc.Arbitrary<Event> = fc.oneof(
      { weight: 5, arbitrary: wants.map((devices) => named(`want ${devices.map(({ identity }) => identity.slice(-1)).join()}`, wanted(devices))) },
      { weight: 3, arbitrary: fc.tuple(fc.constantFrom('DOMAIN_ATTACH_DEVICE_FLAGS' as const, 'DOMAIN_DETACH_DEVICE_ALIAS' as const, 'DOMAIN_SET_METADATA' as const), fc.constantFrom('before' as const, 'after' as const)).map(([procedure, when]) => named(`lose ${procedure} ${when}`, fault(procedure, when))) },
      { weight: 2, arbitrary: fc.boolean().map((deaf) => named(`deaf ${deaf}`, () => host.hypervisor.guestDeaf(ID, deaf))) },
      { weight: 1, arbitrary: fc.constant(named('kill', () => host.restart())) },
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 30 }).map((ms) => named(`wait ${ms}`, () => new Promise<void>((resolve) => { setTimeout(resolve, ms); }))) },
    );
    await fc.assert(fc.asyncProperty(fc.array(anyEvent, { minLength: 3, maxLength: 14 }), async (events) => {
      generation = 1;
      await hostWithGuest({}, 'running', []);
      const left: string[] = [];
      const { history } = host.plane;
      const push = history.push.bind(history);
      history.push = (...seen) => {
        const domain = host.hypervisor.domain(ID)!;
        for (const { devices, generation: of } of seen) {
          if (of !== generation || !devices) continue;
          for (const { address } of hostDevicesIn(domain.xml)) {
            const identity = [0, 1, 2].map(vf).find((each) => host.plane.devices.get(each)?.address === address)!;
            if (!devices.some((each) => each.identity === identity)) left.push(`${identity} at ${of}`);
          }
        }
        return push(...seen);
      };
      // A connection that broke is mended, as a real one mends itself.
      const mend = setInterval(() => host.libvirt.start(), 5).unref();
      try {
        for (const event of events) await event();
        host.hypervisor.faults.clear();
        host.hypervisor.guestDeaf(ID, false);
        const end = [later(0), later(2)];
        host.plane.want(wish((generation += 1), end));
        await shows(generation, '0 attached', '2 attached');
        expect([await places(), await places(true)]).toEqual([[0, 2], [0, 2]]);
        expect([left, host.kernel!.harms, host.hypervisor.domain(ID)?.starts]).toEqual([[], [], 1]);
      } finally {
        clearInterval(mend);
        await host.close();
      }
    }), { numRuns: 12, endOnFailure: true });
  });
});
