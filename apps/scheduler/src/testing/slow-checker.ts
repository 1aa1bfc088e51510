/**
 * The rules of placement read a second time, slowly and plainly, by trying everything: what stands between a host and a
 * request, and what is wrong with an answer. Shares no code with decide/. For tests, on small hosts only.
 */
import type { Needs } from '#libs/contracts';
import type { AggregateRow, HostCell } from '../decide/host-row.js';
import type { Candidate, PlacementRequest } from '../decide/request.js';
import type { TestHost } from './placement-cases.js';

const needsOf = (ask: PlacementRequest): Partial<Needs> => ask.needs ?? {};
const pinnedOf = (ask: PlacementRequest): number[] => needsOf(ask).pinned ?? [];
const wantsSmall = (ask: PlacementRequest): boolean => [undefined, null, 'small'].includes(needsOf(ask).pageSize as never);
const emulatorCpus = (ask: PlacementRequest): number => (needsOf(ask).emulatorThreads === 'isolate' && pinnedOf(ask).length > 0 ? 1 : 0);

/** The cells in which the guest has to be put; none: it floats. */
export function guestCells(ask: PlacementRequest): { cpus: number[]; memoryMib: number }[] {
  const own = needsOf(ask).cells ?? [];
  if (own.length > 0) return own;
  if (pinnedOf(ask).length === 0 && wantsSmall(ask)) return [];
  return [{ cpus: [...Array(ask.vcpus).keys()], memoryMib: ask.memoryMib }];
}

const isShared = (host: TestHost, cpu: number): boolean => !host.make!.dedicatedCpus.includes(cpu) && (host.make!.sharedCpus === null || host.make!.sharedCpus.includes(cpu));
const isFree = (host: TestHost, cpu: number): boolean => host.make!.dedicatedCpus.includes(cpu) && !host.capacity.claimed!.cpus.includes(cpu);
const coreOf = (cell: HostCell, cpu: number): readonly number[] => cell.cores.find((core) => core.includes(cpu)) ?? [cpu];

/** May the guest's pins and emulator have just these CPUs of a cell? `idle`: the siblings that stay empty. */
function cpusAllowed(host: TestHost, cell: HostCell, ask: PlacementRequest, pins: number[], emulator: number[], idle: number[]): string | null {
  const all = [...pins, ...emulator, ...idle];
  if (new Set(all).size !== all.length) return 'a CPU twice';
  for (const cpu of all) if (!cell.cpus.includes(cpu) || !isFree(host, cpu)) return `CPU ${cpu} is not free in cell ${cell.id}`;
  const policy = needsOf(ask).threadPolicy ?? 'prefer';
  if (policy === 'isolate') {
    const owned = [...pins, ...emulator].map((cpu) => coreOf(cell, cpu));
    if (new Set(owned).size !== owned.length && cell.cores.length > 0) return 'two on one core';
    const others = owned.flat().filter((cpu) => !pins.includes(cpu) && !emulator.includes(cpu));
    if (others.some((cpu) => isShared(host, cpu))) return 'a core that shared guests use too';
    const empty = others.filter((cpu) => host.make!.dedicatedCpus.includes(cpu));
    if (empty.some((cpu) => !isFree(host, cpu))) return 'a core of which somebody has a part';
    if (empty.length !== idle.length || empty.some((cpu) => !idle.includes(cpu))) return 'siblings are not kept empty';
    return null;
  }
  if (idle.length > 0) return 'idle CPUs without isolate';
  if (policy === 'require' && pins.some((cpu) => coreOf(cell, cpu).filter((other) => isFree(host, other)).length < 2)) return 'a CPU without a free sibling';
  return null;
}

function subsets(list: number[], size: number): number[][] {
  if (size === 0) return [[]];
  return list.flatMap((first, at) => subsets(list.slice(at + 1), size - 1).map((rest) => [first, ...rest]));
}

