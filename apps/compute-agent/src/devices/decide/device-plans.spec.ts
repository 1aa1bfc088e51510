import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HostDevice, type HoldWish } from '#libs/contracts';
import type { PciFunction } from '#libs/pci';
import { desired, instanceId, layout } from '../../testing/builders.js';
import { claimedDevice, holdWish, PF, POOL_ID, poolWish, vf } from '../../testing/device-builders.js';
import { learned } from './bookkeeping.js';
import type { DeviceFacts } from './facts.js';
import { leftOver, NO_MAC, planHolds, waitsFor } from './holds.js';
import { planPools, portTrouble } from './pools.js';
import { readinessOf } from './ready.js';
import { cleaned, cleanNow, failedToClean, NO_RECORD, type DeviceRecord } from './records.js';
import { conditionOf, lastSeenOf, seenOf, type DeviceUse } from './seen.js';

const PF_AT = '0000:01:00.0';
const vfAt = (index: number): string => `0000:01:10.${index * 2}`;
const A = instanceId(1);
const B = instanceId(2);

const fn = (address: string, change: Partial<PciFunction> = {}): PciFunction => ({
  address: address as PciFunction['address'], path: [], vendor: '8086', product: '10ca', subsystemVendor: null, subsystemProduct: null, pciClass: '020000', driver: 'vfio-pci', driverOverride: 'vfio-pci', numaNode: 0,
  iommuGroup: Number(address.slice(-1)) + 20, isBridge: false, resetMethods: ['flr'], serial: null, networks: [], blocks: [], mdevTypes: [], aer: null, sriov: null, physfn: null, ...change,
});

interface Host { doubt?: string; vfs?: number; drivers?: (string | null)[]; uses?: DeviceUse[]; protects?: string[]; needed?: string; resets?: string[]; held?: boolean; isUp?: boolean; link?: 'up' | 'down'; pfDriver?: string | null; total?: number; settings?: { trust?: boolean; vlan?: number }[] }

function facts(host: Host = {}, change: Partial<DeviceFacts> = {}): DeviceFacts {
  const { doubt = null, vfs = 2, drivers = [], uses = [], protects = [], needed = 'default-route', resets = ['flr'], held = false, isUp = true, link = 'up', pfDriver = 'igb', total = 7 } = host;
  const numbers = Array.from({ length: vfs }, (_, index) => index);
  const pf = fn(PF_AT, { product: '10c9', driver: pfDriver, iommuGroup: 14, networks: [{ name: 'enp1s0', permanentMac: '52:54:00:aa:00:01', mac: '52:54:00:aa:00:01', isUp, link }],
    sriov: { totalVfs: total, numVfs: vfs, autoprobe: false, vfs: numbers.map((index) => ({ index, address: vfAt(index) as PciFunction['address'] })) } });
  const all = [pf, ...numbers.map((index) => fn(vfAt(index), { driver: drivers[index] === undefined ? 'vfio-pci' : drivers[index], resetMethods: resets, physfn: { address: PF_AT as PciFunction['address'], index } }))];
  const seen = seenOf({
    reading: { functions: new Map(all.map((each) => [each.address, each])), groups: new Map(all.map((each) => [each.iommuGroup!, [each.address]])), held: held ? [{ address: pf.address, pid: 1, startTime: '1', bootId: 'b', what: 'a write', sinceMs: 0 }] : [] },
    identities: new Map(all.map((each, at) => [each.address, { identity: at === 0 ? PF : vf(at - 1), strength: 'strong', doubt: doubt === null ? null : { kind: 'moved' as const, sentence: doubt } }])),
    protectedBy: new Map(protects.map((address) => [address as PciFunction['address'], needed])), uses,
  });
  return {
    seen, records: new Map(), claims: new Map(), mayWrite: true, wishes: { version: '1', pools: [poolWish(2)], holds: [] },
    settings: new Map([[pf.address, numbers.map((index) => ({ index, mac: NO_MAC, vlan: host.settings?.[index]?.vlan ?? 0, qos: 0, spoofCheck: true, trust: host.settings?.[index]?.trust ?? false, minTxMbps: 0, maxTxMbps: 0 }))]]),
    ...change,
  };
}
const wishes = (pools = [poolWish(2)], holds: HoldWish[] = []): DeviceFacts['wishes'] => ({ version: '1', pools, holds });
const record = (change: Partial<DeviceRecord>): DeviceRecord => ({ ...NO_RECORD, ...change });
const use = (index: number, domainId: string, live = true): DeviceUse => ({ address: vfAt(index), domainId, live });

