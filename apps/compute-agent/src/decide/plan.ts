/**
 * What to do next for one instance, and what to say of it: the host loop's whole judgement, readable top to bottom.
 *
 * Owns: which steps follow from (desired, done, observed). Never acts, never remembers: the same facts give the same
 * plan. Only an explicit intent `deleted` leads to undefine or remove-files; only `deleted`, `stopped` or a reboot that
 * was asked for lead to destroy. A crash after any step changes the facts, and the next plan goes on from there.
 */
import type { ObservedInstance } from '#libs/contracts';
import type { Failure, InstanceFacts, Progress, Step, World } from './facts.js';

type State = ObservedInstance['state'];

export interface InstancePlan {
  /** In this order, each only when the one before succeeded. */
  readonly steps: readonly Step[];
  /** Boot clock: look again then, even if nothing happens; null: only when something happens. */
  readonly wakeAtMs: number | null;
  readonly state: State;
  /** What is being done or waited for; null: settled. */
  readonly doing: string | null;
  /** Shown with the state; kept until overcome. */
  readonly error: Failure | null;
}

/** Steps after whose last try the host gives up for a generation. All others are tried for ever, ever more slowly. */
export const GIVING_UP: ReadonlySet<Step> = new Set<Step>(['fetch-image', 'make-disk', 'make-config-drive', 'define', 'start']);

export function planInstance(facts: InstanceFacts, world: World): InstancePlan {
  if (world.reportOnly || !facts.listed) return settled(facts, null);
  if (facts.domain && !facts.domain.notes) return settled(facts, refusal(facts, world, 'foreign-domain', `A domain with this id exists and is not this cloud's: ${facts.domain.name}. It is not touched.`));
  const held = heldBack(facts, world);
  if (held) return held;
  switch (facts.desired.intent) {
    case 'deleted': return planDeleted(facts);
    case 'stopped': return planStopped(facts, world);
    case 'running': return planRunning(facts, world);
    default: return settled(facts, refusal(facts, world, 'unsupported', `This agent does not know the intent ${String(facts.desired.intent)}.`));
  }
}

/** After a failure: given up for this generation, or not yet time to try again. */
function heldBack(facts: InstanceFacts, world: World): InstancePlan | null {
  const failure = facts.progress.failure;
  if (!failure || failure.generation !== facts.desired.generation) return null;
  if (failure.final && facts.desired.intent !== 'deleted') return settled(facts, failure);
  if (failure.bootId !== world.bootId || failure.retryAtMs <= world.nowMs) return null;
  return { ...settled(facts, failure), doing: failure.step, wakeAtMs: failure.retryAtMs };
}

function planDeleted(facts: InstanceFacts): InstancePlan {
  const steps: Step[] = [];
  if (isActive(facts)) steps.push('destroy');
  if (facts.domain) steps.push('undefine');
  if (facts.files.any) steps.push('remove-files');
  return steps.length === 0 ? { steps, wakeAtMs: null, state: 'absent', doing: null, error: null } : act(facts, steps);
}

function planStopped(facts: InstanceFacts, world: World): InstancePlan {
  if (isActive(facts)) return powerOff(facts, world, []);
  const build = planBuild(facts, world);
  if ('state' in build) return build;
  const steps = [...build.steps];
  if (isBehind(facts)) steps.push('book-reboot'); // a guest that is off has nothing left to reboot
  return steps.length > 0 ? act(facts, steps) : settled(facts, null);
}

function planRunning(facts: InstanceFacts, world: World): InstancePlan {
  const build = planBuild(facts, world);
  if ('state' in build) return build;
  if (isActive(facts)) return planActive(facts, world, build.steps);
  const steps = [...build.steps];
  if (isBehind(facts)) steps.push('book-reboot');
  if (isStartWanted(facts, world)) steps.push('start'); // else it ended by itself: said, not undone
  return steps.length > 0 ? act(facts, steps) : settled(facts, null);
}

/** Wanted running, and it runs. */
function planActive(facts: InstanceFacts, world: World, before: readonly Step[]): InstancePlan {
  if (isBehind(facts)) {
    const again: Step[] = ['destroy', 'book-reboot', 'start'];
    return facts.desired.rebootType === 'hard' ? act(facts, [...before, ...again]) : powerOff(facts, world, ['book-reboot', 'start']);
  }
  // A stop was asked for and taken back when the button had been pressed: the guest may go down any moment.
  if (pressed(facts, world)) return powerOff(facts, world, ['start']);
  if (before.length > 0) return act(facts, before);
  const { started } = facts.progress;
  if (started?.generation !== facts.desired.generation || started.bootId !== world.bootId) return act(facts, ['book-start']);
  return settled(facts, null);
}

