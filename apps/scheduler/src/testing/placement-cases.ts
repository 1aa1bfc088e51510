/**
 * Random small fleets and requests from one number, the same for the same number: few CPUs, few MiB and few pages, so that
 * everything runs short now and then and an exhaustive search stays possible. For tests.
 */
import { Needs } from '#libs/contracts';
import type { AggregateRow, HostCell, HostRow } from '../decide/host-row.js';
import type { GroupCounts, PlacementRequest } from '../decide/request.js';

export const NOW = 1_000_000;

/** A host as tests know it: its row, and what else the fleet is told. */
export interface TestHost extends HostRow { heardAt: number; hypervisorUp: boolean; failures: number; quarantinedUntil: number }
export interface PlacementCase { hosts: TestHost[]; aggregates: AggregateRow[]; request: PlacementRequest }

/** Small and quick, well enough mixed for tests (mulberry32). */
export class Dice {
  private state: number;
  constructor(seed: number) { this.state = seed | 0; }
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  }
  /** Whole, both ends included. */
  int(min: number, max: number): number { return min + Math.floor(this.next() * (max - min + 1)); }
  chance(share: number): boolean { return this.next() < share; }
  one<T>(list: readonly T[]): T { return list[this.int(0, list.length - 1)]!; }
  some<T>(list: readonly T[], share: number): T[] { return list.filter(() => this.chance(share)); }
}

const MEMORIES = [1, 2, 2, 3, 4, 4, 6, 1024, 2048] as const;

export function placementCase(seed: number): PlacementCase {
  const dice = new Dice(seed);
  const hosts = Array.from({ length: dice.int(1, 4) }, (_, at) => anyHost(dice, at));
  const aggregates = Array.from({ length: dice.chance(0.3) ? dice.int(1, 3) : 0 }, (_, at): AggregateRow => ({
    id: `a${at}`, hostIds: dice.some(hosts, 0.6).map(({ id }) => id),
    metadata: Object.fromEntries(dice.some([['ssd', 'true'], ['filter_tenant_id', 'p1'], ['filter_tenant_id_2', 'p2, p3'], ['os_distro', 'debian,ubuntu'], ['level', '5']] as const, 0.3)),
  }));
  return { hosts, aggregates, request: anyRequest(dice, hosts) };
}

function anyHost(dice: Dice, at: number): TestHost {
  const cells = Array.from({ length: dice.int(1, 3) }, (_, id) => anyCell(dice, id));
  const all = cells.flatMap(({ cpus }) => cpus);
  // Mostly whole cores, as operators do; sometimes any CPUs.
  const dedicated = dice.chance(0.8) ? cells.flatMap((cell) => dice.some(cell.cores.length > 0 ? cell.cores : cell.cpus.map((cpu) => [cpu]), 0.75).flat()) : dice.some(all, 0.6);
  const rest = all.filter((cpu) => !dedicated.includes(cpu));
  const roomy = dice.chance(0.7);
  const amounts = (most: number): { vcpus: number; memoryMib: number; diskGib: number } => ({ vcpus: dice.int(0, most), memoryMib: roomy ? 9_000 : dice.int(0, most), diskGib: dice.int(0, most) });
  const busy = dice.chance(0.4) ? 0 : dice.next() * 0.7;
  return {
    id: `id${at}`, name: `h${at}`, zone: dice.chance(0.9) ? 'az1' : 'az2', onlyWhenAsked: dice.chance(0.03), enabled: dice.chance(0.96), disabledReason: null, bootId: 'b', generation: 1,
    heardAt: dice.chance(0.96) ? NOW : NOW - 20_000, hypervisorUp: true, failures: dice.int(0, 2), quarantinedUntil: dice.chance(0.04) ? NOW + 5_000 : -Infinity,
    make: dice.chance(0.03) ? null : {
      version: 1, architecture: dice.one(['x86_64', 'x86_64', 'x86_64', 'aarch64', '']), cells, dedicatedCpus: dedicated,
      sharedCpus: dice.chance(0.6) ? null : dice.some(rest, 0.8), cpuFlags: [],
      traits: [...(dice.chance(0.95) ? ['CUSTOM_SKYLITE_LAYOUT'] : []), ...dice.some(['CUSTOM_A', 'CUSTOM_B', 'HW_CPU_X86_AVX2'], 0.6)],
      resources: dice.chance(0.5) ? { CUSTOM_FPGA: dice.int(0, 4) } : {},
    },
    capacity: {
      version: 1, limit: { ...amounts(14), vcpus: dice.int(3, 14), diskGib: dice.int(5, 14) }, largest: { vcpus: dice.int(2, 8), memoryMib: roomy ? 9_000 : dice.int(2, 14) },
      used: { vcpus: dice.int(0, 5), memoryMib: dice.int(0, 5), diskGib: dice.int(0, 7) },
      claimed: {
        cpus: dice.some(dedicated, busy), resources: dice.chance(0.3) ? { CUSTOM_FPGA: dice.int(1, 3) } : {},
        cells: dice.some(cells, 0.5).map(({ id, pages }) => ({ id, memoryMib: dice.int(0, 5), pages: pages.map(({ kib, total }) => ({ kib, used: dice.int(0, total + (dice.chance(0.1) ? 1 : 0)) })) })),
      },
    },
  };
}

