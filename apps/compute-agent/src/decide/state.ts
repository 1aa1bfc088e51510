/** Judgements of one instance's facts that several plans ask for. Pure. Never says what to do. */
import type { ObservedInstance } from '#libs/contracts';
import type { Failure, InstanceFacts, World } from './facts.js';

export interface Built {
  readonly specGeneration: number;
  readonly diskGeneration: number;
}

/** What is built here. The domain's own notes win: they change together with it. */
export function builtOf({ domain, progress }: Pick<InstanceFacts, 'domain' | 'progress'>): Built | null {
  const notes = domain?.notes;
  if (notes) return { specGeneration: notes.specGeneration, diskGeneration: notes.diskGeneration };
  return progress.built === null ? null : { specGeneration: progress.built, diskGeneration: progress.diskGeneration };
}

/** Its QEMU is there. */
export const isActive = ({ domain }: Pick<InstanceFacts, 'domain'>): boolean => domain?.power === 'running' || domain?.power === 'paused';

/**
 * Its kept memory is not of its disk any more: it went on from there already. So when it runs and the memory is still kept (libvirt was
 * killed between the two), or when it was woken and another boot finds memory again (a power cut took back that it was removed).
 */
export function isMemoryUsed({ domain, progress }: Pick<InstanceFacts, 'domain' | 'progress'>, { bootId }: Pick<World, 'bootId'>): boolean {
  if (domain?.saved !== true) return false;
  return isActive({ domain }) ? domain.pausedBy !== 'libvirt' : progress.woken !== null && progress.woken.bootId !== bootId;
}

/** By then every file system has written down that the memory was removed. */
const WOKEN_KEPT_MS = 120_000;

/** Is it still to be remembered that it was woken? In the boot it happened in, one look at a guest that is off shows what is so. */
export function isWokenKept({ domain, progress: { woken } }: Pick<InstanceFacts, 'domain' | 'progress'>, { bootId, nowMs }: Pick<World, 'bootId' | 'nowMs'>): boolean {
  if (woken === null) return true;
  return woken.bootId === bootId ? isActive({ domain }) && nowMs - woken.atMs < WOKEN_KEPT_MS : domain?.saved === true;
}

/** Fewer reboots done than asked for. The domain's own notes win here too. */
export const isBehind = ({ desired, domain, progress }: InstanceFacts): boolean => (domain?.notes?.rebootCount ?? progress.rebootCount) < desired.rebootCount;

/** CPUs that were claimed for it alone and are not dedicated here any more. */
export const lostCpus = ({ desired: { layout } }: Pick<InstanceFacts, 'desired'>, { cpus }: Pick<World, 'cpus'>): number[] =>
  layout === null ? [] : [...layout.cells.flatMap(({ pins }) => pins.map(({ host }) => host)), ...(layout.emulatorCpu === null ? [] : [layout.emulatorCpu])].filter((cpu) => !cpus.dedicated.includes(cpu));

/** Off, it is to be defined anew: else it would go on floating over CPUs that are others' alone by now. */
export const isToBeConfined = (facts: Pick<InstanceFacts, 'desired' | 'domain'>, world: Pick<World, 'cpus'>): boolean => isOfOtherCpus(facts, world) && lostCpus(facts, world).length === 0;

/** Its definition is of a time when the host had other shared CPUs. */
export const isOfOtherCpus = ({ domain }: Pick<InstanceFacts, 'domain'>, { cpus }: Pick<World, 'cpus'>): boolean => (domain?.notes ? domain.notes.sharedCpus !== cpus.shared : false);

export function stateOf(facts: InstanceFacts): ObservedInstance['state'] {
  const { domain, desired, progress, files } = facts;
  if (domain) {
    if (desired.intent === 'suspended' && domain.saved && !isActive(facts)) return 'suspended';
    // Wanted off, and off it is: how it came to be so matters no more.
    return desired.intent === 'stopped' && domain.power === 'crashed' ? 'stopped' : domain.power;
  }
  if (desired.intent === 'deleted') return files.any ? 'stopped' : 'absent';
  return progress.built === null ? 'building' : 'stopped';
}

/** The host will not do it as long as the wish stays as it is. */
export function refusal({ desired }: InstanceFacts, world: World, code: string, message: string): Failure {
  return { generation: desired.generation, step: 'define', code, message, attempts: 1, final: true, retryAtMs: 0, bootId: world.bootId };
}