/** Is there any choice of CPUs for it in this cell? */
function cpusExist(host: TestHost, cell: HostCell, ask: PlacementRequest, pins: number, emulator: number, floating: number): boolean {
  if (cell.cpus.filter((cpu) => isShared(host, cpu)).length < floating) return false;
  if (pins + emulator === 0) return true;
  const free = cell.cpus.filter((cpu) => isFree(host, cpu));
  const isolate = needsOf(ask).threadPolicy === 'isolate';
  return subsets(free, pins).some((chosen) => subsets(free.filter((cpu) => !chosen.includes(cpu)), emulator).some((more) => {
    const idle = isolate ? [...new Set([...chosen, ...more].flatMap((cpu) => [...coreOf(cell, cpu)]))].filter((cpu) => !chosen.includes(cpu) && !more.includes(cpu) && host.make!.dedicatedCpus.includes(cpu)) : [];
    return cpusAllowed(host, cell, ask, chosen, more, idle) === null;
  }));
}

const usedIn = (host: TestHost, cell: HostCell): { memoryMib: number; pages: readonly { kib: number; used: number }[] } => host.capacity.claimed!.cells.find(({ id }) => id === cell.id) ?? { memoryMib: 0, pages: [] };

/** Is this memory there in this kind of page (null: ordinary)? */
function memoryIsThere(host: TestHost, cell: HostCell, memoryMib: number, kib: number | null): boolean {
  const used = usedIn(host, cell);
  if (kib === null) return Math.floor(cell.memoryMib - cell.pages.reduce((sum, page) => sum + (page.kib * page.total) / 1024, 0)) - used.memoryMib >= memoryMib;
  const page = cell.pages.find((one) => one.kib === kib);
  return page !== undefined && (memoryMib * 1024) % kib === 0 && page.total - (used.pages.find((one) => one.kib === kib)?.used ?? 0) >= (memoryMib * 1024) / kib;
}

/** Pages that the request admits; null: ordinary ones. */
function pagesAllowed(ask: PlacementRequest, cell: HostCell): (number | null)[] {
  const { pageSize } = needsOf(ask);
  const huge = cell.pages.map(({ kib }) => kib);
  if (wantsSmall(ask)) return [null];
  if (pageSize === 'large') return huge;
  return pageSize === 'any' ? [...huge, null] : [pageSize as number];
}

/** Under the limit, not more than the host has, and what is pinned is there once: the rest of the memory carries what floats, at the ratio. */
function ordinaryIsThere({ capacity }: TestHost, ask: PlacementRequest, mib: number): boolean {
  const { limit, used, largest, pinnedMib = 0 } = capacity;
  const pins = (needsOf(ask).devices ?? []).length > 0;
  const pinned = pinnedMib + (pins ? mib : 0);
  const floating = used.memoryMib - pinnedMib + (pins ? 0 : mib);
  return used.memoryMib + mib <= limit.memoryMib && mib <= largest.memoryMib && (pinned === 0 || floating * largest.memoryMib <= (largest.memoryMib - pinned) * limit.memoryMib);
}

/** Tries every way to put the guest's cells on the host's. */
export function cellsFit(host: TestHost, ask: PlacementRequest, accept: (cells: readonly number[]) => boolean = () => true): boolean {
  const guests = guestCells(ask);
  const cells = host.make?.cells ?? [];
  const go = (at: number, taken: number[], ordinary: number): boolean => {
    if (at === guests.length) return (ordinary === 0 || ordinaryIsThere(host, ask, ordinary)) && accept(taken);
    const guest = guests[at]!;
    const pins = guest.cpus.filter((cpu) => pinnedOf(ask).includes(cpu)).length;
    return cells.some((cell) => !taken.includes(cell.id)
      && cpusExist(host, cell, ask, pins, at === 0 ? emulatorCpus(ask) : 0, guest.cpus.length - pins)
      && pagesAllowed(ask, cell).some((kib) => memoryIsThere(host, cell, guest.memoryMib, kib)
        && go(at + 1, [...taken, cell.id], ordinary + (kib === null && !wantsSmall(ask) ? guest.memoryMib : 0))));
  };
  return go(0, [], 0);
}

/** All metadata of a host's aggregates. */
const metadataOf = (host: TestHost, aggregates: readonly AggregateRow[]): [string, string[]][] =>
  aggregates.filter(({ hostIds }) => hostIds.includes(host.id)).flatMap(({ metadata }) => Object.entries(metadata).map(([key, value]): [string, string[]] => [key, value.split(',').map((one) => one.trim())]));

