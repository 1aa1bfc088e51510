import { describe, expect, it } from '@jest/globals';
import type { DeviceClass, DevicePlan, DevicePool, HostDevice } from '#libs/contracts';
import { FAST, fn, GPU, gpuPool, pf, PF0, PF1, POOL_A, row, vfName, vfPool, withVfs } from '../testing/devices.js';
import type { HostFacts } from './match.js';
import { PLAN_LIST, PlanMaker, type Change } from './plan.js';
import { resolve } from './resolve.js';
import type { Definitions, StockDevice } from './stock.js';

const hosts: HostFacts[] = Array.from({ length: 3 }, (_, at) => ({ id: `h${at}`, name: `host-${at}`, labels: new Map() }));
const server = '99999999-9999-4999-8999-999999999999';
const held = { holder: { instanceId: server, generation: 1, className: 'fast-net', purpose: 'run' }, generation: 1 };

function plan(change: Change, pools: DevicePool[], rows: (HostDevice | StockDevice)[], classes: DeviceClass[] = [FAST, GPU], many = hosts.slice(0, 1)): DevicePlan & { leaving: string[]; withheld: string[] } {
  const before: Definitions = { classes: new Map(classes.map((one) => [one.name, one])), pools };
  const after: Definitions = 'pool' in change
    ? { ...before, pools: [...pools.filter(({ id }) => id !== change.pool.before?.id), ...(change.pool.after ? [change.pool.after] : [])] }
    : { ...before, classes: new Map([...classes.filter(({ name }) => name !== change.class.before?.name), ...(change.class.after ? [change.class.after] : [])].map((one) => [one.name, one])) };
  const maker = new PlanMaker(before, after, change);
  for (const host of many) maker.add(host, rows.map((one) => ('facts' in one ? one : row(one))));
  return { ...maker.finish(), leaving: maker.leaving, withheld: maker.withheld };
}
const make = (pool: DevicePool): Change => ({ pool: { before: null, after: pool } });
const codes = ({ refusals, warnings }: DevicePlan): string[][] => [refusals.map(({ code }) => code), warnings.map(({ code }) => code)];
const inPool = (facts: HostDevice[], change: (at: number) => Partial<StockDevice> = () => ({})): StockDevice[] =>
  facts.map((one, at) => row(one, { poolId: POOL_A, className: 'fast-net', role: at === 0 ? 'keeper' : 'offered', ...change(at) }));

describe('a fenced host', () => {
  const narrower: Change = { pool: { before: vfPool(), after: vfPool({ match: { kind: ['pf'], vendor: ['8086'], hosts: ['other'] } }) } };
  const fewer: Change = { pool: { before: vfPool(), after: vfPool({ vfCount: 2 }) } };
  const ended: Change = { pool: { before: vfPool(), after: null } };
  const left = { ...held, holder: { ...held.holder, purpose: 'lost:1' } };
  const on = (change: Partial<StockDevice>, fenced: boolean) => inPool(withVfs(PF0, 4).map((one, at) => (at === 2 && change.holder ? { ...one, usedBy: server as never } : one)), (at) => ({ fenced, ...(at === 2 && change) }));
  it.each([narrower, fewer, ended])('stands in no way of a change with what an evacuation left behind there: %#', (change) => {
    expect(codes(plan(change, [vfPool()], on(left, true)))[0]).toEqual([]);
    expect(codes(plan(change, [vfPool()], on(left, false)))[0]).toHaveLength(1);
  });
  it.each([narrower, fewer, ended])('does with servers that are neither evacuated nor deleted, and it is said what is to be done: %#', (change) => {
    expect(plan(change, [vfPool()], on(held, true)).refusals).toMatchObject([{ code: 'in-use-on-fenced-host', sentence: expect.stringContaining('evacuated nor deleted'), servers: [{ id: server }] }]);
  });
  it('keeps no class for what was not clean when it was fenced', () => {
    const unclean = { generation: 2, cleanAt: 1, lastClass: 'fast-net' };
    expect(codes(plan({ class: { before: FAST, after: null } }, [], [row(pf(PF0), { ...unclean, fenced: true })]))[0]).toEqual([]);
    expect(codes(plan({ class: { before: FAST, after: null } }, [], [row(pf(PF0), { ...unclean, ...held, fenced: true })]))[0]).toEqual(['in-use-on-fenced-host']);
  });
});

