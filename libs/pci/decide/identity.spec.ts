import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parsePciAddress } from '../address.js';
import type { PciAddress, PciFunction } from '../api.js';
import { FakePci } from '../fake/fake-pci.js';
import { FakeKernel } from '../fake/kernel.js';
import { fleetShape, labShape, type FakeFunctionShape, type FakeShape } from '../fake/shape.js';
import { acceptIdentity, forgetIdentity, identify, type IdentityMemory } from './identity.js';

const IDENTITY = /^[a-z]+:[\x21-\x7e]{1,200}$/;

function card(address: string, more: Partial<PciFunction> = {}): PciFunction {
  const at = parsePciAddress(address);
  return {
    address: at, path: [], vendor: '10de', product: '20b5', subsystemVendor: null, subsystemProduct: null, pciClass: '030200', driver: null, driverOverride: null, numaNode: null,
    iommuGroup: null, isBridge: false, resetMethods: [], serial: null, networks: [], blocks: [], mdevTypes: [], aer: null, sriov: null, physfn: null, ...more,
  };
}
const nic = (address: string, mac: string | null, more: Partial<PciFunction> = {}): PciFunction => card(address, {
  vendor: '8086', product: '10c9', pciClass: '020000', driver: mac === null ? 'vfio-pci' : 'igb', networks: mac === null ? [] : [{ name: 'eth0', mac, permanentMac: mac, isUp: true, link: 'up' }], ...more,
});
const bus = (...functions: PciFunction[]): ReadonlyMap<PciAddress, PciFunction> => new Map(functions.map((one) => [one.address, one]));
const names = (functions: ReadonlyMap<PciAddress, PciFunction>, boot: string, memory: IdentityMemory | null): { named: Record<string, string>; memory: IdentityMemory } => {
  const { devices, memory: next } = identify(functions, boot, memory);
  return { named: Object.fromEntries([...devices].map(([address, one]) => [address, `${one.identity}${one.doubt === null ? '' : ` ${one.doubt.kind}`}`])), memory: next };
};
const M1 = 'a0:36:9f:00:00:01';
const M2 = 'a0:36:9f:00:00:02';
const SERIAL = '00-11-22-33-44-55-66-77';

