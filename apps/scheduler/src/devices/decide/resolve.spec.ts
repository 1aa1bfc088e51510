import { describe, expect, it } from '@jest/globals';
import type { DevicePool, HostDevice } from '#libs/contracts';
import { FAST, fn, GPU, gpuPool, pf, PF0, PF1, POOL_A, POOL_B, row, vfName, vfPool, withVfs } from '../testing/devices.js';
import type { HostFacts } from './match.js';
import { placeRows } from './place-rows.js';
import { resolve } from './resolve.js';
import type { Definitions, StockDevice } from './stock.js';

const host: HostFacts = { id: 'h', name: 'one', labels: new Map() };
const defined = (...pools: DevicePool[]): Definitions => ({ classes: new Map([[FAST.name, FAST], [GPU.name, GPU]]), pools });
const roles = (facts: (HostDevice | StockDevice)[], definitions: Definitions): Record<string, string | null> =>
  Object.fromEntries([...resolve(host, facts.map((one) => ('facts' in one ? one : row(one))), definitions).places].map(([identity, { role, poolId }]) => [identity, poolId === null ? null : role]));
const held = { holder: { instanceId: '99999999-9999-4999-8999-999999999999', generation: 1, className: 'fast-net', purpose: 'run' } };

describe('a pool of VFs', () => {
  it('keeps PFs and offers their VFs; other PFs stay out', () => {
    const { places, wishes } = resolve(host, [...withVfs(PF0, 4), pf(PF1, { vendor: '15b3' })].map((one) => row(one)), defined(vfPool()));
    expect(places.get(PF0)).toMatchObject({ role: 'keeper', poolId: POOL_A, className: 'fast-net' });
    expect(places.get(vfName(PF0, 3))).toMatchObject({ role: 'offered', poolId: POOL_A, unit: vfName(PF0, 3) });
    expect(places.get(PF1)).toMatchObject({ poolId: null });
    expect(wishes).toMatchObject([{ identity: PF0, mode: 'vfs', vfs: { count: 4, driver: 'vfio-pci' } }]);
  });
  it('without a count wants all that there can be', () => {
    expect(resolve(host, [row(pf(PF0))], defined(vfPool({ vfCount: null }))).wishes).toMatchObject([{ vfs: { count: 7 } }]);
  });
  it('gives out none of the VFs that are about to be made anew, unless somebody has one', () => {
    expect(roles(withVfs(PF0, 2), defined(vfPool()))).toEqual({ [PF0]: 'keeper', [vfName(PF0, 0)]: 'withheld', [vfName(PF0, 1)]: 'withheld' });
    const [parent, first, second] = withVfs(PF0, 2) as [HostDevice, HostDevice, HostDevice];
    expect(roles([row(parent), row(first, held), row(second)], defined(vfPool()))).toEqual({ [PF0]: 'keeper', [vfName(PF0, 0)]: 'offered', [vfName(PF0, 1)]: 'offered' });
  });
  it('offers only what is of its class, and nothing its host lives on', () => {
    const parts = withVfs(PF0, 4).map((one, at) => (at === 1 ? { ...one, product: '1520' } : at === 2 ? { ...one, protectedBy: 'default-route' } : one));
    expect(roles(parts, defined(vfPool()))).toMatchObject({ [vfName(PF0, 0)]: 'withheld', [vfName(PF0, 1)]: null, [vfName(PF0, 2)]: 'offered' });
    expect(roles([pf(PF0, { protectedBy: 'default-route' })], defined(vfPool()))).toEqual({ [PF0]: null });
  });
  it('takes no functions', () => { expect(roles([fn('slot:1', { vendor: '8086' })], defined(vfPool({ match: { vendor: ['8086'] } })))).toEqual({ 'slot:1': null }); });
});

describe('two pools', () => {
  it('that match one function get nothing of it', () => {
    const definitions = defined(vfPool(), vfPool({ id: POOL_B, name: 'other', match: { pf: ['enp1s0'] } }));
    const { places, wishes, clashes } = resolve(host, withVfs(PF0, 4).map((one) => row(one)), definitions);
    expect(clashes).toMatchObject([{ identity: PF0 }]);
    expect(places.get(PF0)).toMatchObject({ role: 'withheld', note: expect.stringContaining('nics, other') });
    expect(wishes).toEqual([]);
  });
  it('of functions leave VFs to those who keep them, unless they name them', () => {
    const all = gpuPool({ className: 'fast-net', match: { vendor: ['8086'], slot: ['0000:01:10.*'] } });
    expect(roles(withVfs(PF0, 4), defined(vfPool(), all))[vfName(PF0, 0)]).toBe('offered');
    expect(roles(withVfs(PF0, 4), defined(vfPool(), { ...all, match: { ...all.match, kind: ['vf'] } }))[vfName(PF0, 0)]).toBe('withheld');
  });
});

