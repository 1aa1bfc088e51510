/**
 * Nova's flavor extra specs and image properties, read once: what a server needs of its host, or why flavor and image contradict
 * themselves or each other, in Nova's words and with the cure. Owns the order in which Nova looks at them. Pure.
 */
import type { Needs } from '#libs/contracts';
import { whyNotExtraSpecValue } from '../extra-specs.js';
import { dedicatedMask, realtimeMask } from './cpu-masks.js';
import { cpuPolicy, emulatorThreads, threadPolicy, type CpuPolicy, type ThreadPolicy } from './cpu-policies.js';
import { ascending, firstCpus, MOST_CPUS } from './cpu-list.js';
import { topologyWish } from './cpu-topology.js';
import { devices, whyNotTags } from './devices.js';
import { cellLists, guestCells, nodeCount } from './guest-cells.js';
import { aggregateSpecs, architecture, isolatingProperties, placingProperties, resources, traits, type Resources } from './host-demands.js';
import { pageSize, type PageSize } from './page-size.js';
import { Reading, type FlavorShape, type ImageProperties } from './reading.js';

/** null: it needs nothing but amounts. */
export type NeedsRead = { readonly needs: Needs | null } | { readonly problem: string };

/** What a server of this flavor and image needs. */
export function readNeeds(flavor: FlavorShape, properties: ImageProperties): NeedsRead {
  const reading = new Reading(flavor, placingProperties(properties));
  const needs = readAll(reading);
  const problem = reading.problems[0]?.text;
  return problem === undefined ? { needs: isNothing(needs) ? null : needs } : { problem };
}

/** The same of a server that is there: it was made when flavor and image were read otherwise, and goes on as if nothing was said. */
export function needsOfMade(flavor: FlavorShape, properties: ImageProperties): Needs | null {
  const read = readNeeds(flavor, properties);
  return 'needs' in read ? read.needs : null;
}

/** Why no server can ever be made of a flavor with these extra specs, whatever is added to them; undefined: it may be. */
export function whyNotFlavor(flavor: FlavorShape): string | undefined {
  for (const [name, value] of Object.entries(flavor.extraSpecs)) {
    const problem = whyNotExtraSpecValue(name, value);
    if (problem !== undefined) return `${problem.replace(/\.$/, '')}. What to do: change ${name}, or take it away.`;
  }
  const reading = new Reading(flavor, {});
  readAll(reading);
  return reading.problems.find(({ open }) => !open)?.text ?? whyNotTags(flavor);
}

/** Would a server placed for `before` have been placed where it is for `after` as well? Why not, in Nova's words. */
export function whyNotRebuilt(before: Needs | null, after: Needs | null): string | undefined {
  const bound = (needs: Needs | null): string => JSON.stringify(needs === null || floats(needs) ? null : [needs.cpuPolicy, needs.pinned, needs.threadPolicy, needs.emulatorThreads, needs.cells, needs.pageSize, needs.realtime ?? [], (needs.devices ?? []).map(({ numaPolicy }) => numaPolicy)]);
  const other = 'What to do: use an image that asks for the same, or make a new server.';
  if (bound(before) !== bound(after)) return `An instance's NUMA topology cannot be changed as part of a rebuild. The image provided is invalid for this instance. ${other}`;
  const missing = after?.traits.required.filter((trait) => !before?.traits.required.includes(trait)) ?? [];
  if (missing.length > 0) return `The image requires traits that the server's host was not chosen by: ${missing.join(', ')}. ${other}`;
  const wanted = after?.architecture ?? null;
  if (wanted !== null && wanted !== (before?.architecture ?? wanted)) return `The image is for ${wanted}, the server's host was chosen for ${before?.architecture ?? ''}. ${other}`;
  return undefined;
}

/** Is a host's CPU, cell, page or device to be claimed for it? */
export const needsLayout = (needs: Needs | null): boolean => needs !== null && (!floats(needs) || (needs.devices ?? []).length > 0);

const floats = (needs: Needs): boolean => needs.pinned.length === 0 && needs.cells.length === 0 && (needs.pageSize === null || needs.pageSize === 'small');

function readAll(reading: Reading): Needs {
  const { vcpus } = reading.flavor;
  const asked = cpuPolicy(reading);
  const askedThreads = threadPolicy(reading);
  const emulator = emulatorThreads(reading);
  const realtime = realtimeMask(reading, emulator !== null);
  const dedicated = dedicatedMask(reading);
  const amounts = resources(reading);
  const policy = policyOf(reading, asked, amounts, emulator === 'isolate');
  const { traits: named, hyperthreading } = traits(reading);
  const threads = threadsOf(reading, askedThreads, hyperthreading);
  const masks = { dedicated: dedicated !== null, realtime: realtime !== null };
  checkTogether(reading, policy, { threads: threads !== null, isolatesEmulator: emulator === 'isolate', ...masks });

  const nodes = nodeCount(reading);
  const pages = pageSize(reading);
  const lists = cellLists(reading);
  const topology = topologyWish(reading);
  const pinned = policy === 'dedicated' ? firstCpus(vcpus) : policy === 'mixed' ? ascending(dedicated ?? realtime ?? []) : [];
  // Lists count as soon as anything binds the guest to cells; a layout of its own it has when somebody names one.
  const bound = nodes !== null || pages !== null || policy === 'dedicated' || policy === 'mixed';
  const cells = bound ? guestCells(reading, nodes, lists) : [];
  if (bound && vcpus > MOST_CPUS) reading.wrong(`A guest that is bound to CPUs, cells or pages of its host has at most ${MOST_CPUS} CPUs, and the flavor ${vcpus}`, 'make a flavor with fewer');
  checkPages(reading, pages, cells);
  const passed = devices(reading);
  return {
    cpuPolicy: policy ?? 'shared', pinned, threadPolicy: threads ?? 'prefer', emulatorThreads: pinned.length > 0 ? emulator : null, ...(realtime !== null && pinned.length > 0 && { realtime: ascending(realtime) }),
    cells: nodes === null && lists.cpus === null ? [] : cells,
    pageSize: pages, topology, traits: named, resources: amounts.resources, architecture: architecture(reading),
    aggregateSpecs: aggregateSpecs(reading), imageProperties: isolatingProperties(reading.image),
    ...(passed.length > 0 && { devices: passed }),
  };
}

