/** Which of a guest's CPUs are named by a mask: those that get a host CPU of their own, and those of real time. Pure. */
import { firstCpus, parseCpuList } from './cpu-list.js';
import { isYes, type Reading } from './reading.js';

type Cpus = ReadonlySet<number>;

/** hw:cpu_dedicated_mask; null: not said, or said wrongly. */
export function dedicatedMask(reading: Reading): Cpus | null {
  const { vcpus } = reading.flavor;
  const cpus = masked(reading, reading.ofFlavor('cpu_dedicated_mask'), 'hw:cpu_dedicated_mask');
  if (cpus === null) return null;
  const cure = `name at least one of the CPUs 0 to ${vcpus - 1} in hw:cpu_dedicated_mask, and not all of them`;
  if (cpus.size === 0 || firstCpus(vcpus).every((cpu) => cpus.has(cpu))) {
    reading.wrong("Mixed instance must have at least 1 pinned vCPU and 1 unpinned vCPU. See 'hw:cpu_dedicated_mask'", cure);
    return null;
  }
  if (beyond(cpus, vcpus)) {
    reading.wrong('Mixed instance dedicated vCPU(s) mask is not a subset of vCPUs in the flavor. See "hw:cpu_dedicated_mask"', cure);
    return null;
  }
  return cpus;
}

/** Of hw:cpu_realtime: the CPUs that are to run in real time; the image's mask goes before the flavor's. null: not asked for. */
export function realtimeMask(reading: Reading, emulatorElsewhere: boolean): Cpus | null {
  if (!isYes(reading.ofFlavor('cpu_realtime'))) return null;
  const { vcpus } = reading.flavor;
  const asked = reading.ofImage('cpu_realtime_mask') ?? reading.ofFlavor('cpu_realtime_mask');
  const cpus = asked === undefined ? new Set(firstCpus(vcpus)) : masked(reading, asked, 'hw:cpu_realtime_mask');
  if (cpus === null) return null;
  const all = cpus.size === vcpus && !beyond(cpus, vcpus);
  if (cpus.size === 0 || (all && !emulatorElsewhere)) {
    reading.wrong('Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads',
      'leave a CPU out of hw:cpu_realtime_mask (^0), or set hw:emulator_threads_policy', { open: true });
  } else if (beyond(cpus, vcpus)) {
    reading.wrong('Realtime policy vCPU(s) mask is configured with RT vCPUs that are not a subset of the vCPUs in the flavor. See hw:cpu_realtime_mask or hw_cpu_realtime_mask',
      `name CPUs 0 to ${vcpus - 1} only`);
  }
  return cpus;
}

const beyond = (cpus: Cpus, vcpus: number): boolean => [...cpus].some((cpu) => cpu >= vcpus);

/** A mask that begins with a caret takes out of all. */
function masked(reading: Reading, mask: string | undefined, name: string): Cpus | null {
  if (mask === undefined) return null;
  const list = parseCpuList(mask.trim().startsWith('^') ? `0-${reading.flavor.vcpus - 1},${mask}` : mask);
  if ('cpus' in list) return list.cpus;
  reading.wrong(list.problem, `write ${name} as a list of CPUs, for example 0-1,4 or ^0`);
  return null;
}