it('a card that is gone for now keeps its servers: a pool that would make fewer VFs when it is back, or leave it out, is refused', () => {
  const gone = inPool(withVfs(PF0, 4), (at) => ({ missing: true, ...(at === 3 && held) }));
  const edit = (change: Parameters<typeof vfPool>[0]): string[][] => codes(plan({ pool: { before: vfPool(), after: vfPool(change) } }, [vfPool()], gone));
  expect(edit({ vfCount: 2 })[0]).toEqual(['vf-in-use']);
  expect(edit({ vfCount: 3 })[0]).toEqual([]);
  expect(edit({ match: { kind: ['pf'], vendor: ['15b3'] } })[0]).toEqual(['in-use']);
});

describe('a new pool', () => {
  it('is refused where a function would have two, also a VF that its PF keeps', () => {
    expect(codes(plan(make(gpuPool({ className: 'fast-net', match: { pf: ['enp1s0'] } })), [vfPool()], withVfs(PF0, 4)))[0]).toEqual(['two-pools']);
    expect(codes(plan(make(gpuPool({ className: 'fast-net', match: { kind: ['vf'] } })), [vfPool()], withVfs(PF0, 4)))[0]).toEqual(['two-pools']);
  });
  it('is refused where it wants more VFs than there can be, and where VFs in use would be made anew', () => {
    expect(codes(plan(make(vfPool({ vfCount: 9 })), [], [pf(PF0)]))[0]).toEqual(['too-many-vfs']);
    const ports = Array.from({ length: 20 }, (_, at) => pf(`mac:52:54:00:00:01:${String(at).padStart(2, '0')}`, { sriov: { totalVfs: 256, numVfs: 0 } }));
    expect(plan(make(vfPool({ vfCount: 256 })), [], ports).refusals).toMatchObject([{ code: 'too-many-vfs', sentence: expect.stringContaining('would make the devices of host-0 5140') }]);
    expect(plan(make(vfPool({ vfCount: 200 })), [], ports).refusals).toEqual([]);
    const used = plan(make(vfPool()), [], withVfs(PF0, 2).map((one, at) => (at === 2 ? { ...one, usedBy: server as never } : one)));
    expect(used.refusals).toMatchObject([{ code: 'vf-in-use', servers: [{ id: server, hostName: 'host-0', identity: vfName(PF0, 1) }] }]);
    expect(used.withheld).toEqual([`id of ${vfName(PF0, 0)}`]);
    expect(codes(plan(make(vfPool()), [], [row(pf(PF0), held)]))[0]).toEqual(['pf-in-use']);
  });
  it.each<[string, DevicePool, HostDevice[], string[]]>([
    ['nothing', vfPool({ match: { vendor: ['1af4'] } }), [pf(PF0)], ['matches-nothing']],
    ['everything, in words', vfPool({ match: { hosts: ['host-*'] } }), [pf(PF0)], ['matches-everything']],
    ['everything of a host', gpuPool({ match: { pciClass: ['03', '02'] } }), [fn('slot:1'), fn('slot:2'), fn('slot:3'), fn('slot:4')], ['matches-everything']],
    ['the boot disk', gpuPool(), [fn('slot:1', { protectedBy: 'boot-disk' }), fn('slot:2')], ['protected']],
    ['the management NIC', vfPool(), [pf(PF0, { protectedBy: 'default-route' }), pf(PF1)], ['protected']],
    ['what has no VFs', vfPool(), [pf(PF0), fn('slot:1', { vendor: '8086' })], []],
    ['what has no VFs, by vendor', vfPool({ match: { vendor: ['8086'] } }), [pf(PF0), fn('slot:1', { vendor: '8086' })], ['not-a-pf']],
    ['what is of another class', gpuPool({ match: { product: ['20b0'] }, className: 'fast-net' }), [fn('slot:1')], ['class-matches-none']],
  ])('is asked about when it matches %s', (_what, pool, facts, warnings) => { expect(codes(plan(make(pool), [], facts))).toEqual([[], warnings]); });
  it('counts all it would do, and lists the beginning', () => {
    const many = Array.from({ length: 600 }, (_, at) => fn(`slot:${at}`));
    const made = plan(make(gpuPool({ match: { product: ['20b0'] } })), [], [...many, fn('slot:z', { product: '0001' })], undefined, hosts);
    expect(made).toMatchObject({ hosts: 3, counts: { joins: 1_800, bind: 1_800 }, more: true });
    expect(made.effects.length).toBe(PLAN_LIST);
  });
});