describe('pools', () => {
  it('are at rest when everything is as they want it', () => {
    expect(planPools(facts())).toEqual({ actions: [], problems: [], notReady: new Map() });
  });
  it('make VFs without drivers, only by way of none, then bind and set them', () => {
    expect(planPools(facts({ vfs: 0 })).actions).toMatchObject([{ does: 'set-vfs', count: 2, autoprobe: false }]);
    expect(planPools(facts({ vfs: 4 })).actions).toMatchObject([{ does: 'set-vfs', count: 0 }]);
    expect(planPools(facts({ drivers: ['igbvf', null], settings: [{ trust: true, vlan: 7 }] }))).toMatchObject({
      actions: [{ does: 'set-vf', index: 0, settings: { trust: false, vlan: 0 } }, { does: 'bind', address: vfAt(0), driver: 'vfio-pci' }, { does: 'bind', address: vfAt(1) }],
    });
  });
  it('never change the number of VFs while one is used, claimed, held, or unknown', () => {
    for (const taken of [facts({ vfs: 4, uses: [use(3, A)] }), facts({ vfs: 4 }, { claims: new Map([[vf(2), { instanceId: A, generation: 1 }]]) }), facts({ vfs: 4 }, { wishes: wishes([poolWish(2)], [holdWish(vf(1), 1, A)]) })]) {
      expect(planPools(taken)).toMatchObject({ actions: [], problems: [{ poolId: POOL_ID, identity: PF, code: 'vfs-in-use' }] });
    }
  });
  it('bring a port up that is not, and wait for the link of one that is', () => {
    expect(planPools(facts({ isUp: false, link: 'down' }))).toMatchObject({ actions: [{ does: 'link-up', pf: PF_AT }], problems: [] });
    expect(planPools(facts({ link: 'down' }))).toMatchObject({ actions: [], problems: [{ identity: PF, code: 'link-down', sentence: expect.stringContaining('is the cable in?') }] });
    expect(planPools(facts({ link: 'down', protects: [PF_AT] }))).toMatchObject({ actions: [], problems: [] });
  });
  it('say what they cannot have', () => {
    const codeOf = (given: DeviceFacts): string[] => planPools(given).problems.map(({ code }) => code);
    expect(codeOf(facts({ total: 1, vfs: 1 }))).toEqual(['too-many']);
    expect(codeOf(facts({ vfs: 0, protects: [PF_AT] }))).toEqual(['protected']);
    expect(codeOf(facts({ vfs: 0, pfDriver: 'vfio-pci' }))).toEqual(['no-driver']);
    expect(codeOf(facts({ held: true }))).toEqual(['hung-writer']);
    expect(codeOf(facts({}, { wishes: wishes([poolWish(2), poolWish(3)]) }))).toEqual(['two-pools', 'two-pools']);
    expect(codeOf(facts({}, { wishes: wishes([poolWish(2, { identity: 'mac:none' })]) }))).toEqual(['no-device']);
    expect(codeOf(facts({ vfs: 0 }, { mayWrite: false }))).toEqual(['writers-off']);
    expect(codeOf(facts({}, { wishes: wishes([poolWish(2, { mode: 'functions', vfs: null })]) }))).toEqual(['pf-has-vfs']);
  });
  it.each(['in-use: port of br0', 'in-use: routes over enp1s0'])('keep VFs on a card of the host\'s (%s), and give away neither it nor a VF that is one', (needed) => {
    const port = { needed, protects: [PF_AT] };
    expect(planPools(facts({ ...port, vfs: 0 }))).toMatchObject({ actions: [{ does: 'set-vfs', count: 2 }], problems: [] });
    expect(planPools(facts({ ...port, drivers: ['igbvf'] }))).toMatchObject({ actions: [{ does: 'bind', address: vfAt(0) }], problems: [] });
    expect(planPools(facts({ ...port, protects: [PF_AT, vfAt(1)], vfs: 4, drivers: ['igbvf', 'igbvf'] }))).toMatchObject({ actions: [{ does: 'bind', address: vfAt(0) }], problems: [{ code: 'protected' }] });
    const whole = facts({ ...port, vfs: 0 }, { wishes: wishes([poolWish(2, { mode: 'functions', vfs: null })], [holdWish(PF, 1, null)]) });
    expect(planPools(whole)).toMatchObject({ actions: [], problems: [{ code: 'protected', sentence: `The host itself lives on it (${needed}).` }] });
    expect(planHolds(whole)).toMatchObject([{ does: 'call-dirty', dirty: { code: 'protected' } }]);
    expect(readinessOf(desired({ layout: layout({ devices: [claimedDevice(PF, 3)] }) }), facts({ ...port, vfs: 0 }))).toMatchObject({ code: 'device-protected' });
    const told = (given: DeviceFacts): string | undefined => portTrouble(given.seen.devices.get(PF)!, given)?.code;
    expect([told(whole), told(facts({ ...port, vfs: 0 }, { wishes: null })), told(facts(port)), told(facts({ vfs: 0 }))]).toEqual(['host-port', 'host-port', undefined, undefined]);
  });
  it('touch nothing that somebody has or the host lives on, whatever they say', () => {
    const anyFacts = fc.record({
      vfs: fc.integer({ min: 0, max: 4 }), count: fc.integer({ min: 0, max: 8 }), drivers: fc.array(fc.constantFrom('vfio-pci', 'igbvf', null), { minLength: 4, maxLength: 4 }),
      used: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }), claimed: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }), held: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }),
      mode: fc.constantFrom('vfs' as const, 'functions' as const), driver: fc.constantFrom('vfio-pci' as const, 'kernel' as const), protects: fc.subarray([PF_AT, vfAt(0), vfAt(1)]), trust: fc.boolean(), twice: fc.boolean(), empty: fc.boolean(),
    });
    fc.assert(fc.property(anyFacts, ({ vfs, count, drivers, used, claimed, held, mode, driver, protects, trust, twice, empty }) => {
      const wish = poolWish(count, { mode, ...(mode === 'functions' ? { vfs: null } : {}) });
      if (wish.vfs) Object.assign(wish.vfs, { driver });
      const given = facts({ vfs, drivers, uses: used.map((index) => use(index, A)), protects, settings: [{ trust }] }, {
        claims: new Map(claimed.map((index) => [vf(index), { instanceId: A, generation: 1 }])), wishes: wishes(empty ? [] : twice ? [wish, wish] : [wish], held.map((index) => holdWish(vf(index), 1, A))),
      });
      const taken = [...used, ...claimed, ...held].filter((index) => index < vfs);
      const { actions } = planPools(given);
      if (empty || twice) expect(actions).toEqual([]);
      for (const action of actions) {
        if (action.does === 'set-vfs') expect([vfs === 0 ? [] : [...taken, ...claimed, ...held], protects.includes(PF_AT)]).toEqual([[], false]);
        if (action.does === 'bind') expect([...taken.map(vfAt), ...protects, ...(vfs > 0 ? [PF_AT] : [])]).not.toContain(action.address);
        if (action.does === 'set-vf') expect([...taken.map(vfAt), ...protects]).not.toContain(vfAt(action.index));
      }
    }));
  });
});

