/**
 * Random devices for the hosts of random placements, and needs for them, from one number; and the rules about them read a second
 * time, slowly, by trying everything. Shares no code with decide/. For tests, on small hosts only.
 */
import type { ClaimedDevice, DeviceNeed } from '#libs/contracts';
import type { ClassRow, DeviceRow, PoolRow, Standing } from '../decide/devices/device-row.js';
import type { Candidate, PlacementRequest } from '../decide/request.js';
import { Dice, placementCase, type PlacementCase, type TestHost } from './placement-cases.js';
import { cellsFit, forbids, guestCells } from './slow-checker.js';

export interface DeviceHost extends TestHost { rows: DeviceRow[] }
export interface DeviceCase extends Omit<PlacementCase, 'hosts'> { hosts: DeviceHost[]; pools: PoolRow[]; classes: ClassRow[] }

const CLASSES = ['net', 'gpu'] as const;
const POLICIES = ['required', 'preferred', 'socket', 'legacy'] as const;

const PLAIN = { traits: { required: [], forbidden: [] }, resources: {}, architecture: null, aggregateSpecs: {}, imageProperties: {} };

export function deviceCase(seed: number): DeviceCase {
  const one = placementCase(seed);
  const dice = new Dice(seed ^ 0x5bd1e995);
  const classes = CLASSES.map((name): ClassRow => ({ name, numaPolicy: dice.one(POLICIES), attach: dice.one(['auto', 'hostdev'] as const) }));
  const pools = Array.from({ length: 3 }, (_, at): PoolRow => ({
    id: `p${at}`, name: `pool${at}`, className: at === 2 ? 'gpu' : 'net', physicalNetwork: null, groupTogether: true, vlans: dice.some([10, 20], 0.5), macPrefix: 'fa:16:3e',
  }));
  const hosts = one.hosts.map((host): DeviceHost => {
    // Sockets of two cells now and then, memory enough mostly: devices are to decide.
    const cells = host.make?.cells.map((cell) => ({ ...cell, socket: dice.chance(0.4) ? 0 : cell.id })) ?? [];
    const pinnedMib = dice.chance(0.3) ? dice.int(0, host.capacity.used.memoryMib) : 0;
    const roomy = dice.chance(0.85);
    const capacity = roomy ? { ...host.capacity, limit: { vcpus: 64, memoryMib: dice.chance(0.8) ? 20_000 : 9_000, diskGib: 99 }, largest: { vcpus: 64, memoryMib: 9_000 } } : host.capacity;
    const open = roomy ? { zone: 'az1', onlyWhenAsked: false, enabled: true, heardAt: host.heardAt + 20_000, quarantinedUntil: -Infinity } : {};
    return { ...host, ...open, make: host.make ? { ...host.make, cells, ...(roomy && { traits: ['CUSTOM_SKYLITE_LAYOUT', ...(dice.chance(0.95) ? ['CUSTOM_SKYLITE_DEVICES'] : [])] }) } : null, capacity: { ...capacity, pinnedMib }, rows: dice.chance(0.1) ? [] : anyRows(dice, pools, [...cells.map(({ id }) => id), null, 9]) };
  });
  const needs = one.request.needs ?? null;
  const devices = Array.from({ length: dice.one([1, 1, 1, 2, 3]) }, (): DeviceNeed => ({
    className: dice.one(CLASSES), count: dice.one([1, 1, 1, 2, 3]), numaPolicy: dice.chance(0.5) ? null : dice.one(POLICIES), vlan: dice.chance(0.1) ? dice.one([10, 20]) : null,
  }));
  const anywhere = dice.chance(0.9) ? { availabilityZone: null, requestedHost: null, notHosts: [], sameHosts: null, differentHosts: [], group: null } : {};
  return { ...one, hosts, pools, classes, request: { ...one.request, ...anywhere, needs: needs && dice.chance(0.95) ? { ...needs, ...(dice.chance(0.9) && PLAIN), devices } : needs } };
}

