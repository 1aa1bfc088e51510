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

/** Fewer reboots done than asked for. The domain's own notes win here too. */
export const isBehind = ({ desired, domain, progress }: InstanceFacts): boolean => (domain?.notes?.rebootCount ?? progress.rebootCount) < desired.rebootCount;

export function stateOf(facts: InstanceFacts): ObservedInstance['state'] {
  const { domain, desired, progress, files } = facts;
  if (domain) {
    if (desired.intent === 'suspended' && domain.saved) return 'suspended';
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