describe('holds', () => {
  const released = (change: Partial<HoldWish> = {}): DeviceFacts['wishes'] => wishes([poolWish(2)], [holdWish(vf(0), 3, null, change)]);
  it('that are over are scrubbed once, at their own generation', () => {
    expect(planHolds(facts({}, { wishes: released() }))).toEqual([{ identity: vf(0), generation: 3, does: 'scrub', reset: 'must' }]);
    expect(planHolds(facts({}, { wishes: released(), records: new Map([[vf(0), record({ cleanAt: 3 })]]) }))).toEqual([]);
    // Of a control plane that was restored: as after the last one who had it.
    const later = new Map([[vf(0), record({ used: 4, holder: B, cleanAt: 3 })]]);
    expect(planHolds(facts({}, { wishes: released(), records: later }))).toEqual([{ identity: vf(0), generation: 4, does: 'scrub', reset: 'must' }]);
    expect(planHolds(facts({}, { wishes: released(), records: later, claims: new Map([[vf(0), { instanceId: B, generation: 4 }]]) }))).toEqual([]);
    expect([cleanNow(later.get(vf(0))!), cleanNow(record({ cleanAt: 4, used: 4 })), cleanNow(NO_RECORD)]).toEqual([null, 4, null]);
    expect(planHolds(facts({}, { wishes: wishes([], [holdWish(vf(0), 3, A)]) }))).toEqual([]);
  });
  it('wait for every domain that has the device, or would take it again', () => {
    const had = new Map([[vf(0), record({ used: 3, holder: A })]]);
    expect(planHolds(facts({ uses: [use(0, B)] }, { wishes: released() }))).toEqual([]);
    expect(planHolds(facts({ uses: [use(0, A, false)] }, { wishes: released(), records: had }))).toEqual([]);
    expect(planHolds(facts({}, { wishes: released(), claims: new Map([[vf(0), { instanceId: B, generation: 4 }]]) }))).toEqual([]);
    expect(planHolds(facts({ held: true }, { wishes: released() }))).toEqual([]);
    expect(planHolds(facts({ uses: [use(0, B, false)] }, { wishes: released(), records: had }))).toHaveLength(1);
    const why = (given: DeviceFacts): string | null => waitsFor(given.seen.devices.get(vf(0))!, given);
    expect(why(facts({ uses: [use(0, B)] }, { wishes: released() }))).toContain(`domain ${B} runs with it`);
    expect(why(facts({ uses: [use(0, A, false)] }, { wishes: released(), records: had }))).toContain('is still defined with it');
    expect(why(facts({}, { wishes: released(), claims: new Map([[vf(0), { instanceId: B, generation: 4 }]]) }))).toContain(`server ${B}`);
    for (const given of [facts({}, { wishes: released() }), facts({ uses: [use(0, A)] }, { wishes: wishes([], [holdWish(vf(0), 3, A)]) }), facts({ uses: [use(0, A)] })]) expect(why(given)).toBeNull();
  });
  it('of what nothing can prove are dirty, unless it was never handed out', () => {
    expect(planHolds(facts({}, { wishes: released({ sanitizer: 'quarantine' }) }))).toMatchObject([{ does: 'call-dirty', dirty: { generation: 3, code: 'quarantine' } }]);
    expect(planHolds(facts({}, { wishes: released({ sanitizer: 'quarantine' }), records: new Map([[vf(0), record({ cleanAt: 2, used: 2 })]]) }))).toMatchObject([{ does: 'call-clean' }]);
    expect(planHolds(facts({}, { wishes: released({ sanitizer: 'quarantine' }), records: new Map([[vf(0), record({ cleanAt: 2, used: 3 })]]) }))).toMatchObject([{ does: 'call-dirty' }]);
    const dirty = new Map([[vf(0), record({ used: 3, dirty: { generation: 3, code: 'quarantine', sentence: '' } })]]);
    expect(planHolds(facts({}, { wishes: released({ sanitizer: 'quarantine' }), records: dirty }))).toEqual([]);
    expect(planHolds(facts({}, { wishes: released({ sanitizer: 'quarantine', releasedAt: 3 }), records: dirty }))).toMatchObject([{ does: 'scrub', reset: 'no' }]);
  });
  it('of what the host lives on now are dirty, in no more words than a report takes', () => {
    const [action] = planHolds(facts({ protects: [vfAt(0)], needed: `in-use: sda is part of ${'dm-7, '.repeat(200)}` }, { wishes: released() }));
    expect(action).toMatchObject({ does: 'call-dirty', dirty: { code: 'protected' } });
    expect(HostDevice.shape.dirty.safeParse(action?.does === 'call-dirty' ? action.dirty : null).success).toBe(true);
  });
  it('of what an operator accepts as it is are reset where there is a reset, and no worse where there is none', () => {
    expect(planHolds(facts({}, { wishes: released({ sanitizer: 'operator-accepts' }) }))).toMatchObject([{ does: 'scrub', reset: 'may' }]);
    expect(planHolds(facts({}, { wishes: released() }))).toMatchObject([{ does: 'scrub', reset: 'must' }]);
  });
  it('are given up after some tries, or at once when no try can do better', () => {
    const failed = { generation: 3, code: 'other', sentence: 'no', final: false };
    const once = failedToClean(NO_RECORD, failed, 2);
    expect(once).toMatchObject({ tries: { generation: 3, count: 1 }, dirty: null });
    expect(failedToClean(once, failed, 2)).toMatchObject({ dirty: { generation: 3, code: 'other' } });
    expect(failedToClean(once, { ...failed, generation: 4 }, 2)).toMatchObject({ tries: { generation: 4, count: 1 } });
    expect(failedToClean(NO_RECORD, { ...failed, final: true }, 2)).toMatchObject({ dirty: { generation: 3 } });
  });
  it('and pools leave a card alone of which nobody knows whether it is the one it is taken for', () => {
    const doubtful = { doubt: 'Only its slot says so.', drivers: ['igbvf'], vfs: 4 };
    expect(planHolds(facts(doubtful, { wishes: released() }))).toEqual([]);
    expect(planPools(facts(doubtful))).toMatchObject({ actions: [], problems: [] });
  });
  it('leave nothing of the last holder', () => {
    const given = facts({ drivers: ['igbvf'], settings: [{ vlan: 42 }] });
    const device = given.seen.devices.get(vf(0))!;
    const [settings] = given.settings.get(PF_AT as PciFunction['address'])!;
    expect(leftOver(device, settings!, given, NO_MAC)).toMatch(/vlan is 42/);
    expect(leftOver(device, { ...settings!, vlan: 0 }, given, NO_MAC)).toMatch(/igbvf/);
    expect(leftOver(facts().seen.devices.get(vf(0))!, { ...settings!, vlan: 0, mac: 'fa:16:3e:00:00:01' }, given, NO_MAC)).toMatch(/mac is fa/);
    expect(leftOver(facts().seen.devices.get(vf(0))!, { ...settings!, vlan: 0 }, given, NO_MAC)).toBeNull();
  });
});

