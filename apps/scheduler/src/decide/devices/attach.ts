/**
 * More devices for a guest that is there: of its own host, near to the cells that it has, all that are wanted or none. Its memory is
 * pinned from then on. Says why not as a placement does, of that one host. Pure.
 */
import { Needs, type ClaimedDevice, type DeviceNeed, type Layout, type PlacementExplanation } from '#libs/contracts';
import { freePlaces } from '#libs/openstack';
import type { Fleet } from '../fleet.js';
import { deviceNumaFilter } from '../filters/device-numa.filter.js';
import { devicesFilter, poolsWords, stockOf } from '../filters/devices.filter.js';
import { memoryFilter } from '../filters/memory.filter.js';
import { shapeOf } from '../numa/shape.js';
import type { Blocker, PlacementRequest } from '../request.js';
import type { Ask, Filter } from '../sieve.js';
import { chooseDevices } from './choose.js';
import { demandsOf, isNear, serves, type Demand, type GuestPlace } from './demands.js';
import { placeOn } from './device-cells.js';

/** What the guest has. memoryMib: of ordinary pages. */
export interface Guest { layout: Layout | null; memoryMib: number }
export type More = { devices: ClaimedDevice[] } | { explanation: Omit<PlacementExplanation, 'snapshotAt'> };

/** @param scatter another choice among equals, for who was in somebody's way */
export function moreDevices(fleet: Fleet, host: number, { layout, memoryMib }: Guest, need: DeviceNeed, scatter: number): More {
  const there = layout?.devices ?? [];
  const ask = askFor(need, memoryMib, scatter);
  const [demand] = demandsOf(fleet, ask) as [Demand];
  const place = placeOf(fleet, host, layout);
  const refusedBy = (filter: Filter, blocker: Blocker | null): More | undefined => (blocker === null ? undefined : { explanation: explained(fleet, host, ask, filter, blocker) });
  const refused = refusedBy(memoryFilter, there.length > 0 ? null : memoryOf(fleet, host, ask, memoryMib)) ?? refusedBy(devicesFilter, devicesFilter.measure(fleet, ask, host));
  if (refused !== undefined) return refused;
  const chosen = chooseDevices(fleet, ask, host, [demand], place);
  if (chosen === null) return refusedBy(deviceNumaFilter, farFrom(fleet, host, demand, place))!;
  const needed = 1 + there.reduce((most, device) => Math.max(most, device.need), -1);
  const places = freePlaces(there, chosen.length);
  return { devices: chosen.map((device, at) => ({ ...device, need: needed, place: places[at]! })) };
}

function askFor(need: DeviceNeed, memoryMib: number, scatter: number): Ask {
  const request: PlacementRequest = { vcpus: 0, memoryMib, diskGib: 0, availabilityZone: null, requestedHost: null, needs: Needs.parse({ devices: [need] }), now: 0, aliveTimeoutMs: 0, seed: 0, scatter };
  return { ...request, shape: shapeOf(request), strategy: 'spread' };
}

/** Where its cells are; null: it floats. */
function placeOf(fleet: Fleet, host: number, layout: Layout | null): GuestPlace | null {
  const cells = fleet.hostCells[host]?.cells ?? [];
  const at = (layout?.cells ?? []).map(({ hostCell }) => cells.findIndex(({ id }) => id === hostCell)).filter((position) => position >= 0);
  return at.length === 0 ? null : placeOn(fleet, host, at);
}

/** Its memory is counted already, as floating: is there room for it to be pinned? */
function memoryOf(fleet: Fleet, host: number, ask: Ask, memoryMib: number): Blocker | null {
  fleet.usedMemoryMib[host]! -= memoryMib;
  try {
    return memoryFilter.measure(fleet, ask, host);
  } finally {
    fleet.usedMemoryMib[host]! += memoryMib;
  }
}

/** The guest's cells stand; so it is the devices that are in the wrong ones. */
function farFrom(fleet: Fleet, host: number, demand: Demand, place: GuestPlace | null): Blocker {
  const { className, count, policy } = demand;
  const bins = (stockOf(fleet, host)?.bins ?? []).filter((bin) => serves(demand, bin));
  const near = bins.reduce((sum, bin) => sum + (isNear(demand, bin.numaNode, place) ? bin.free : 0), 0);
  const all = bins.reduce((sum, bin) => sum + bin.free, 0);
  return {
    filter: 'device-numa', needed: `${count} ${className} ${policy === 'socket' ? 'in the sockets' : 'in the cells'} of the guest (${policy})`,
    free: `${near} ${className} near enough, ${all - near} in the wrong cell (${poolsWords(fleet, host, className)})`, distance: 1,
  };
}

function explained(fleet: Fleet, host: number, ask: Ask, { name, sentence }: Filter, blocker: Blocker): Omit<PlacementExplanation, 'snapshotAt'> {
  const [shown, { needed, free }] = [fleet.names[host]!, blocker];
  return {
    hostsConsidered: 1, filters: [{ name, refused: 1, reason: sentence(1, blocker, fleet, ask), hosts: [{ name: shown, needed, free }] }],
    nearest: { name: shown, blockers: [{ filter: name, needed, free }] },
  };
}
