/** The guest's own NUMA cells: evenly made of a number, or each as it is named, CPU by CPU and MiB by MiB. Pure. */
import type { Needs } from '#libs/contracts';
import { ascending, firstCpus, parseCpuList } from './cpu-list.js';
import { wholeNumber, type Reading } from './reading.js';

type Cells = Needs['cells'];
type Lists<T> = readonly T[] | null;

/** More cells than a host has are never placed; more than these are not even read. */
const MOST_CELLS = 64;
const ALL_OR_NONE = 'give every node N from 0 on both hw:numa_cpus.N and hw:numa_mem.N, and as many as hw:numa_nodes says; or none of them';

/**
 * How many cells are asked for; null: nobody says. In Nova the flavor's number and the image's may not both be there.
 */
export function nodeCount(reading: Reading): number | null {
  const [flavor, image] = [reading.ofFlavor('numa_nodes'), reading.ofImage('numa_nodes')];
  if (flavor !== undefined && image !== undefined) forbidden(reading, 'hw_numa_nodes');
  const asked = flavor ?? image;
  if (asked === undefined) return null;
  const count = wholeNumber(asked, 1);
  if (count === undefined) reading.wrong(`The property 'numa_nodes' cannot be '${asked}'. It must be a number greater than 0`, 'set hw:numa_nodes to a number from 1 on');
  else if (count > MOST_CELLS) reading.wrong(`The property 'numa_nodes' cannot be '${asked}'. A guest has at most ${MOST_CELLS} nodes`, `set hw:numa_nodes to ${MOST_CELLS} or less`);
  else return count;
  return null;
}

/** @param asked how many there are to be; null: nobody says, so it is one. */
export function guestCells(reading: Reading, asked: number | null, { cpus, memory }: CellLists): Cells {
  const nodes = asked ?? 1;
  if (cpus === null && memory === null) return even(reading, nodes);
  if (cpus === null || memory === null || cpus.length !== nodes || memory.length !== nodes) {
    const tooMany = asked !== null && Math.max(cpus?.length ?? 0, memory?.length ?? 0) > asked;
    reading.wrong('CPU and memory allocation must be provided for all NUMA nodes', ALL_OR_NONE, { open: !tooMany });
    return [];
  }
  const { vcpus, ramMib } = reading.flavor;
  const missing = firstCpus(vcpus).filter((cpu) => !cpus.some((cell) => cell.has(cpu)));
  if (missing.length > 0) {
    reading.wrong(`CPU number {${missing.join(', ')}} is not assigned to any node`, 'name each of the flavor’s CPUs in one hw:numa_cpus.N', { open: true });
  }
  const total = memory.reduce((sum, mib) => sum + mib, 0);
  if (total < ramMib) reading.wrong(`${total} MB of memory assigned, but expected ${ramMib} MB`, `let all hw:numa_mem.N together be ${ramMib}`, { open: true });
  return cpus.map((cell, node) => ({ cpus: ascending(cell), memoryMib: memory[node] ?? 0 }));
}

export interface CellLists { readonly cpus: Lists<ReadonlySet<number>>; readonly memory: Lists<number> }

/** The named cells, whether or not anything makes them count yet: what is wrong with them is wrong however many there are to be. */
export function cellLists(reading: Reading): CellLists {
  const cpus = list(reading, 'numa_cpus', (text, name) => {
    const parsed = parseCpuList(text);
    if ('cpus' in parsed) return parsed.cpus;
    reading.wrong(parsed.problem, `write ${name} as a list of CPUs, for example 0-1,4`);
    return new Set<number>();
  });
  const memory = list(reading, 'numa_mem', (text, name) => {
    const mib = wholeNumber(text, 1);
    if (mib === undefined) reading.wrong(`Validation failed; '${text}' is not a valid integer value`, `set ${name} to the node's memory in MiB`);
    return mib ?? 1;
  });
  const { vcpus, ramMib } = reading.flavor;
  const seen = new Set<number>();
  for (const cpu of (cpus ?? []).flatMap((cell) => ascending(cell))) {
    if (cpu >= vcpus) reading.wrong(`CPU number ${cpu} is larger than max ${vcpus - 1}`, `name CPUs 0 to ${vcpus - 1}: the flavor has ${vcpus}`);
    else if (seen.has(cpu)) reading.wrong(`CPU number ${cpu} is assigned to two nodes`, 'name each CPU in one hw:numa_cpus.N only');
    seen.add(cpu);
  }
  const total = (memory ?? []).reduce((sum, mib) => sum + mib, 0);
  if (total > ramMib) reading.wrong(`${total} MB of memory assigned, but expected ${ramMib} MB`, `let all hw:numa_mem.N together be ${ramMib}`);
  return { cpus, memory };
}

function even(reading: Reading, nodes: number): Cells {
  const { vcpus, ramMib } = reading.flavor;
  if (vcpus % nodes > 0 || ramMib % nodes > 0) {
    reading.wrong('Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. Explicit assignment of CPUs and memory to nodes is required',
      `set hw:numa_nodes to a number that divides ${vcpus} CPUs and ${ramMib} MiB, or give each node N its hw:numa_cpus.N and hw:numa_mem.N`, { open: true });
    return [];
  }
  const share = vcpus / nodes;
  return Array.from({ length: nodes }, (_, node) => ({ cpus: firstCpus(share).map((cpu) => cpu + node * share), memoryMib: ramMib / nodes }));
}

/** KEY.0, KEY.1, … as far as they go without a gap, of the flavor or of the image; null: there is none. */
function list<T>(reading: Reading, key: string, read: (text: string, name: string) => T): Lists<T> {
  const flavor = unbroken((node) => reading.ofFlavor(`${key}.${node}`));
  const image = unbroken((node) => reading.ofImage(`${key}.${node}`));
  if (flavor.length > 0 && image.length > 0) forbidden(reading, `hw_${key}`);
  const texts = flavor.length > 0 ? flavor : image;
  return texts.length === 0 ? null : texts.map((text, node) => read(text, `hw:${key}.${node}`));
}

function unbroken(at: (node: number) => string | undefined): string[] {
  const texts: string[] = [];
  for (let node = 0; node < MOST_CELLS; node += 1) {
    const text = at(node);
    if (text === undefined) break;
    texts.push(text);
  }
  return texts;
}

function forbidden(reading: Reading, name: string): void {
  reading.wrong(`Image property '${name}' is not permitted to override NUMA configuration set against the flavor`, `take an image without ${name}, or a flavor without NUMA nodes of its own`);
}