describe('what is told of a device', () => {
  it('fits a report and the ledger, however much there is', () => {
    const mates = Array.from({ length: 200 }, (_, at) => ({ identity: `mac:${at}/${'x'.repeat(150)}`, address: vfAt(0) as PciFunction['address'], driver: 'a-long-name-of-a-driver' }));
    const device = { ...facts().seen.devices.get(vf(0))!, mates, protectedBy: 'y'.repeat(300), doubt: null };
    const told = { ...lastSeenOf(device), identity: vf(0), condition: conditionOf(device, NO_RECORD, undefined) };
    expect(HostDevice.safeParse(told)).toMatchObject({ success: true, data: { condition: { code: 'group-not-viable', sentence: expect.stringContaining(' and 192 more shares its IOMMU group') } } });
    expect(conditionOf({ ...device, mates: mates.map((mate) => ({ ...mate, driver: null })) }, NO_RECORD, undefined)).toMatchObject({ code: 'group-not-viable', sentence: '200 functions share its IOMMU group 20: more than go to one guest.' });
    expect(conditionOf({ ...device, mates: [], doubt: 'z'.repeat(900) }, NO_RECORD, undefined)?.sentence).toHaveLength(500);
  });
});

describe('what a look teaches', () => {
  it('is who has a device, also when it was forgotten', () => {
    expect(learned(facts({ uses: [use(0, A)] }, { claims: new Map([[vf(0), { instanceId: A, generation: 2 }]]) })).get(vf(0))).toMatchObject({ used: 2, holder: A, cleanAt: null });
    expect(learned(facts({ uses: [use(0, B)] }, { records: new Map([[vf(0), record({ cleanAt: 0 })]]) })).get(vf(0))).toMatchObject({ cleanAt: null, used: 0 });
  });
  it('is who had a device without any claim: it is not clean by his going, nor the next time', () => {
    let records = new Map<string, DeviceRecord>();
    const look = (uses: DeviceUse[], change: Partial<DeviceFacts> = {}): number | null => {
      records = new Map([...records, ...learned(facts({ uses }, { records, ...change }))]);
      return cleanNow(records.get(vf(0))!);
    };
    const released = { wishes: wishes([poolWish(2)], [holdWish(vf(0), 1, null)]) };
    expect([look([]), look([use(0, B)]), look([use(0, B)]), look([])]).toEqual([0, null, null, null]);
    expect(planHolds(facts({}, { records, ...released }))).toMatchObject([{ does: 'scrub', generation: 1 }]);
    // As long as he is defined with it, he takes it again.
    expect(planHolds(facts({ uses: [use(0, B, false)] }, { records, ...released }))).toEqual([]);
    records.set(vf(0), cleaned(records.get(vf(0))!, 1));
    expect([look([], released), look([use(0, B)], released), look([])]).toEqual([1, null, null]);
    // A server that it belongs to stays the one who had it.
    records = new Map([[vf(0), record({ used: 3, holder: A, cleanAt: 2 })]]);
    look([use(0, B)], { claims: new Map([[vf(0), { instanceId: A, generation: 3 }]]) });
    expect(records.get(vf(0))).toMatchObject({ used: 3, holder: A, cleanAt: null });
  });
  it('is that a device nobody had is clean as found, once it is known that nobody had it', () => {
    expect(learned(facts()).get(vf(0))).toMatchObject({ cleanAt: 0 });
    expect(learned(facts({}, { wishes: null })).get(vf(0))).toMatchObject({ cleanAt: null });
    // A server's that is off, and the memory of it is lost: it may have run with it.
    expect(learned(facts({}, { claims: new Map([[vf(0), { instanceId: A, generation: 1 }]]) })).get(vf(0))).toMatchObject({ cleanAt: null });
    expect(learned(facts({}, { wishes: wishes([], [holdWish(vf(0), 1, null)]) })).get(vf(0))).toMatchObject({ cleanAt: null });
  });
});

