import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { placementCase } from '../testing/placement-cases.js';
import { capacityOf, ORDINARY_KIB, type Inventory } from './capacity.js';
import { decideEnrolment, type HostFacts, type Joining, type TokenFacts } from './enrolment.js';
import { HostCells } from './numa/host-cells.js';
import { makeOf, traitOf } from './make.js';
import { negotiate, noCommonProtocol } from './protocol.js';
import { admitSession } from './session.js';

describe('limits from an inventory', () => {
  const inventory = { vcpus: 10, memoryMib: 1000, diskGib: 100, reservedMemoryMib: 200, reservedDiskGib: 10 };
  const one = { cpu: 1, ram: 1, disk: 1 };
  const none = { dedicatedCpus: [], cells: [], resources: {} };
  it('takes reserves off and ratios on', () => {
    expect(capacityOf(inventory, { cpu: 4, ram: 1.5, disk: 1 })).toEqual({ limit: { vcpus: 40, memoryMib: 1200, diskGib: 90 }, largest: { vcpus: 10, memoryMib: 800 }, ...none });
  });
  it('is never negative, however little is left', () => {
    expect(capacityOf({ ...inventory, reservedMemoryMib: 5000, reservedDiskGib: 500 }, { cpu: 0.01, ram: 1, disk: 1 })).toEqual({ limit: { vcpus: 0, memoryMib: 0, diskGib: 0 }, largest: { vcpus: 10, memoryMib: 0 }, ...none });
    expect(capacityOf({ ...inventory, cells: [{ id: 0, memoryMib: 10, pages: [{ kib: 2048, total: 100 }] }], sharedCpus: [], dedicatedCpus: [0] }, one)).toMatchObject({ limit: { vcpus: 0 }, cells: [{ kib: 0 }, { kib: 204_800 }] });
  });
  it('CPUs float over the shared set only, times the ratio; dedicated ones are counted one by one', () => {
    const odd = { id: 0, memoryMib: 10, pages: [{ kib: 2048, total: 1 }, { kib: 2048, total: 2 }, { kib: 4, total: 9 }, { kib: 0, total: 9 }] };
    expect(capacityOf({ ...inventory, cells: [odd, odd] }, one).cells).toEqual([{ cell: 0, pageKib: 4, kib: 2 * 4096 }, { cell: 0, pageKib: 2048, kib: 6 * 2048 }]);
    expect(capacityOf({ ...inventory, sharedCpus: [0, 1], dedicatedCpus: [9, 8, 8] }, { ...one, cpu: 4 })).toMatchObject({ limit: { vcpus: 8 }, largest: { vcpus: 2 }, dedicatedCpus: [8, 9] });
    expect(capacityOf({ ...inventory, sharedCpus: null, dedicatedCpus: [8, 9] }, one)).toMatchObject({ limit: { vcpus: 8 } });
  });
  it('huge pages are no memory of the host, and are counted cell by cell beside what is ordinary there', () => {
    const cells = [{ id: 0, memoryMib: 500, pages: [{ kib: 2048, total: 50 }] }, { id: 1, memoryMib: 500, pages: [] }];
    expect(capacityOf({ ...inventory, cells }, { ...one, ram: 2 })).toMatchObject({
      limit: { memoryMib: 1400 }, largest: { memoryMib: 700 },
      cells: [{ cell: 0, pageKib: 4, kib: 400 * 1024 }, { cell: 0, pageKib: 2048, kib: 100 * 1024 }, { cell: 1, pageKib: 4, kib: 500 * 1024 }],
    });
  });
  it('says of cells what placement thinks of them', () => {
    fc.assert(fc.property(fc.nat(), (seed) => {
      for (const { make } of placementCase(seed).hosts) {
        if (!make) continue;
        const limits = capacityOf({ ...inventory, ...make } as unknown as Inventory, one);
        const known = new HostCells(make).cells;
        expect(known.flatMap(({ cores }) => cores.flatMap(({ threads }) => threads)).sort((a, b) => a - b)).toEqual(limits.dedicatedCpus);
        for (const { id, memoryMib, pages } of known) {
          const of = limits.cells.filter(({ cell }) => cell === id);
          expect(new Map(of.map(({ pageKib, kib }) => [pageKib, kib]))).toEqual(new Map([[ORDINARY_KIB, memoryMib * 1024], ...pages.map(({ kib, total }): [number, number] => [kib, kib * total])]));
        }
      }
    }), { numRuns: 200 });
  });
});

describe('how a host is made', () => {
  it('an older agent tells less, and nothing is made up', () => {
    expect(makeOf({ cpuArch: 'x86_64', cells: [{ id: 0, cpus: [0, 1], memoryMib: 10 }] }, ['ECHO'], 7)).toEqual({
      version: 7, architecture: 'x86_64', cells: [{ id: 0, cpus: [0, 1], memoryMib: 10, socket: 0, cores: [], pages: [], distances: [] }],
      sharedCpus: null, dedicatedCpus: [], cpuFlags: [], traits: ['CUSTOM_SKYLITE_ECHO'], resources: {},
    });
    expect(traitOf('disk-relay')).toBe('CUSTOM_SKYLITE_DISK_RELAY');
  });
});

