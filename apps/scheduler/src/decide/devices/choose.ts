/**
 * Exactly which devices a guest gets. A server's own devices come from as many PFs as there are, so that one port that fails
 * does not take all of them; and servers are spread over PFs, the one with the most free VFs first: a port's bandwidth is shared,
 * and a PF that keeps VFs is never handed over whole, so there is nothing to keep together for. Pure.
 */
import type { ClaimedDevice } from '#libs/contracts';
import type { Fleet } from '../fleet.js';
import type { Ask } from '../sieve.js';
import { nearest, shared, type Demand, type GuestPlace } from './demands.js';
import type { DeviceRow } from './device-row.js';
import type { Bin, Unit } from './host-devices.js';
import { macOf } from './mac.js';

/** null: the host has not what is wanted. */
export function chooseDevices(fleet: Fleet, ask: Ask, host: number, demands: readonly Demand[], place: GuestPlace | null): ClaimedDevice[] | null {
  const bins = fleet.hostDevices[host]?.stock(fleet.deviceSettings).bins ?? [];
  const given = shared(demands, bins, nearest(bins, place));
  if (given === null) return null;
  const taken = new Set<Unit>();
  const ports = new Map<string, number>();
  const scatter = ask.scatter ?? 0;
  const chosen = given.flatMap(({ demand, bin: at }) => {
    const bin = bins[at]!;
    const unit = pick(bin, taken, ports, scatter);
    taken.add(unit);
    const [first] = unit.devices as [DeviceRow];
    ports.set(first.pf ?? '', (ports.get(first.pf ?? '') ?? 0) + 1);
    return unit.devices.map((device) => claimed(fleet, bin, demand, device, scatter));
  });
  // What can leave by itself keeps its place when others have left; what came with the flavor stands in front of it.
  return chosen.map((device, place) => (device.attachment === undefined ? device : { ...device, place }));
}

function pick(bin: Bin, taken: ReadonlySet<Unit>, ports: ReadonlyMap<string, number>, scatter: number): Unit {
  let best: { units: Unit[]; own: number; left: number } | undefined;
  for (const [pf, all] of bin.byPf) {
    const units = taken.size === 0 ? all : all.filter((unit) => !taken.has(unit));
    const own = pf === '' ? 0 : ports.get(pf) ?? 0;
    if (units.length > 0 && (best === undefined || own < best.own || (own === best.own && units.length > best.left))) best = { units, own, left: units.length };
  }
  // Schedulers that are in each other's way begin elsewhere.
  return best!.units[scatter % best!.units.length]!;
}

function claimed({ deviceSettings }: Fleet, { pool }: Bin, { need, attachment, tag, vlan, className }: Demand, device: DeviceRow, salt: number): ClaimedDevice {
  const networkVf = device.kind === 'vf' && device.network;
  const generation = device.generation + 1;
  return {
    deviceId: device.id, identity: device.identity, className, generation, numaNode: device.numaNode, need, ...(attachment !== undefined && { attachment }), ...(tag !== undefined && { tag }),
    // Only VFs of network cards can be interfaces of libvirt's.
    attach: networkVf && deviceSettings.classes.get(className)?.attach !== 'hostdev' ? 'interface' : 'hostdev',
    mac: networkVf ? macOf(pool.macPrefix, device.id, generation, salt) : null, vlan: networkVf ? vlan : null, physicalNetwork: pool.physicalNetwork,
  };
}
