/**
 * What of devices a guest wants, and whether a host's free ones answer it: needs with the policies of their classes filled in, and
 * which bin gives how many to which. Exact: when several needs compete, a way is found if there is one. Pure.
 */
import type { DeviceNeed } from '#libs/contracts';
import type { Fleet } from '../fleet.js';
import type { PlacementRequest } from '../request.js';
import type { Bin } from './host-devices.js';

export interface Demand extends Omit<DeviceNeed, 'numaPolicy'> {
  /** Which of the needs, from 0. */
  readonly need: number;
  readonly policy: NonNullable<DeviceNeed['numaPolicy']>;
}

const NOTHING: readonly Demand[] = [];

export const wantsDevices = ({ needs }: Pick<PlacementRequest, 'needs'>): boolean => (needs?.devices?.length ?? 0) > 0;

export function demandsOf(fleet: Fleet, { needs }: Pick<PlacementRequest, 'needs'>): readonly Demand[] {
  if (needs?.devices === undefined || needs.devices.length === 0) return NOTHING;
  return needs.devices.map(({ numaPolicy, ...need }, at) => ({ ...need, need: at, policy: numaPolicy ?? fleet.deviceSettings.classes.get(need.className)?.numaPolicy ?? 'legacy' }));
}

/** Where the guest's cells are: host cells by their ids, and the sockets of these. null: it floats, and no place is the wrong one. */
export interface GuestPlace { readonly cells: ReadonlySet<number>; readonly sockets: ReadonlySet<number>; readonly socketOf: (node: number) => number | undefined }

/** As Nova has it: legacy takes devices of which no cell is known, required and socket do not. */
export function isNear({ policy }: Demand, node: number | null, place: GuestPlace | null): boolean {
  if (place === null || policy === 'preferred') return true;
  if (node === null) return policy === 'legacy';
  if (place.cells.has(node)) return true;
  const socket = policy === 'socket' ? place.socketOf(node) : undefined;
  return socket !== undefined && place.sockets.has(socket);
}

/** Whatever the cell: the class, and the VLAN if one is wished. */
export const serves = ({ className, vlan }: Demand, { pool, networkVf }: Bin): boolean => pool.className === className && (vlan === null || (networkVf && pool.vlans.has(vlan)));

/**
 * Which bin gives each of the units wanted, in the order of the demands.
 * @param order of the bins that may serve a demand, the best first @returns null: they do not suffice
 */
export function shared(demands: readonly Demand[], bins: readonly Bin[], order: (demand: Demand) => readonly number[]): { demand: Demand; bin: number }[] | null {
  const rows = demands.flatMap((demand) => {
    const may = order(demand);
    return Array.from({ length: demand.count }, () => ({ demand, may }));
  });
  const given: number[][] = bins.map(() => []);
  const place = (row: number, seen: Set<number>): boolean => {
    const may = rows[row]!.may.filter((bin) => !seen.has(bin));
    for (const bin of may) if (given[bin]!.length < bins[bin]!.free) return given[bin]!.push(row) > 0;
    // Whoever is there may go elsewhere.
    for (const bin of may) {
      if (seen.has(bin)) continue;
      seen.add(bin);
      for (const other of [...given[bin]!]) {
        if (rows[other]!.demand === rows[row]!.demand || !place(other, seen)) continue;
        given[bin]!.splice(given[bin]!.indexOf(other), 1);
        return given[bin]!.push(row) > 0;
      }
    }
    return false;
  };
  for (let row = 0; row < rows.length; row += 1) if (!place(row, new Set())) return null;
  const binOf = new Map(given.flatMap((list, bin) => list.map((row): [number, number] => [row, bin])));
  return rows.map(({ demand }, row) => ({ demand, bin: binOf.get(row)! }));
}

/** Do these bins suffice? @param place null: wherever they are */
export function suffices(demands: readonly Demand[], bins: readonly Bin[], place: GuestPlace | null): boolean {
  let competing = false;
  for (let at = 0; at < demands.length; at += 1) {
    const demand = demands[at]!;
    let free = 0;
    for (const bin of bins) if (serves(demand, bin) && isNear(demand, bin.numaNode, place)) free += bin.free;
    if (free < demand.count) return false;
    // Needs of one class may want the same bin: then each having enough is not enough.
    competing ||= at > 0 && demands.some(({ className }, other) => other < at && className === demand.className);
  }
  return !competing || shared(demands, bins, nearest(bins, place)) !== null;
}

/** Bins that may serve a demand: in the guest's cells first, then in its sockets, then where no cell is known; of equals the fullest. */
export const nearest = (bins: readonly Bin[], place: GuestPlace | null) => (demand: Demand): number[] => bins.map((_, at) => at)
  .filter((at) => serves(demand, bins[at]!) && isNear(demand, bins[at]!.numaNode, place))
  .sort((a, b) => farness(bins[a]!, place) - farness(bins[b]!, place) || bins[b]!.free - bins[a]!.free);

export function farness({ numaNode }: Pick<Bin, 'numaNode'>, place: GuestPlace | null): number {
  if (place === null || (numaNode !== null && place.cells.has(numaNode))) return 0;
  if (numaNode === null) return 2;
  const socket = place.socketOf(numaNode);
  return socket !== undefined && place.sockets.has(socket) ? 1 : 3;
}
