// What a look at a bus costs: on the clock, and of CPU in this process and in those that it starts.
import { readFileSync } from 'node:fs';

const now = () => performance.now();
const round = (value) => Number(value.toFixed(1));

/** As an agent looks: the bus, and what the host lives on itself. */
export async function look(pci) {
  const [seen, protectedBy] = await Promise.all([pci.read(), pci.protectedFunctions()]);
  return { seen, protectedBy };
}

/** @param make gives a reader that has seen nothing yet @returns `first`: each by a new one (the worst of them is this process' own first); `later`: of the last of them */
export async function looks(make, { first, later }) {
  let pci;
  const firsts = await measured(first, () => look(pci = make()));
  return { pci, first: firsts, later: await measured(later, () => look(pci)) };
}

/** @returns of `times` runs: the clock's median and worst, and the mean of CPU; milliseconds */
export async function measured(times, work) {
  const walls = [];
  const [own, children] = [process.cpuUsage(), childrenMs()];
  for (let n = 0; n < times; n += 1) {
    const began = now();
    await work();
    walls.push(now() - began);
  }
  const { user, system } = process.cpuUsage(own);
  const cpu = { process: round((user + system) / 1000 / times), children: round((childrenMs() - children) / times) };
  return { ...clock(walls), cpu_ms: { ...cpu, both: round(cpu.process + cpu.children) } };
}

export function clock(walls) {
  const sorted = [...walls].sort((a, b) => a - b);
  return { n: sorted.length, wall_ms: { p50: round(sorted[sorted.length >> 1]), worst: round(sorted.at(-1)) } };
}

/** User and system time of children that have ended, in steps of the kernel's clock (10 ms). */
function childrenMs() {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(13, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * 10;
}