describe('an instance gets its devices', () => {
  const wants = (generation = 3, change = {}) => desired({ layout: layout({ devices: [claimedDevice(vf(0), generation, change)] }) });
  const codeOf = (given: DeviceFacts, want = wants()): string => {
    const found = readinessOf(want, given);
    return found.kind === 'refused' ? found.code : found.kind;
  };
  const held = (generation: number, holder: string | null, change: Partial<HoldWish> = {}): Partial<DeviceFacts> => ({ wishes: wishes([poolWish(2)], [holdWish(vf(0), generation, holder, change)]) });
  const known = (change: Partial<DeviceRecord>): Partial<DeviceFacts> => ({ records: new Map([[vf(0), record(change)]]) });

  it('when they are held for it, or its own entry is newer than what is known of holds', () => {
    for (const given of [facts(), facts({}, held(3, A)), facts({}, held(2, null)), facts({}, known({ cleanAt: 2, used: 2, holder: B })), facts({}, known({ used: 3, holder: A })), facts({ uses: [use(0, A)] })]) {
      expect(readinessOf(wants(), given)).toEqual({ kind: 'ready', devices: [{ claimed: { ...claimedDevice(vf(0), 3), place: 0 }, address: vfAt(0) }] });
    }
  });
  it('at no other generation, and never what is another server\'s', () => {
    expect(codeOf(facts({}, held(4, B)))).toBe('device-generation');
    expect(codeOf(facts({}, held(3, B)))).toBe('device-held');
    expect(codeOf(facts({}, held(3, null)))).toBe('device-held');
    expect(codeOf(facts({}, known({ used: 4, holder: A })))).toBe('device-generation');
    expect(codeOf(facts({}, known({ used: 3, holder: B })))).toBe('device-held');
    expect(codeOf(facts({}, known({ cleanAt: 3 })))).toBe('device-generation');
    expect(codeOf(facts({ uses: [use(0, B)] }))).toBe('device-in-use');
  });
  it('never unclean, never protected, never twice, never with what hurts others', () => {
    expect(codeOf(facts({}, known({ used: 2, holder: B, cleanAt: 1 })))).toBe('device-not-clean');
    expect(codeOf(facts({}, { ...known({ used: 2, holder: B, cleanAt: 1 }), ...held(3, A, { releasedAt: 2 }) }))).toBe('ready');
    expect(codeOf(facts({}, known({ used: 2, dirty: { generation: 2, code: 'x', sentence: 'y' } })))).toBe('device-dirty');
    expect(codeOf(facts({ protects: [vfAt(0)] }))).toBe('device-protected');
    expect(codeOf(facts({ held: true }))).toBe('device-unusable');
    expect(codeOf(facts({}, { mayWrite: false }))).toBe('devices-unsupported');
    expect(codeOf(facts(), desired({ layout: layout({ devices: [claimedDevice(vf(0), 3), claimedDevice(vf(0), 3)] }) }))).toBe('device-twice');
    expect(codeOf(facts(), desired({ layout: layout({ devices: [claimedDevice(PF, 3)] }) }))).toBe('pf-has-vfs');
  });
  it('when they come by themselves; and hears why they do not', () => {
    expect(readinessOf(wants(), null)).toMatchObject({ kind: 'wait' });
    expect(codeOf(facts({ vfs: 0 }))).toBe('wait');
    expect(codeOf(facts({ vfs: 0 }, { wishes: wishes([]) }))).toBe('device-missing');
    expect(codeOf(facts({ vfs: 0, total: 1 }))).toBe('device-missing');
    expect(readinessOf(desired(), null)).toEqual({ kind: 'ready', devices: [] });
  });
});
