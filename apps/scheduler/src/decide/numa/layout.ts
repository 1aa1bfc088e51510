/**
 * Exactly what of a host a guest gets: which host cell for each of its cells, which CPUs, which pages. Chosen so that
 * large holes stay whole. Runs for the few hosts that are answered, not for the many that are looked through. Pure.
 */
import type { Layout } from '#libs/contracts';
import { cpuTopology } from '#libs/openstack';
import { chooseDevices } from '../devices/choose.js';
import { demandsOf } from '../devices/demands.js';
import { cellsNearDevices, placeOn } from '../devices/device-cells.js';
import type { Fleet } from '../fleet.js';
import type { Candidate, ClaimAmounts } from '../request.js';
import type { Ask } from '../sieve.js';
import { NONE, ORDINARY, pageFor } from './cell-fit.js';
import { cheapestCells } from './cheapest-cells.js';
import { pickCpus } from './pick-cpus.js';

/** Never null for a host that passed every filter. */
export function layoutOn(fleet: Fleet, ask: Ask, host: number): Candidate | null {
  const { shape, needs } = ask;
  const resources = { ...(needs?.resources ?? {}) };
  const topology = needs?.topology ? cpuTopology(ask.vcpus, needs.topology) : null;
  const amounts: ClaimAmounts = { vcpus: shape.vcpus, memoryMib: shape.ordinaryMib, diskGib: ask.diskGib, cpus: [], cells: [], resources };
  const demands = demandsOf(fleet, ask);
  if (shape.cells.length === 0) {
    const devices = demands.length === 0 ? undefined : chooseDevices(fleet, ask, host, demands, null);
    if (devices === null) return null;
    const layout = topology === null && devices === undefined ? null
      : { cells: [], emulatorCpu: null, idleCpus: [], emulatorThreads: null, guestTopology: topology, numa: false, ...(devices !== undefined && { devices }) };
    return { host, layout, amounts };
  }
  const cells = demands.length === 0 ? cheapestCells(fleet, ask, host) : cellsNearDevices(fleet, ask, host, demands);
  if (cells === null) return null;
  const devices = demands.length === 0 ? undefined : chooseDevices(fleet, ask, host, demands, placeOn(fleet, host, cells));
  if (devices === null) return null;
  const known = fleet.hostCells[host]!;
  const layout: Layout = { cells: [], emulatorCpu: null, idleCpus: [], emulatorThreads: needs?.emulatorThreads ?? null, guestTopology: topology, numa: shape.numa, ...(needs?.realtime && needs.realtime.length > 0 && { realtime: [...needs.realtime] }), ...(devices !== undefined && { devices }) };
  amounts.memoryMib = 0;
  for (const [at, guest] of shape.cells.entries()) {
    const cell = known.cells[cells[at]!]!;
    const picked = pickCpus(known, cell, guest.pinned.length, at === 0 ? shape.emulator : 0, shape.threadPolicy, ask.scatter);
    const kib = pageFor(fleet, shape, host, cells[at]!, guest.memoryMib);
    if (picked === null || kib === NONE) return null;
    layout.cells.push({
      hostCell: cell.id, memoryMib: guest.memoryMib, pageKib: kib === ORDINARY ? null : kib,
      pins: guest.pinned.map((cpu, pin) => ({ guest: cpu, host: picked.pins[pin]! })), floating: [...guest.floating],
    });
    layout.emulatorCpu ??= picked.emulator;
    layout.idleCpus.push(...picked.idle);
    amounts.cpus.push(...picked.pins, ...(picked.emulator === null ? [] : [picked.emulator]), ...picked.idle);
    if (kib === ORDINARY) amounts.memoryMib += guest.memoryMib;
    amounts.cells.push(kib === ORDINARY ? { id: cell.id, memoryMib: guest.memoryMib, pages: null } : { id: cell.id, memoryMib: 0, pages: { kib, count: (guest.memoryMib * 1024) / kib } });
  }
  amounts.cpus.sort((a, b) => a - b);
  layout.idleCpus.sort((a, b) => a - b);
  return { host, layout, amounts };
}