function anyRows(dice: Dice, pools: readonly PoolRow[], nodes: readonly (number | null)[]): DeviceRow[] {
  const state = (): Standing => (dice.chance(0.85) ? 'free' : dice.one(['claimed', 'in-use', 'scrubbing', 'quarantined', 'unusable', 'missing'] as const));
  const row = (identity: string, change: Partial<DeviceRow>): DeviceRow =>
    ({ id: `id-${identity}`, identity, version: 1, generation: dice.int(0, 3), standing: state(), poolId: 'p0', numaNode: null, offered: true, unit: identity, kind: 'vf', network: true, pf: null, ...change });
  const rows: DeviceRow[] = [];
  for (let pf = 0, pfs = dice.int(1, 3); pf < pfs; pf += 1) {
    const [numaNode, pool] = [dice.one(nodes), dice.one(pools)];
    // A PF that is in a pool itself, with VFs or without.
    if (dice.chance(0.2)) rows.push(row(`pf${pf}`, { kind: 'pf', numaNode, poolId: dice.one(pools).id }));
    for (let vf = 0, vfs = dice.int(0, 4); vf < vfs; vf += 1) rows.push(row(`pf${pf}/vf${vf}`, { numaNode, poolId: pool.id, pf: `pf${pf}`, network: pool.className === 'net' }));
  }
  for (let group = 0, groups = dice.int(0, 2); group < groups; group += 1) {
    const numaNode = dice.one(nodes);
    const unit = `g${group}a`;
    rows.push(row(unit, { kind: 'function', network: false, poolId: 'p2', numaNode, unit }));
    if (dice.chance(0.6)) rows.push(row(`g${group}b`, { kind: 'function', network: false, poolId: 'p2', numaNode, unit, offered: dice.chance(0.3) }));
  }
  return rows;
}

const needsOf = (ask: PlacementRequest): readonly DeviceNeed[] => ask.needs?.devices ?? [];

/** Those that may be given as one: all of a unit free and clean, a PF without VFs, a VF of a PF that nobody has. */
function freeUnits(host: DeviceHost): DeviceRow[][] {
  const units = [...new Set(host.rows.map(({ unit }) => unit))].map((unit) => host.rows.filter((row) => row.unit === unit));
  return units.filter((unit) => unit.some(({ offered }) => offered) && unit.every((row) => row.standing === 'free'
    && !host.rows.some((vf) => vf.pf === row.identity && vf.standing !== 'missing')
    && !host.rows.some((pf) => pf.identity === row.pf && ['claimed', 'in-use'].includes(pf.standing))));
}

const spokesman = (unit: readonly DeviceRow[]): DeviceRow => unit.find(({ offered }) => offered)!;

function mayServe({ classes, pools }: DeviceCase, host: DeviceHost, need: DeviceNeed, device: DeviceRow, cells: readonly number[] | null): boolean {
  const pool = pools.find(({ id }) => id === device.poolId)!;
  if (pool.className !== need.className) return false;
  if (need.vlan !== null && !(device.kind === 'vf' && device.network && pool.vlans.includes(need.vlan))) return false;
  if (cells === null) return true;
  const socket = (id: number | null): number | undefined => host.make!.cells.find((cell) => cell.id === id)?.socket;
  switch (need.numaPolicy ?? classes.find(({ name }) => name === need.className)!.numaPolicy) {
    case 'preferred': return true;
    case 'required': return device.numaNode !== null && cells.includes(device.numaNode);
    case 'legacy': return device.numaNode === null || cells.includes(device.numaNode);
    case 'socket': return device.numaNode !== null && (cells.includes(device.numaNode) || (socket(device.numaNode) !== undefined && cells.some((cell) => socket(cell) === socket(device.numaNode))));
  }
}