function specIsMet(value: string, demand: string): boolean {
  if (demand.startsWith('>= ')) return Number(value) >= Number(demand.slice(3));
  return demand.startsWith('<or> ') ? demand.split('<or>').some((one) => one.trim() === value) : value === demand;
}

/** Rules about which host it is, and what it is. */
function identityForbids(host: TestHost, ask: PlacementRequest, aggregates: readonly AggregateRow[]): string[] {
  const needs = needsOf(ask);
  const wrong: string[] = [];
  const group = ask.group ?? null;
  const here = group?.members.get(host.id) ?? 0;
  const metadata = metadataOf(host, aggregates);
  const tenants = metadata.filter(([key]) => key.startsWith('filter_tenant_id')).flatMap(([, values]) => values);
  const traits = host.make?.traits ?? [];
  if (ask.requestedHost !== null && host.name !== ask.requestedHost) wrong.push('requested-host');
  if (ask.notHosts?.includes(host.id)) wrong.push('not-hosts');
  if (ask.sameHosts && !ask.sameHosts.includes(host.id)) wrong.push('same-host');
  if (ask.differentHosts?.includes(host.id)) wrong.push('different-host');
  if (group?.policy === 'affinity' && here === 0 && [...group.members.values()].some((count) => count > 0)) wrong.push('affinity');
  if (group?.policy === 'anti-affinity' && here >= group.maxServerPerHost) wrong.push('anti-affinity');
  if (ask.availabilityZone !== null ? host.zone !== ask.availabilityZone : host.onlyWhenAsked && host.name !== ask.requestedHost) wrong.push('availability-zone');
  if (!host.enabled) wrong.push('enabled');
  if (!host.hypervisorUp || ask.now - host.heardAt > ask.aliveTimeoutMs) wrong.push('alive');
  if (host.quarantinedUntil > ask.now && ask.requestedHost === null) wrong.push('quarantine');
  if (tenants.length > 0 && !tenants.includes(ask.projectId ?? '')) wrong.push('tenant');
  if (Object.entries(needs.aggregateSpecs ?? {}).some(([key, demand]) => !metadata.some(([name, values]) => name === key && values.some((value) => specIsMet(value, demand))))) wrong.push('aggregate-extra-specs');
  if (Object.entries(needs.imageProperties ?? {}).some(([key, value]) => metadata.some(([name]) => name === key) && !metadata.some(([name, values]) => name === key && values.includes(value)))) wrong.push('image-properties');
  const architecture = { amd64: 'x86_64', arm64: 'aarch64' }[needs.architecture ?? ''] ?? needs.architecture ?? null;
  if (architecture !== null && host.make?.architecture !== architecture) wrong.push('architecture');
  if (needs.traits?.required.some((trait) => !traits.includes(trait)) || needs.traits?.forbidden.some((trait) => traits.includes(trait))) wrong.push('traits');
  if ((guestCells(ask).length > 0 && !traits.includes('CUSTOM_SKYLITE_LAYOUT')) || ((needs.devices ?? []).length > 0 && !traits.includes('CUSTOM_SKYLITE_DEVICES'))) wrong.push('agent');
  return wrong;
}

/** Everything that forbids this host. Short of dedicated CPUs, cores or pages in all cells together is also short of cells: 'numa' alone says it. */
export function forbids(host: TestHost, ask: PlacementRequest, aggregates: readonly AggregateRow[]): string[] {
  const wrong = identityForbids(host, ask, aggregates);
  const { limit, used, largest } = host.capacity;
  const floating = ask.vcpus - pinnedOf(ask).length;
  const ordinary = wantsSmall(ask) ? ask.memoryMib : 0;
  if (floating > 0 && (used.vcpus + floating > limit.vcpus || floating > largest.vcpus)) wrong.push('vcpus');
  if (ordinary > 0 && !ordinaryIsThere(host, ask, ordinary)) wrong.push('memory');
  if (ask.diskGib > 0 && used.diskGib + ask.diskGib > limit.diskGib) wrong.push('disk');
  if (Object.entries(needsOf(ask).resources ?? {}).some(([name, amount]) => (host.make?.resources[name] ?? 0) - (host.make ? host.capacity.claimed!.resources[name] ?? 0 : 0) < amount)) wrong.push('resources');
  if (guestCells(ask).length > 0 && !cellsFit(host, ask)) wrong.push('numa');
  return wrong;
}