describe('a changed pool', () => {
  const change = (after: Partial<DevicePool>): Change => ({ pool: { before: vfPool(), after: { ...vfPool(), ...after } } });
  it('lets nobody lose what he has', () => {
    const rows = inPool(withVfs(PF0, 4), (at) => (at === 2 ? held : {}));
    expect(codes(plan(change({ vfCount: 5 }), [vfPool()], rows))[0]).toEqual(['vf-in-use']);
    expect(codes(plan(change({ match: { vendor: ['1af4'] } }), [vfPool()], rows))[0]).toEqual(['in-use']);
    expect(codes(plan(change({ driver: 'kernel' }), [vfPool()], rows))[0]).toEqual(['in-use']);
    expect(plan(change({ policy: { ...vfPool().policy, trust: true }, physicalNetwork: 'lan' }), [vfPool()], rows)).toMatchObject({ refusals: [], warnings: [], counts: { 'changes-policy': 1 } });
    const free = plan(change({ vfCount: 5 }), [vfPool()], inPool(withVfs(PF0, 4)));
    expect(free).toMatchObject({ refusals: [], counts: { 'make-vfs': 1 } });
    expect(free.withheld.length).toBe(4);
  });
  it('lets nobody lose what he has and what is not there now: VFs of a host that has booted', () => {
    const rows = inPool([pf(PF0, { sriov: { totalVfs: 7, numVfs: 0 } }), ...withVfs(PF0, 4).slice(1)], (at) => (at === 3 ? { ...held, missing: true } : at > 0 ? { missing: true } : {}));
    expect(codes(plan(change({ vfCount: 2 }), [vfPool()], rows))[0]).toEqual(['vf-in-use']);
    expect(codes(plan(change({ vfCount: 3 }), [vfPool()], rows))[0]).toEqual([]);
    expect(codes(plan(change({ match: { vendor: ['1af4'] } }), [vfPool()], rows))[0]).toEqual(['in-use']);
    const elsewhere = { classes: new Map([[FAST.name, FAST]]), pools: [{ ...vfPool(), match: { ...vfPool().match, vendor: ['1af4'] } }] };
    expect(resolve(hosts[0]!, rows, elsewhere)).toMatchObject({ wishes: [{ identity: PF0, vfs: { count: 4 } }] });
    expect(resolve(hosts[0]!, rows.map((one) => ({ ...one, holder: null })), elsewhere).wishes).toEqual([]);
  });
  it('that wants what it wanted is not kept from other changes by VFs that can not be made yet', () => {
    const rows = inPool(withVfs(PF0, 2), (at) => (at === 1 ? held : {}));
    expect(codes(plan(change({ name: 'other' }), [vfPool()], rows))).toEqual([[], []]);
  });
  it('is not deleted while somebody has of it, be it out of sight or kept', () => {
    const gone: Change = { pool: { before: vfPool(), after: null } };
    const rows = inPool(withVfs(PF0, 1), (at) => (at === 1 ? { ...held, missing: true } : {}));
    expect(codes(plan(gone, [vfPool()], rows))[0]).toEqual(['in-use']);
    expect(plan(gone, [vfPool()], inPool(withVfs(PF0, 4)))).toMatchObject({ refusals: [], counts: { leaves: 5 } });
  });
});

describe('a changed class', () => {
  it('keeps what servers have, asks before a weaker sanitizer, and goes last', () => {
    const rows = inPool(withVfs(PF0, 4), (at) => (at === 2 ? held : {}));
    const other: Change = { class: { before: FAST, after: { ...FAST, match: { product: ['1520'] } } } };
    expect(codes(plan(other, [vfPool()], rows))[0]).toEqual(['in-use']);
    expect(plan(other, [vfPool()], inPool(withVfs(PF0, 4)))).toMatchObject({ refusals: [], counts: { 'changes-class': 4 } });
    expect(codes(plan({ class: { before: GPU, after: { ...GPU, sanitizer: 'operator-accepts' } } }, [], []))).toEqual([[], ['weaker-sanitizer']]);
    expect(codes(plan({ class: { before: null, after: { ...GPU, name: 'x', match: {} } } }, [], []))).toEqual([[], ['matches-everything']]);
    expect(codes(plan({ class: { before: FAST, after: null } }, [vfPool()], []))[0]).toEqual(['has-pools']);
    const named = plan({ class: { before: FAST, after: null, flavors: { names: ['a', 'b'], count: 22 } } }, [], []);
    expect(named.refusals).toMatchObject([{ code: 'has-flavors', sentence: expect.stringContaining('is asked for by flavors: a, b and 20 more.') }]);
    expect(codes(plan({ class: { before: FAST, after: null } }, [], [row(pf(PF0), { generation: 2, cleanAt: 1, lastClass: 'fast-net' })]))[0]).toEqual(['not-clean']);
    expect(codes(plan({ class: { before: FAST, after: null } }, [], [row(pf(PF0), { generation: 2, cleanAt: 2, lastClass: 'fast-net' })]))).toEqual([[], []]);
  });
});
