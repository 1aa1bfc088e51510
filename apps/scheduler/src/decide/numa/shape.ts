/**
 * The guest as host cells see it: cells of its own or one that is made of everything, which CPUs are pinned, of what
 * its memory is made. Made once for a request and read by filters, fit and layout. Pure.
 */
import type { PlacementRequest } from '../request.js';

/** One cell of the guest: all of it comes from one host cell. */
export interface GuestCell {
  /** Guest CPUs with a host CPU of their own, rising. */
  pinned: readonly number[];
  /** Guest CPUs that float over the shared CPUs of the host cell, rising. */
  floating: readonly number[];
  memoryMib: number;
}

export interface Shape {
  /** Empty: it floats over the host's shared CPUs and ordinary memory. */
  cells: readonly GuestCell[];
  /** They are the guest's own (hw:numa_nodes …), not one made of everything. */
  numa: boolean;
  /** All cells ask for the same. */
  alike: boolean;
  threadPolicy: 'prefer' | 'isolate' | 'require';
  /** 1: QEMU's own threads get a dedicated CPU, from the host cell of the guest's first cell. */
  emulator: 0 | 1;
  /** A number: KiB of a huge page. */
  pages: 'small' | 'large' | 'any' | number;
  /** Guest CPUs that are pinned, without the emulator's. */
  pins: number;
  /** Dedicated host CPUs at least: pins and emulator. */
  dedicated: number;
  /** Guest CPUs that float. */
  vcpus: number;
  /** Memory that is of ordinary pages on whatever host; with pages 'any' the host decides, and this is 0. */
  ordinaryMib: number;
}

/** Ordinary pages, KiB; a request for pages of this size is one for small ones. */
const SMALL_KIB = 4;

export function shapeOf(request: PlacementRequest): Shape {
  const needs = request.needs ?? null;
  if (needs === null) return { ...FLOATS, vcpus: request.vcpus, ordinaryMib: request.memoryMib };
  // Only for those that are bound: a flavor that floats may have billions.
  const all = (): number[] => Array.from({ length: request.vcpus }, (_, cpu) => cpu);
  const pinned = new Set(needs.cpuPolicy === 'dedicated' ? all() : needs.cpuPolicy === 'mixed' ? needs.pinned : []);
  const pages = needs.pageSize === null || needs.pageSize === SMALL_KIB ? 'small' : needs.pageSize;
  const numa = needs.cells.length > 0;
  const bound = numa || pinned.size > 0 || pages !== 'small';
  const cells = !bound ? [] : (numa ? needs.cells : [{ cpus: all(), memoryMib: request.memoryMib }]).map(({ cpus, memoryMib }): GuestCell => ({
    pinned: cpus.filter((cpu) => pinned.has(cpu)).sort((a, b) => a - b), floating: cpus.filter((cpu) => !pinned.has(cpu)).sort((a, b) => a - b), memoryMib,
  }));
  const emulator = needs.emulatorThreads === 'isolate' && pinned.size > 0 ? 1 : 0;
  return {
    cells, numa, threadPolicy: needs.threadPolicy, emulator, pages,
    alike: cells.every((cell) => cell.pinned.length === cells[0]!.pinned.length && cell.floating.length === cells[0]!.floating.length && cell.memoryMib === cells[0]!.memoryMib),
    pins: pinned.size, dedicated: pinned.size + emulator, vcpus: request.vcpus - pinned.size,
    ordinaryMib: pages === 'small' ? request.memoryMib : 0,
  };
}

const FLOATS: Shape = { cells: [], numa: false, alike: true, threadPolicy: 'prefer', emulator: 0, pages: 'small', pins: 0, dedicated: 0, vcpus: 0, ordinaryMib: 0 };