/** What is wrong with what a host was chosen to give; empty: nothing. The host's own rules (forbids) are apart. */
export function wrongWith(host: TestHost, ask: PlacementRequest, { layout, amounts }: Candidate): string[] {
  const wrong: string[] = [];
  const guests = guestCells(ask);
  const expect = (good: boolean, what: string): void => { if (!good) wrong.push(what); };
  expect(amounts.vcpus === ask.vcpus - pinnedOf(ask).length, 'floating CPUs');
  expect(amounts.diskGib === ask.diskGib, 'disk');
  expect(JSON.stringify(amounts.resources) === JSON.stringify(needsOf(ask).resources ?? {}), 'resources');
  if (guests.length === 0) {
    expect((layout === null || layout.devices !== undefined) && amounts.cpus.length === 0 && amounts.cells.length === 0 && amounts.memoryMib === ask.memoryMib, 'it floats, and has a layout');
    return wrong;
  }
  if (layout === null) return ['no layout'];
  expect(layout.cells.length === guests.length && new Set(layout.cells.map((cell) => cell.hostCell)).size === guests.length, 'each guest cell on a host cell of its own');
  expect(layout.numa === ((needsOf(ask).cells ?? []).length > 0), 'numa');
  expect((layout.emulatorCpu !== null) === (emulatorCpus(ask) === 1), 'emulator');
  guests.forEach((guest, at) => {
    const given = layout.cells[at]!;
    const cell = host.make!.cells.find(({ id }) => id === given.hostCell)!;
    const pins = guest.cpus.filter((cpu) => pinnedOf(ask).includes(cpu));
    const emulator = at === 0 && layout.emulatorCpu !== null ? [layout.emulatorCpu] : [];
    expect(JSON.stringify(given.pins.map((pin) => pin.guest)) === JSON.stringify(pins), 'pins of other guest CPUs');
    expect(JSON.stringify(given.floating) === JSON.stringify(guest.cpus.filter((cpu) => !pins.includes(cpu))), 'floating guest CPUs');
    expect(cell.cpus.filter((cpu) => isShared(host, cpu)).length >= given.floating.length, 'too few shared CPUs in the cell');
    const cpus = cpusAllowed(host, cell, ask, given.pins.map((pin) => pin.host), emulator, layout.idleCpus.filter((cpu) => cell.cpus.includes(cpu)));
    expect(cpus === null, `cell ${cell.id}: ${cpus}`);
    expect(given.memoryMib === guest.memoryMib && pagesAllowed(ask, cell).includes(given.pageKib) && memoryIsThere(host, cell, guest.memoryMib, given.pageKib), `cell ${cell.id}: memory`);
    const counted = amounts.cells.find(({ id }) => id === cell.id);
    expect(given.pageKib === null ? counted?.pages === null && counted.memoryMib === guest.memoryMib
      : counted?.memoryMib === 0 && counted.pages?.kib === given.pageKib && counted.pages.count * given.pageKib === guest.memoryMib * 1024, `cell ${cell.id}: what is counted`);
  });
  const cpus = [...layout.cells.flatMap((cell) => cell.pins.map((pin) => pin.host)), ...(layout.emulatorCpu === null ? [] : [layout.emulatorCpu]), ...layout.idleCpus].sort((a, b) => a - b);
  expect(JSON.stringify(cpus) === JSON.stringify(amounts.cpus), 'counted CPUs');
  const ordinary = layout.cells.reduce((sum, cell) => sum + (cell.pageKib === null ? cell.memoryMib : 0), 0);
  expect(amounts.memoryMib === ordinary && (ordinary === 0 || ordinaryIsThere(host, ask, ordinary)), 'ordinary memory');
  return wrong;
}