describe('identities', () => {
  it('are made of a serial and the function, of a MAC, of the slot, in this order', () => {
    const { devices } = identify(bus(card('0000:01:00.0', { serial: SERIAL }), card('0000:01:00.1', { serial: SERIAL }), nic('0000:02:00.0', M1), card('0000:03:00.0', { path: [parsePciAddress('0000:00:05.0')] })), 'b', null);
    expect(Object.fromEntries([...devices].map(([address, one]) => [address, `${one.strength} ${one.identity}`]))).toEqual({
      '0000:01:00.0': `strong serial:10de:20b5/${SERIAL}/0`, '0000:01:00.1': `strong serial:10de:20b5/${SERIAL}/1`,
      '0000:02:00.0': `strong mac:${M1}`, '0000:03:00.0': 'weak slot:0000:00/05.0/00.0/10de:20b5',
    });
  });

  it('stay while a guest\'s driver hides the MAC, within a boot and after one', () => {
    const first = names(bus(nic('0000:01:00.0', M1)), 'b1', null);
    const hidden = names(bus(nic('0000:01:00.0', null)), 'b1', first.memory);
    expect(hidden.named).toEqual({ '0000:01:00.0': `mac:${M1}` });
    expect(names(bus(nic('0000:01:00.0', null)), 'b2', hidden.memory).named).toEqual({ '0000:01:00.0': `mac:${M1}` });
  });

  it('are in doubt when the MAC is hidden after a boot that changed the bus, until the MAC is seen', () => {
    const first = names(bus(nic('0000:01:00.0', M1)), 'b1', null);
    const second = names(bus(nic('0000:01:00.0', null), card('0000:05:00.0')), 'b2', first.memory);
    expect(second.named['0000:01:00.0']).toBe(`mac:${M1} moved`);
    expect(names(bus(nic('0000:01:00.0', M1), card('0000:05:00.0')), 'b2', second.memory).named['0000:01:00.0']).toBe(`mac:${M1}`);
    expect(names(bus(nic('0000:01:00.0', M2), card('0000:05:00.0')), 'b2', second.memory).named['0000:01:00.0']).toBe(`mac:${M2}`);
  });

  it('of slots are in doubt after a boot that changed the bus; the operator\'s word, or the old bus, clears it', () => {
    const first = names(bus(card('0000:01:00.0')), 'b1', null);
    const grown = bus(card('0000:01:00.0'), card('0000:02:00.0', { vendor: '1234' }));
    const second = names(grown, 'b2', first.memory);
    const identity = 'slot:0000:01/00.0/10de:20b5';
    expect(second.named).toMatchObject({ '0000:01:00.0': `${identity} moved`, '0000:02:00.0': 'slot:0000:02/00.0/1234:20b5' });
    expect(names(grown, 'b3', second.memory).named['0000:01:00.0']).toBe(`${identity} moved`);
    expect(names(bus(card('0000:01:00.0')), 'b3', second.memory).named['0000:01:00.0']).toBe(identity);
    const accepted = acceptIdentity(second.memory, identity, grown);
    expect(names(grown, 'b2', accepted).named['0000:01:00.0']).toBe(identity);
    expect(names(grown, 'b3', accepted).named['0000:01:00.0']).toBe(identity);
  });

  it('of slots stay through a change within one boot: they have been seen all the time', () => {
    const first = names(bus(card('0000:01:00.0')), 'b1', null);
    const second = names(bus(card('0000:01:00.0'), card('0000:02:00.0')), 'b1', first.memory);
    expect(second.named['0000:01:00.0']).toBe('slot:0000:01/00.0/10de:20b5');
  });

  it('do not take a card of the same model in another slot for a new one, when one is missing', () => {
    const first = names(bus(card('0000:01:00.0')), 'b1', null);
    const second = names(bus(card('0000:02:00.0')), 'b2', first.memory);
    expect(second.named['0000:02:00.0']).toMatch(/ returned$/);
    expect(names(bus(card('0000:02:00.0')), 'b3', second.memory).named['0000:02:00.0']).toMatch(/ returned$/);
    const forgotten = forgetIdentity(acceptIdentity(second.memory, 'slot:0000:02/00.0/10de:20b5', bus(card('0000:02:00.0'))), 'slot:0000:01/00.0/10de:20b5');
    expect(names(bus(card('0000:02:00.0')), 'b3', forgotten).named['0000:02:00.0']).toBe('slot:0000:02/00.0/10de:20b5');
    expect(forgotten.devices).toHaveLength(1);
  });

  it('fall back where cards share a serial, and leave the first one its name', () => {
    const one = nic('0000:01:00.0', M1, { serial: SERIAL });
    const two = nic('0000:02:00.0', M2, { serial: SERIAL });
    expect(names(bus(one, two), 'b', null).named).toEqual({ '0000:01:00.0': `mac:${M1}`, '0000:02:00.0': `mac:${M2}` });
    const first = names(bus(one), 'b1', null);
    const second = names(bus(nic('0000:02:00.0', M1, { serial: SERIAL }), nic('0000:01:00.0', M2, { serial: SERIAL })), 'b2', first.memory);
    expect(second.named).toEqual({ '0000:02:00.0': `serial:8086:10c9/${SERIAL}/0`, '0000:01:00.0': `mac:${M2}` });
    // The serial is known to say nothing, even when one of them is alone again.
    const third = names(bus(nic('0000:02:00.0', M2, { serial: SERIAL })), 'b3', second.memory);
    expect(third.named).toEqual({ '0000:02:00.0': `mac:${M2}` });
  });

  it('believe no serial that is no serial', () => {
    for (const serial of ['00-00-00-00-00-00-00-00', 'ff-ff-ff-ff', '0', 'N/A', '1234567', '0123456789']) {
      expect(identify(bus(card('0000:01:00.0', { serial })), 'b', null).devices.get(parsePciAddress('0000:01:00.0'))?.strength).toBe('weak');
    }
  });

  it('do not name a hidden NIC that nothing is remembered of, until its MAC is seen', () => {
    const first = names(bus(nic('0000:01:00.0', null)), 'b1', null);
    expect(first.named['0000:01:00.0']).toMatch(/^slot:.* unseen$/);
    expect(names(bus(nic('0000:01:00.0', M1)), 'b1', first.memory).named).toEqual({ '0000:01:00.0': `mac:${M1}` });
  });

  it('by serials are in doubt while those can\'t be read after a boot, and found again wherever the cards are when they can', () => {
    const gpus = (one: string | null, two: string | null) => bus(card('0000:01:00.0', { serial: one }), card('0000:02:00.0', { serial: two }));
    const [A, B] = ['gpu-4711', 'gpu-4712'];
    const [a, b] = [A, B].map((serial) => `serial:10de:20b5/${serial}/0`);
    const first = names(gpus(A, B), 'b1', null);
    // Within the boot they have been seen all the time, be it by another agent.
    expect(names(gpus(null, null), 'b1', first.memory).named).toEqual({ '0000:01:00.0': a, '0000:02:00.0': b });
    const late = names(gpus(null, null), 'b2', first.memory);
    expect(late.named).toEqual({ '0000:01:00.0': `${a} unread`, '0000:02:00.0': `${b} unread` });
    expect(names(gpus(null, null), 'b2', late.memory).named).toEqual(late.named);
    expect(names(gpus(A, B), 'b2', late.memory).named).toEqual(first.named);
    // They were swapped.
    expect(names(gpus(B, A), 'b2', late.memory).named).toEqual({ '0000:01:00.0': b, '0000:02:00.0': a });
    expect(names(gpus(null, null), 'b2', acceptIdentity(late.memory, a!, gpus(null, null))).named['0000:01:00.0']).toBe(a);
  });

  it('of another model in the same slot are others', () => {
    const first = names(bus(card('0000:01:00.0')), 'b1', null);
    expect(names(bus(card('0000:01:00.0', { product: '2330' })), 'b2', first.memory).named['0000:01:00.0']).toBe('slot:0000:01/00.0/10de:2330');
  });
});