describe('protocol', () => {
  it('is the highest both know', () => {
    expect(negotiate({ min: 1, max: 3 }, { min: 2, max: 5 })).toBe(3);
    expect(negotiate({ min: 2, max: 5 }, { min: 1, max: 3 })).toBe(3);
    expect(negotiate({ min: 1, max: 1 }, { min: 1, max: 1 })).toBe(1);
  });
  it('without one both ranges are named, and whom to upgrade', () => {
    expect(negotiate({ min: 3, max: 4 }, { min: 1, max: 2 })).toBeNull();
    expect(noCommonProtocol({ min: 3, max: 4 }, { min: 1, max: 2 })).toBe('The agent speaks protocol 1 to 2, this control plane 3 to 4: they have none in common. Upgrade the agent.');
    expect(noCommonProtocol({ min: 1, max: 1 }, { min: 2, max: 3 })).toBe('The agent speaks protocol 2 to 3, this control plane 1: they have none in common. Upgrade the control plane first, then its agents.');
  });
});

describe('sessions', () => {
  const known = { bootId: 'one', inventoryGeneration: 5, incomplete: false };
  const admit = (bootId: string, inventoryGeneration: number, silentMs: number): unknown => admitSession(known, { bootId, inventoryGeneration }, silentMs, 10_000);
  it('the same boot goes on; only a newer generation is stored', () => {
    expect(admit('one', 6, 0)).toEqual({ admit: 'same', store: true });
    expect(admit('one', 5, 0)).toEqual({ admit: 'same', store: false });
    expect(admit('one', 4, Infinity)).toEqual({ admit: 'same', store: false });
  });
  it('what an older scheduler stored in part is stored again, unless it is an older message', () => {
    const again = (inventoryGeneration: number): unknown => admitSession({ ...known, incomplete: true }, { bootId: 'one', inventoryGeneration }, 0, 10_000);
    expect([again(4), again(5)]).toEqual([{ admit: 'same', store: false }, { admit: 'same', store: true }]);
  });
  it('another boot waits until the first was silent for the timeout, whatever its generation', () => {
    expect(admit('two', 9, 3_500)).toEqual({ admit: 'refused', retryAfterS: 7 });
    expect(admit('two', 9, 9_999)).toEqual({ admit: 'refused', retryAfterS: 1 });
    expect(admit('two', 1, 10_000)).toEqual({ admit: 'new' });
  });
  it('the first session is let in at once', () => {
    expect(admitSession({ bootId: null, inventoryGeneration: 0, incomplete: true }, { bootId: 'x', inventoryGeneration: 1 }, Infinity, 10_000)).toEqual({ admit: 'new' });
  });
});

describe('enrolment', () => {
  const token: TokenFacts = { availabilityZone: 'nova', onlyWhenAsked: false, simulated: false, expired: false, usedByHost: null };
  const joining: Joining = { hostId: 'h1', name: 'a', publicNkey: 'K1', simulated: false };
  const enrolled: HostFacts = { id: 'h1', name: 'a', publicNkey: 'K1', availabilityZone: 'nova', simulated: false };
  const cases: [string, TokenFacts | null, Partial<Joining>, HostFacts[], string][] = [
    ['a fresh token', token, {}, [], 'enrol'],
    ['no such token', null, {}, [], 'forbidden'],
    ['an expired token', { ...token, expired: true }, {}, [], 'forbidden'],
    ['a used token', { ...token, usedByHost: 'h2' }, {}, [], 'forbidden'],
    ['a used token, asked again by its host', { ...token, usedByHost: 'h1', expired: true }, {}, [enrolled], 'welcome-back'],
    ['a used token, its host with another key', { ...token, usedByHost: 'h1' }, { publicNkey: 'K2' }, [enrolled], 'forbidden'],
    ['a known host with a fresh token', token, {}, [enrolled], 'welcome-back'],
    ['a known host with another key', token, { publicNkey: 'K2' }, [enrolled], 'conflict'],
    ['a known host under another name', token, { name: 'b' }, [enrolled], 'conflict'],
    ['a name that is taken', token, { hostId: 'h2', publicNkey: 'K2' }, [enrolled], 'conflict'],
    ['a key that is taken', token, { hostId: 'h2', name: 'b' }, [enrolled], 'conflict'],
    ['a simulated host with a token for real ones', token, { simulated: true }, [], 'bad-request'],
    ['a real host with a token for simulated ones', { ...token, simulated: true }, {}, [], 'bad-request'],
  ];
  it.each(cases)('%s', (_name, facts, change, others, expected) => {
    const decision = decideEnrolment(facts, { ...joining, ...change }, others);
    expect(decision.do === 'refuse' ? decision.kind : decision.do).toBe(expected);
  });
  it('says the same of unknown, used and expired tokens', () => {
    const words = [null, { ...token, expired: true }, { ...token, usedByHost: 'h9' }].map((facts) => decideEnrolment(facts, joining, []));
    expect(new Set(words.map((decision) => JSON.stringify(decision))).size).toBe(1);
  });
});