/** resources:PCPU and resources:VCPU are other words for a policy. */
function policyOf(reading: Reading, asked: CpuPolicy | null, { vcpus, pcpus }: Resources, isolatesEmulator: boolean): CpuPolicy | null {
  const either = 'take one of them away';
  if (asked !== null && (vcpus > 0 || pcpus > 0)) {
    reading.wrong("It is not possible to use the 'resources:VCPU' or 'resources:PCPU' extra specs in combination with the 'hw:cpu_policy' extra spec or 'hw_cpu_policy' image metadata property; use one or the other", either);
  }
  if (vcpus > 0 && pcpus > 0) reading.wrong("It is not possible to specify both 'resources:VCPU' and 'resources:PCPU' extra specs; use one or the other", either);
  if (pcpus > 0) {
    const needed = reading.flavor.vcpus + (isolatesEmulator ? 1 : 0);
    if (pcpus !== needed) {
      reading.wrong(isolatesEmulator
        ? "You have requested 'hw:emulator_threads_policy=isolate' but have not requested sufficient PCPUs to handle this policy; you must allocate exactly flavor.vcpus + 1 PCPUs"
        : "There is a mismatch between the number of PCPUs requested via 'resourcesNN:PCPU' and the flavor); you must allocate exactly flavor.vcpus PCPUs",
      `set resources:PCPU to ${needed}`, { open: !isolatesEmulator && pcpus === needed + 1 });
    }
    return 'dedicated';
  }
  return vcpus > 0 ? 'shared' : asked;
}

function threadsOf(reading: Reading, asked: ThreadPolicy | null, hyperthreading: 'required' | 'forbidden' | null): ThreadPolicy | null {
  if (hyperthreading === null) return asked;
  if (asked !== null) {
    reading.wrong("It is not possible to use the 'trait:HW_CPU_HYPERTHREADING' extra spec in combination with the 'hw:cpu_thread_policy' extra spec or 'hw_cpu_thread_policy' image metadata property; use one or the other", 'take one of them away');
  }
  return hyperthreading === 'forbidden' ? 'isolate' : 'require';
}

interface Together { threads: boolean; isolatesEmulator: boolean; dedicated: boolean; realtime: boolean }

function checkTogether(reading: Reading, policy: CpuPolicy | null, is: Together): void {
  const open = { open: policy === null };
  if (policy === 'shared' || policy === null) {
    const cure = 'set hw:cpu_policy to dedicated or mixed, or take this away';
    if (is.threads) reading.wrong('Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy', cure, open);
    if (is.isolatesEmulator) reading.wrong('An isolated CPU emulator threads option requires a dedicated CPU policy option', cure, open);
    if (is.dedicated) reading.wrong("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy", 'set hw:cpu_policy to mixed, or take hw:cpu_dedicated_mask away', open);
    if (is.realtime) reading.wrong('Cannot set realtime policy in a non dedicated cpu pinning policy', cure, open);
  } else if (policy === 'dedicated') {
    if (is.dedicated) reading.wrong("Cannot specify 'hw:cpu_dedicated_mask' without the 'mixed' policy", 'set hw:cpu_policy to mixed, or take hw:cpu_dedicated_mask away');
  } else if (is.dedicated === is.realtime) {
    reading.wrong("Dedicated CPU set can be specified from either 'hw:cpu_dedicated_mask' or 'hw:cpu_realtime_mask' when using 'mixed' CPU policy. 'hw:cpu_dedicated_mask' and 'hw:cpu_realtime_mask' can not be specified at the same time, or be specified with none of them",
      'set hw:cpu_dedicated_mask to the CPUs that are to be pinned', { open: !is.dedicated });
  }
}

/** A guest's cell is made of whole pages. */
function checkPages(reading: Reading, pages: PageSize | null, cells: Needs['cells']): void {
  if (typeof pages !== 'number') return;
  const { ramMib } = reading.flavor;
  const cure = 'choose a smaller page, or memory that is a multiple of it';
  if ((ramMib * 1024) % pages !== 0) {
    reading.wrong(`Page size ${pages} KiB does not divide the flavor's memory of ${ramMib} MiB`, cure);
    return;
  }
  const node = cells.findIndex(({ memoryMib }) => (memoryMib * 1024) % pages !== 0);
  if (node >= 0) reading.wrong(`Page size ${pages} KiB does not divide the ${cells[node]?.memoryMib ?? 0} MiB of guest NUMA node ${node}`, cure, { open: true });
}

const isNothing = (needs: Needs): boolean => floats(needs) && needs.devices === undefined && needs.pageSize === null && needs.topology === null && needs.architecture === null
  && needs.traits.required.length + needs.traits.forbidden.length === 0
  && [needs.resources, needs.aggregateSpecs, needs.imageProperties].every((record) => Object.keys(record).length === 0);