describe('identities over any life of a host', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom('vfs' as const, 'vfio' as const, 'kernel' as const, 'vanish' as const), pick: fc.nat(50) }),
    fc.record({ kind: fc.constantFrom('reboot' as const, 'renumber' as const, 'forget' as const, 'comeBack' as const), pick: fc.nat(50) }),
  );

  /** Runs a life; after each step every name must be one device's alone, and a name without doubt always the same silicon's. */
  async function live(shape: FakeShape, steps: readonly { readonly kind: string; readonly pick: number }[]): Promise<void> {
    const kernel = new FakeKernel(shape);
    const pci = new FakePci(kernel);
    const silicon = new Map<string, string>();
    let memory: IdentityMemory | null = null;
    for (const one of [{ kind: 'look', pick: 0 }, ...steps]) {
      const { functions } = await pci.read();
      const cards = [...functions.values()].filter((each) => !each.isBridge && each.physfn === null);
      const chosen = cards[one.pick % Math.max(1, cards.length)];
      const pf = cards.filter((each) => each.sriov !== null)[one.pick % 2];
      if (one.kind === 'vfs' && pf !== undefined) await pci.setNumVfs(pf.address, pf.sriov?.numVfs === 0 ? 1 + (one.pick % 4) : 0, { autoprobe: false }).catch(() => undefined);
      if (one.kind === 'vfio' && chosen !== undefined) await pci.bind(chosen.address, 'vfio-pci').catch(() => undefined);
      if (one.kind === 'kernel' && chosen !== undefined) await pci.bind(chosen.address, 'kernel').catch(() => undefined);
      if (one.kind === 'vanish' && chosen !== undefined && cards.length > 2) kernel.vanish(chosen.address);
      if (one.kind === 'comeBack') for (const each of kernel.state.functions.values()) if (!each.present && each.vf === null) kernel.comeBack(each.key);
      if (one.kind === 'reboot') kernel.reboot();
      if (one.kind === 'renumber') kernel.renumber();
      const reading = await pci.read();
      const found = identify(reading.functions, pci.bootId, memory);
      memory = found.memory;
      const again = identify(reading.functions, pci.bootId, memory);
      expect([...again.devices]).toEqual([...found.devices]);
      expect(new Set([...found.devices.values()].map((each) => each.identity)).size).toBe(found.devices.size);
      for (const [address, device] of found.devices) {
        expect(device.identity).toMatch(IDENTITY);
        if (device.doubt !== null) continue;
        const key = kernel.state.at(address)?.key ?? '';
        expect([device.identity, silicon.get(device.identity) ?? key]).toEqual([device.identity, key]);
        silicon.set(device.identity, key);
      }
    }
  }

  it('always name the same silicon on the lab\'s host', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => { await live(labShape(), steps); }), { numRuns: 30 });
  }, 30_000);

  it('and on one with cheap cards that all have the same serial', async () => {
    const twins: FakeFunctionShape[] = ['01', '02', '03'].map((at, nth) => ({
      address: `0000:${at}:00.0`, parent: `0000:00:0${nth + 1}.0`, vendor: '10ec', product: '8168', pciClass: '020000', kernelDriver: 'r8169', network: `eth${nth}`, mac: `00:e0:4c:68:00:0${nth}`, serial: '01-00-00-00-68-4c-e0-00',
    }));
    const ports: FakeFunctionShape[] = [1, 2, 3].map((nth) => ({ address: `0000:00:0${nth}.0`, vendor: '1b36', product: '000c', pciClass: '060400', bridge: true, kernelDriver: 'pcieport' }));
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      await live({ iommu: true, drivers: ['vfio-pci'], functions: [...ports, ...twins, ...fleetShape({ pfs: 0 }).functions] }, steps);
    }), { numRuns: 30 });
  }, 30_000);
});
