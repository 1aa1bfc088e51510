/**
 * What must be built before a guest can be on as asked: disk, config drive, definition. Pure.
 *
 * Owns: when a disk is made, made anew, kept beside, brought back, and when one goes. A disk that held a guest's data goes only
 * when a higher disk generation was asked for and its own disk is there and defined; what is kept beside goes only when the
 * wish does not name it any more. A lost disk is never replaced by an empty one, except by a higher disk generation; the wish
 * says of which disks there were, for a host that has lost its memory along with them.
 * A crash between any two steps leaves files whose names say what they are; the next plan goes on from them.
 */
import type { Failure, InstanceFacts, Shape, Step, World } from './facts.js';
import { layoutKey } from './layout.js';
import { builtOf, isActive, isToBeConfined, refusal } from './state.js';

export interface Build {
  /** The guest is on, and must be off for `steps`. */
  readonly off: boolean;
  /** What can be done while it still runs, so that it is off for a shorter time; or shows that it cannot be done at all. */
  readonly before: readonly Step[];
  readonly steps: readonly Step[];
}

const DISK_LOST = 'The root disk of this server is gone from its host, and nothing is built in its place. Rebuilding the server makes a new disk from its image; or an operator puts the disk back on the host, and it goes on by itself.';

export function planBuild(facts: InstanceFacts, world: World): Build | { refused: Failure } {
  const { desired, progress, domain, files } = facts;
  const refuse = (code: string, message: string): { refused: Failure } => ({ refused: refusal(facts, world, code, message) });
  const built = builtOf(facts);
  if (built && (built.specGeneration > desired.specGeneration || built.diskGeneration > desired.diskGeneration)) {
    return refuse('newer-built', `What is built here (spec generation ${built.specGeneration}, disk generation ${built.diskGeneration}) is newer than what is asked for (${desired.specGeneration}, ${desired.diskGeneration}).`);
  }
  const isNewSpec = built !== null && built.specGeneration < desired.specGeneration;
  const isNewDisk = built !== null && built.diskGeneration < desired.diskGeneration;
  const back = isNewSpec ? toBringBack(facts, built.specGeneration) : null;
  if (back === 'lost') return refuse('previous-lost', 'What this instance was before its resize is gone from its host.');
  const keep = isNewSpec && desired.previous?.then === 'keep' && !files.previous.includes(desired.previous.specGeneration);
  const isOtherShape = isNewSpec && !isSameShape(domain?.notes?.shape ?? null, desired);
  const mustBeOff = isNewDisk || back !== null || keep || isOtherShape;

  const notes = domain?.notes;
  const steps: Step[] = notes && (progress.built === null || progress.frozen === null || progress.rebootCount < notes.rebootCount) ? ['adopt'] : [];
  if (isActive(facts)) {
    if (mustBeOff) return { off: true, before: isNewDisk ? ['fetch-image'] : [], steps: [] };
    if (isNewSpec) steps.push('book-spec'); // nothing that the guest is made of differs
    return { off: false, before: [], steps: [...steps, ...tidySteps(facts, files.disks.includes(desired.diskGeneration))] };
  }

  const saved = domain?.saved === true;
  if (saved && isNewDisk) steps.push('drop-saved'); // memory of a disk that is to go
  else if (saved && mustBeOff) return refuse('memory-saved', 'The guest is suspended: its memory fits only what it was built as. It has to be resumed or rebooted hard first.');

  if (keep) steps.push('keep-disk');
  const hasDisk = files.disks.includes(desired.diskGeneration);
  if (back) steps.push('restore-disk');
  else if (!hasDisk) {
    // A disk that was made and is gone held a guest's data: an empty one in its place would hide the loss.
    // The control plane knows of it also when this host has lost all it knew.
    if (built === null ? desired.diskLaunched : !isNewDisk) return refuse('disk-lost', DISK_LOST);
    steps.push('fetch-image', built === null && desired.diskFrom !== null ? 'receive-disk' : 'make-disk');
  } else if (isOtherShape && !isNewDisk) steps.push('grow-disk');
  else if (built === null) steps.push('fetch-image'); // its disk was put back, or is all that was left: it stands on the image
  // A guest whose memory is kept has its config drive open.
  if (!files.configDrive || isNewDisk || (progress.configDrive !== facts.configDrive && !saved)) steps.push('make-config-drive');
  if (!domain || isNewDisk || (isNewSpec && !saved)) steps.push('define');
  else if (isNewSpec) steps.push('book-spec');
  else if (!saved && isToBeConfined(facts, world)) steps.push('define'); // its host's CPUs were divided anew meanwhile
  return { off: false, before: [], steps: [...steps, ...tidySteps(facts, true)] };
}

/** What is not wanted any more, after everything that is wanted. */
function tidySteps({ desired, files }: InstanceFacts, hasDisk: boolean): Step[] {
  const steps: Step[] = [];
  if (hasDisk && files.disks.some((generation) => generation < desired.diskGeneration)) steps.push('drop-disks');
  if (files.previous.some((generation) => !isKept(desired, generation))) steps.push('drop-previous');
  return steps;
}

/** Is the disk of that spec generation to stay beside? */
export const isKept = ({ previous }: Pick<InstanceFacts['desired'], 'previous'>, specGeneration: number): boolean => previous?.then === 'keep' && previous.specGeneration === specGeneration;

/** Which spec generation's disk is to come back; null: none, also when the resize never began. */
function toBringBack({ desired: { previous }, files }: InstanceFacts, built: number): number | 'lost' | null {
  if (previous?.then !== 'restore') return null;
  if (files.previous.includes(previous.specGeneration)) return previous.specGeneration;
  return built === previous.specGeneration ? null : 'lost';
}

const isSameShape = (shape: Shape | null, wanted: InstanceFacts['desired']): boolean =>
  shape !== null && shape.vcpus === wanted.vcpus && shape.memoryMib === wanted.memoryMib && shape.diskGib === wanted.diskGib && shape.layout === layoutKey(wanted.layout);