function anyCell(dice: Dice, id: number): HostCell {
  const threads = dice.one([1, 2, 2, 2, 4]);
  const cores = Array.from({ length: threads === 4 ? dice.int(1, 2) : dice.int(1, 4) }, (_, core) => Array.from({ length: threads }, (__, thread) => id * 100 + core * threads + thread));
  const pages = [
    ...(dice.chance(0.7) ? [{ kib: 2048, total: dice.int(0, 5) }] : []), ...(dice.chance(0.3) ? [{ kib: 1_048_576, total: dice.int(0, 3) }] : []), ...(dice.chance(0.15) ? [{ kib: 64, total: dice.int(0, 64) }] : []),
  ];
  const huge = pages.reduce((sum, { kib, total }) => sum + (kib * total) / 1024, 0);
  return {
    id, cpus: cores.flat(), cores: dice.chance(0.9) ? cores : [], socket: id, pages,
    memoryMib: Math.ceil(huge) + (dice.chance(0.4) ? 3_000 : dice.int(0, 12)), distances: [],
  };
}

function anyRequest(dice: Dice, hosts: readonly TestHost[]): PlacementRequest {
  const ids = hosts.map(({ id }) => id);
  const vcpus = dice.one([1, 2, 2, 3, 4, 4, 5, 6]);
  const cells = dice.chance(0.5) ? anyGuestCells(dice, vcpus) : [];
  const memoryMib = cells.length > 0 ? cells.reduce((sum, cell) => sum + cell.memoryMib, 0) : dice.one(MEMORIES);
  const rarely = <T>(share: number, value: () => T, otherwise: T): T => (dice.chance(share) ? value() : otherwise);
  return {
    vcpus, memoryMib, diskGib: dice.int(0, 4), seed: dice.int(-1e9, 1e9), now: NOW, aliveTimeoutMs: 10_000,
    availabilityZone: rarely<string | null>(0.08, () => dice.one(['az1', 'az2', 'none']), null), requestedHost: rarely<string | null>(0.05, () => dice.one(['h0', 'h1', 'hx']), null),
    notHosts: rarely<string[]>(0.08, () => dice.some([...ids, 'other'], 0.4), []), projectId: dice.one(['p1', 'p2', 'p9']),
    sameHosts: rarely<string[] | null>(0.05, () => dice.some([...ids, 'other'], 0.5), null), differentHosts: rarely<string[]>(0.05, () => dice.some([...ids, 'other'], 0.4), []),
    group: rarely<GroupCounts | null>(0.25, () => ({
      id: 'g', policy: dice.one(['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'] as const), maxServerPerHost: dice.int(1, 2),
      members: new Map(dice.some([...ids, 'other'], 0.4).map((id) => [id, dice.int(0, 2)])),
    }), null),
    needs: dice.chance(0.15) ? null : anyNeeds(dice, vcpus, memoryMib, cells),
  };
}

function anyGuestCells(dice: Dice, vcpus: number): { cpus: number[]; memoryMib: number }[] {
  const count = Math.min(vcpus, dice.int(1, 3));
  const memory = dice.one(MEMORIES);
  const alike = dice.chance(0.5);
  const cells = Array.from({ length: count }, () => ({ cpus: [] as number[], memoryMib: alike ? memory : dice.one(MEMORIES) }));
  for (let cpu = 0; cpu < vcpus; cpu += 1) (cpu < count || alike ? cells[cpu % count]! : dice.one(cells)).cpus.push(cpu);
  return cells;
}

function anyNeeds(dice: Dice, vcpus: number, memoryMib: number, cells: { cpus: number[]; memoryMib: number }[]): Needs {
  const cpus = Array.from({ length: vcpus }, (_, cpu) => cpu);
  const cpuPolicy = dice.one(vcpus > 1 ? ['shared', 'dedicated', 'dedicated', 'mixed'] as const : ['shared', 'dedicated'] as const);
  const free = dice.int(0, vcpus - 1);
  const pinned = cpuPolicy === 'dedicated' ? cpus : cpuPolicy === 'mixed' ? cpus.filter((cpu) => cpu !== free && (cpu === (free + 1) % vcpus || dice.chance(0.5))) : [];
  const pageSize = dice.one([null, null, null, 'small', 'large', 'any', 'any', 2048, 1_048_576, 64] as const);
  // Pages that do not divide the memory are refused before anybody asks for a host.
  const divides = typeof pageSize !== 'number' || [...cells.map((cell) => cell.memoryMib), memoryMib].every((memory) => (memory * 1024) % pageSize === 0);
  return Needs.parse({
    cpuPolicy, pinned, cells, threadPolicy: dice.one(['prefer', 'prefer', 'isolate', 'require']), emulatorThreads: pinned.length > 0 && dice.chance(0.3) ? dice.one(['isolate', 'share']) : null,
    pageSize: divides ? pageSize : 'any',
    traits: { required: dice.chance(0.08) ? [dice.one(['CUSTOM_A', 'CUSTOM_B'])] : [], forbidden: dice.chance(0.05) ? ['HW_CPU_X86_AVX2'] : [] },
    resources: dice.chance(0.08) ? { CUSTOM_FPGA: dice.int(1, 3) } : {}, architecture: dice.chance(0.05) ? dice.one(['x86_64', 'amd64', 'arm64']) : null,
    aggregateSpecs: dice.chance(0.05) ? dice.one([{ ssd: 'true' }, { level: '>= 4' }, { os_distro: '<or> ubuntu <or> arch' }]) : {},
    imageProperties: dice.chance(0.08) ? { os_distro: dice.one(['debian', 'arch']) } : {},
  });
}
