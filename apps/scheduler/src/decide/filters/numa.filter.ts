/**
 * Keeps hosts whose cells take the guest: each of its cells on a host cell of its own, with CPUs by policy and with
 * memory of the pages asked for. The last filter, for the hosts that all others left. Exact: what passes has a layout. Pure.
 */
import { wantsDevices } from '../devices/demands.js';
import type { Fleet } from '../fleet.js';
import { pageFor, NONE, ordinaryRoom } from '../numa/cell-fit.js';
import { FREE_CPUS, SHARED_CPUS, SIBLINGS, STRIDE, WHOLE_CORES } from '../numa/cell-table.js';
import { fits, placeable } from '../numa/fit.js';
import type { GuestCell } from '../numa/shape.js';
import type { Ask, Filter } from '../sieve.js';
import { hostsHave } from '../words.js';
import { sift } from './sift.js';

export const numaFilter: Filter = {
  name: 'numa',
  sieve: (fleet, ask, hosts, count) => (ask.shape.cells.length === 0 ? count : sift(hosts, count, (host) => fits(fleet, ask, host))),
  measure(fleet, ask, host) {
    const { cells } = ask.shape;
    if (cells.length === 0 || fits(fleet, ask, host)) return null;
    const there = fleet.cellCounts[host]!;
    const placed = placeable(fleet, ask, host);
    return { filter: 'numa', needed: words(ask), free: there === 0 ? 'no cells known' : reasons(fleet, ask, host, placed), distance: 1 + cells.length - placed };
  },
  distance: (fleet, ask, host) => 1 + ask.shape.cells.length - placeable(fleet, ask, host),
  sentence: (refused, nearest) => `${hostsHave(refused)} no cells that take ${nearest.needed} (nearest: ${nearest.free}).`,
};

const pagesWords = ({ shape }: Ask): string => {
  if (shape.pages === 'small') return '';
  return shape.pages === 'any' ? ' in pages of any size' : shape.pages === 'large' ? ' in huge pages' : ` in pages of ${shape.pages} KiB`;
};

function words(ask: Ask): string {
  const { cells, emulator, threadPolicy } = ask.shape;
  const one = (guest: GuestCell, more: number): string => [
    guest.pinned.length + more > 0 ? `${guest.pinned.length + more} dedicated CPUs${threadPolicy === 'prefer' ? '' : ` (${threadPolicy})`}` : '',
    guest.floating.length > 0 ? `${guest.floating.length} shared CPUs` : '', `${guest.memoryMib} MiB${pagesWords(ask)}`,
  ].filter(Boolean).join(' and ');
  if (cells.length === 1) return `one cell with ${one(cells[0]!, emulator)}`;
  if (ask.shape.alike) return `${cells.length} cells, each with ${one(cells[0]!, 0)}${emulator === 1 ? ', and one CPU for the emulator' : ''}`;
  return `${cells.length} cells: ${cells.map((guest, at) => one(guest, at === 0 ? emulator : 0)).join('; ')}`;
}

/** What each host cell lacks for the hardest guest cell, or that they are too few. */
function reasons(fleet: Fleet, ask: Ask, host: number, placed: number): string {
  const { cells } = ask.shape;
  const there = fleet.cellCounts[host]!;
  if (placed === cells.length) return `${ordinaryRoom(fleet, host, wantsDevices(ask))} MiB of ordinary memory for what huge pages do not take`;
  if (there < cells.length) return `${there} cell${there === 1 ? '' : 's'}`;
  const hardest = cells.reduce((most, guest) => (guest.pinned.length > most.pinned.length || (guest.pinned.length === most.pinned.length && guest.memoryMib > most.memoryMib) ? guest : most));
  const lacks = Array.from({ length: there }, (_, cell) => lack(fleet, ask, host, cell, hardest));
  const shown = lacks.slice(0, 4).map((what, cell) => `cell ${fleet.hostCells[host]!.cells[cell]!.id}: ${what}`).join('; ');
  const more = there > 4 ? `; and ${there - 4} more cells` : '';
  return cells.length === 1 ? `${shown}${more}` : `${placed} of ${cells.length} fit; ${shown}${more}`;
}

function lack(fleet: Fleet, ask: Ask, host: number, cell: number, guest: GuestCell): string {
  const { data } = fleet.cellTable;
  const row = fleet.cellStarts[host]! + cell * STRIDE;
  const { shape } = ask;
  const dedicated = guest.pinned.length + (guest === shape.cells[0] ? shape.emulator : 0);
  const lacks: string[] = [];
  if (data[row + SHARED_CPUS]! < guest.floating.length) lacks.push(`${data[row + SHARED_CPUS]} of ${guest.floating.length} shared CPUs`);
  if (data[row + FREE_CPUS]! < dedicated) lacks.push(`${data[row + FREE_CPUS]} of ${dedicated} dedicated CPUs free`);
  else if (dedicated > 0 && shape.threadPolicy === 'isolate' && data[row + WHOLE_CORES]! < dedicated) lacks.push(`${data[row + WHOLE_CORES]} of ${dedicated} whole cores free`);
  else if (shape.threadPolicy === 'require' && data[row + SIBLINGS]! < guest.pinned.length) lacks.push(`${data[row + SIBLINGS]} of ${guest.pinned.length} CPUs with free siblings`);
  if (pageFor(fleet, shape, host, cell, guest.memoryMib) === NONE) lacks.push(`not ${guest.memoryMib} MiB${pagesWords(ask)} free`);
  return lacks.length === 0 ? 'fits' : lacks.join(' and ');
}