/** What must be there before the guest can start, as steps; or the plan that says why it cannot be. */
function planBuild(facts: InstanceFacts, world: World): { steps: readonly Step[] } | InstancePlan {
  const { desired, progress, domain, files } = facts;
  const notes = domain?.notes;
  const built = notes?.specGeneration ?? progress.built;
  if (built !== null && built !== desired.specGeneration) {
    return settled(facts, refusal(facts, world, 'unsupported', `This agent cannot change a built instance from spec generation ${built} to ${desired.specGeneration}.`));
  }
  const steps: Step[] = [];
  if (notes && (progress.built === null || progress.frozen === null)) steps.push('adopt');
  if (isActive(facts)) return { steps };
  if (!files.disk) {
    // A disk that was made and is gone held a guest's data: an empty one in its place would hide the loss.
    if (built !== null) return settled(facts, refusal(facts, world, 'disk-lost', 'The root disk of this instance is gone from its host.'));
    steps.push('fetch-image', 'make-disk');
  }
  if (!files.configDrive) steps.push('make-config-drive');
  if (!domain) steps.push('define');
  return { steps };
}

/** Button, patience, then the plug; `then` follows when it is off. */
function powerOff(facts: InstanceFacts, world: World, then: readonly Step[]): InstancePlan {
  const button = pressed(facts, world);
  const patience = { ...act(facts, []), doing: 'power-off' };
  if (!button) return { ...patience, steps: ['press-power-button'] };
  const plugAtMs = button.firstMs + world.powerOffMs;
  if (world.nowMs >= plugAtMs) return act(facts, ['destroy', ...then]);
  const againAtMs = button.lastMs + world.pressAgainMs;
  if (world.nowMs >= againAtMs) return { ...patience, steps: ['press-power-button'] };
  return { ...patience, wakeAtMs: Math.min(plugAtMs, againAtMs) };
}

const isActive = ({ domain }: InstanceFacts): boolean => domain?.power === 'running' || domain?.power === 'paused';

const pressed = ({ progress }: InstanceFacts, world: World) => (progress.powerButton?.bootId === world.bootId ? progress.powerButton : null);

/** Fewer reboots done than asked for. The domain's own notes win: they change together with it. */
const isBehind = ({ desired, domain, progress }: InstanceFacts): boolean => (domain?.notes?.rebootCount ?? progress.rebootCount) < desired.rebootCount;

/** It is off: is that what was not asked for, or what the guest itself chose after it was started as asked? */
function isStartWanted(facts: InstanceFacts, world: World): boolean {
  const { started } = facts.progress;
  return isBehind(facts) || started?.generation !== facts.desired.generation || started.bootId !== world.bootId;
}

/** What need not be remembered any more: a button whose guest is off, a failure that was overcome or is of an older intent. */
export function tidied(facts: InstanceFacts, plan: InstancePlan): Progress {
  const { progress, desired } = facts;
  const powerButton = isActive(facts) ? progress.powerButton : null;
  const over = progress.failure !== null && (progress.failure.generation !== desired.generation || (plan.steps.length === 0 && plan.error === null));
  return powerButton === progress.powerButton && !over ? progress : { ...progress, powerButton, failure: over ? null : progress.failure };
}

function act(facts: InstanceFacts, steps: readonly Step[]): InstancePlan {
  return { steps, wakeAtMs: null, state: stateOf(facts), doing: steps[0] ?? null, error: facts.progress.failure?.generation === facts.desired.generation ? facts.progress.failure : null };
}

/** Nothing to do. A failure that is given here is shown; one that was overcome is not. */
function settled(facts: InstanceFacts, error: Failure | null): InstancePlan {
  const state = stateOf(facts);
  return { steps: [], wakeAtMs: null, state: error?.final && !isActive(facts) && facts.desired.intent !== 'deleted' ? 'failed' : state, doing: null, error };
}

function stateOf({ domain, desired, progress, files }: InstanceFacts): State {
  // Wanted off, and off it is: how it came to be so matters no more.
  if (domain) return desired.intent === 'stopped' && domain.power === 'crashed' ? 'stopped' : domain.power;
  if (desired.intent === 'deleted') return files.any ? 'stopped' : 'absent';
  return progress.built === null ? 'building' : 'stopped';
}

function refusal({ desired }: InstanceFacts, world: World, code: string, message: string): Failure {
  return { generation: desired.generation, step: 'define', code, message, attempts: 1, final: true, retryAtMs: 0, bootId: world.bootId };
}

/** What a report says of a plan. @param rebootCount reboots done */
export function observationOf(facts: InstanceFacts, plan: Pick<InstancePlan, 'state' | 'doing' | 'error'>): ObservedInstance {
  const { desired, progress, domain } = facts;
  const { error } = plan;
  return {
    id: desired.id, generation: desired.generation, state: plan.state, rebootCount: domain?.notes?.rebootCount ?? progress.rebootCount,
    startedAtMs: progress.startedAtMs, doing: plan.doing,
    error: error && { code: error.code, message: error.message.slice(0, 1000), attempts: error.attempts, final: error.final },
    ...(progress.frozen && { frozen: { ...progress.frozen } }),
  };
}