describe('a pool of functions', () => {
  const gpu = fn('slot:a', { mates: ['slot:b'] });
  const audio = fn('slot:b', { product: '1aef', pciClass: '040300', mates: ['slot:a'] });
  it('draws in what goes along, and wishes for both', () => {
    const { places, wishes } = resolve(host, [gpu, audio].map((one) => row(one)), defined(gpuPool()));
    expect(places.get('slot:a')).toMatchObject({ role: 'offered', unit: 'slot:a' });
    expect(places.get('slot:b')).toMatchObject({ role: 'companion', unit: 'slot:a', poolId: POOL_B });
    expect(wishes.map(({ identity, vfs }) => [identity, vfs])).toEqual([['slot:a', null], ['slot:b', null]]);
  });
  it.each<[string, StockDevice[], DevicePool]>([
    ['the pool gives no groups', [row(gpu), row(audio)], gpuPool({ groupTogether: false })],
    ['a mate is protected', [row(gpu), row({ ...audio, protectedBy: 'boot-disk' })], gpuPool()],
    ['a mate is not there', [row(gpu)], gpuPool()],
    ['a mate is missing', [row(gpu), row(audio, { missing: true })], gpuPool()],
    ['a mate keeps VFs', [row(gpu), row({ ...audio, kind: 'pf', sriov: { totalVfs: 4, numVfs: 1 } })], gpuPool()],
  ])('is not given out when %s', (_why, rows, pool) => {
    const { places, wishes } = resolve(host, rows, defined(pool));
    expect(places.get('slot:a')).toMatchObject({ role: 'withheld', note: expect.stringContaining('IOMMU group') });
    expect(wishes).toEqual([]);
  });
  it('never gives a PF with live VFs', () => {
    expect(roles(withVfs(PF0, 2), defined(gpuPool({ className: 'fast-net', match: { kind: ['pf'] } })))[PF0]).toBe('withheld');
  });
});

describe('what a server has', () => {
  it('keeps its pool and its PF\'s, whatever is defined meanwhile', () => {
    const rows = withVfs(PF0, 4).map((one, at) => row(one, { poolId: POOL_A, className: 'fast-net', role: at === 0 ? 'keeper' : 'offered', ...(at === 2 && held) }));
    const { places, wishes } = resolve(host, rows, defined(vfPool({ match: { vendor: ['1af4'] } })));
    expect(places.get(vfName(PF0, 1))).toMatchObject({ poolId: POOL_A });
    expect(wishes).toMatchObject([{ identity: PF0, vfs: { count: 4 } }]);
    const free = resolve(host, rows.map((one) => ({ ...one, holder: null })), defined(vfPool({ match: { vendor: ['1af4'] } })));
    expect([...free.places.values()].every(({ poolId }) => poolId === null)).toBe(true);
    expect(free.wishes).toEqual([]);
  });
  it('that is not there keeps its place while there is its pool', () => {
    const gone = row(withVfs(PF0, 1)[1]!, { poolId: POOL_A, className: 'fast-net', role: 'offered', missing: true });
    expect(placeRows(host, [gone], defined(vfPool())).rows).toEqual([gone]);
    expect(placeRows(host, [gone], defined()).rows).toMatchObject([{ poolId: null, role: null }]);
    // A function that was switched off for good: its old mates are given out without it.
    const mate = row(withVfs(PF0, 1)[1]!, { poolId: POOL_A, className: 'fast-net', role: 'companion', unit: 'slot:a', missing: true });
    expect(placeRows(host, [mate], defined(vfPool())).rows).toEqual([{ ...mate, unit: mate.identity }]);
    const held = { ...mate, holder: { instanceId: 'i', generation: 1, className: 'fast-net', purpose: 'run' } };
    expect(placeRows(host, [held], defined(vfPool())).rows).toEqual([held]);
  });
  it('that is not there, and that a server has, keeps the rest of its group from everybody else', () => {
    const audio = row(fn('slot:b', { product: '1aef', pciClass: '040300', mates: ['slot:a'] }), { poolId: POOL_B, className: 'a100', role: 'companion', unit: 'slot:a', missing: true, ...held });
    const alone = fn('slot:a', { mates: [] });
    expect(resolve(host, [row(alone), audio], defined(gpuPool())).places.get('slot:a')).toMatchObject({ role: 'withheld', note: expect.stringContaining('slot:b, which a server has') });
    expect(resolve(host, [row(alone), { ...audio, holder: null }], defined(gpuPool())).places.get('slot:a')).toMatchObject({ role: 'offered' });
    expect(resolve(host, [row(alone, { ...held, poolId: POOL_B }), audio], defined(gpuPool())).places.get('slot:a')).toMatchObject({ role: 'offered' });
  });
});