/** Tries every way to give each need its units. */
export function devicesExist(one: DeviceCase, host: DeviceHost, ask: PlacementRequest, cells: readonly number[] | null): boolean {
  const wanted = needsOf(ask).flatMap((need) => Array.from({ length: need.count }, () => need));
  const units = freeUnits(host);
  // Equal wishes after each other: what the first could not use the second can't either.
  const go = (at: number, used: ReadonlySet<DeviceRow[]>): boolean => at === wanted.length
    || units.some((unit) => !used.has(unit) && mayServe(one, host, wanted[at]!, spokesman(unit), cells) && go(at + 1, new Set(used).add(unit)));
  const few = wanted.length <= units.length;
  return few && go(0, new Set());
}

/** All sets of as many host cells as the guest has. */
function anyCells(host: DeviceHost, count: number): number[][] {
  const go = (from: readonly number[], left: number): number[][] => (left === 0 ? [[]] : from.flatMap((id, at) => go(from.slice(at + 1), left - 1).map((rest) => [id, ...rest])));
  return go((host.make?.cells ?? []).map(({ id }) => id), count);
}

/** As slow-checker's, and of devices: too few wherever they are, or none where the guest's cells can be. */
export function forbidsWithDevices(one: DeviceCase, host: DeviceHost): string[] {
  const { request, aggregates } = one;
  const wrong = forbids(host, request, aggregates);
  if (needsOf(request).length === 0) return wrong;
  const guests = guestCells(request).length;
  if (!devicesExist(one, host, request, null)) return [...wrong, 'devices'];
  if (guests === 0 || guests > (host.make?.cells.length ?? 0)) return wrong;
  const near = (cells: readonly number[]): boolean => devicesExist(one, host, request, cells);
  const possible = wrong.includes('numa') ? anyCells(host, guests).some(near) : cellsFit(host, request, near);
  return possible ? wrong : [...wrong, 'device-numa'];
}

/** What is wrong with the devices that were chosen. */
export function wrongWithDevices(one: DeviceCase, host: DeviceHost, { layout }: Candidate): string[] {
  const needs = needsOf(one.request);
  const devices: readonly ClaimedDevice[] = layout?.devices ?? [];
  const wrong: string[] = [];
  if (needs.length === 0) return layout?.devices === undefined ? [] : ['devices that nobody asked for'];
  const rowOf = (device: ClaimedDevice): DeviceRow | undefined => host.rows.find(({ id }) => id === device.deviceId);
  if (new Set(devices.map(({ deviceId }) => deviceId)).size !== devices.length) wrong.push('a device twice');
  const macs = devices.flatMap(({ mac }) => mac ?? []);
  if (new Set(macs).size !== macs.length) wrong.push('a MAC twice');
  const cells = guestCells(one.request).length === 0 ? null : layout!.cells.map(({ hostCell }) => hostCell);
  const units = freeUnits(host);
  needs.forEach((need, at) => {
    const given = units.filter((unit) => devices.some((device) => device.need === at && device.deviceId === spokesman(unit).id));
    if (given.length !== need.count) wrong.push(`need ${at}: ${given.length} of ${need.count}`);
    for (const unit of given) {
      if (!mayServe(one, host, need, spokesman(unit), cells)) wrong.push(`need ${at}: ${unit[0]!.identity} does not serve`);
      if (unit.some((row) => !devices.some((device) => device.deviceId === row.id && device.need === at))) wrong.push('half a unit');
    }
  });
  for (const device of devices) {
    const row = rowOf(device);
    if (row === undefined || !units.some((unit) => unit.includes(row))) { wrong.push(`${device.identity} is not free`); continue; }
    const networkVf = row.kind === 'vf' && row.network;
    if (device.generation !== row.generation + 1) wrong.push('generation');
    if ((device.mac !== null) !== networkVf || (device.mac !== null && !/^fa:16:3e(:[0-9a-f]{2}){3}$/.test(device.mac))) wrong.push('MAC');
    if (device.vlan !== (networkVf ? needs[device.need]!.vlan : null)) wrong.push('VLAN');
    if (device.attach !== (networkVf && one.classes.find(({ name }) => name === device.className)!.attach === 'auto' ? 'interface' : 'hostdev')) wrong.push('attach');
  }
  return wrong;
}
