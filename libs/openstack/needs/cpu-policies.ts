/** Which CPU policies flavor and image ask for together: the flavor's word stands, an image may only agree or fill in. Pure. */
import { tuple, type Reading } from './reading.js';

const POLICIES = ['dedicated', 'shared', 'mixed'] as const;
const THREADS = ['prefer', 'isolate', 'require'] as const;
const EMULATOR = ['share', 'isolate'] as const;
export type CpuPolicy = (typeof POLICIES)[number];
export type ThreadPolicy = (typeof THREADS)[number];
export type EmulatorThreads = (typeof EMULATOR)[number];

/** null: nobody says. */
export function cpuPolicy(reading: Reading): CpuPolicy | null {
  const flavor = word(reading, reading.ofFlavor('cpu_policy'), POLICIES, 'CPU policy', 'flavor extra specs', 'hw:cpu_policy');
  const image = word(reading, reading.ofImage('cpu_policy'), POLICIES, 'CPU policy', 'image properties', 'hw_cpu_policy');
  const overridden = (flavor === 'mixed' && image === 'dedicated') || (flavor === 'shared' && (image === 'mixed' || image === 'dedicated'));
  if (overridden) {
    reading.wrong("Image property 'hw_cpu_policy' is not permitted to override CPU pinning policy set against the flavor",
      `take a flavor that allows ${image ?? ''} CPUs, or an image without hw_cpu_policy`);
  }
  return flavor ?? image;
}

/** null: nobody says. */
export function threadPolicy(reading: Reading): ThreadPolicy | null {
  const flavor = word(reading, reading.ofFlavor('cpu_thread_policy'), THREADS, 'CPU thread policy', 'flavor extra specs', 'hw:cpu_thread_policy');
  const image = word(reading, reading.ofImage('cpu_thread_policy'), THREADS, 'CPU thread policy', 'image properties', 'hw_cpu_thread_policy');
  if (flavor === null || flavor === 'prefer') return flavor ?? image;
  if (image !== null && image !== flavor) {
    reading.wrong("Image property 'hw_cpu_thread_policy' is not permitted to override CPU thread pinning policy set against the flavor",
      `take a flavor with hw:cpu_thread_policy=${image} or without one, or an image without hw_cpu_thread_policy`);
  }
  return flavor;
}

export function emulatorThreads(reading: Reading): EmulatorThreads | null {
  const asked = reading.ofFlavor('emulator_threads_policy');
  const known = EMULATOR.find((each) => each === asked);
  if (asked !== undefined && known === undefined) {
    reading.wrong(`CPU emulator threads option requested is invalid, given: '${asked}', available: '${tuple(EMULATOR)}'`, 'set hw:emulator_threads_policy to one of them, or take it away');
  }
  return known ?? null;
}

function word<T extends string>(reading: Reading, asked: string | undefined, words: readonly T[], what: string, source: string, name: string): T | null {
  const known = words.find((each) => each === asked);
  if (asked !== undefined && known === undefined) {
    reading.wrong(`${what} requested from '${source}' is invalid, given: '${asked}', available: '${tuple(words)}'`, `set ${name} to one of them, or take it away`);
  }
  return known ?? null;
}
