/**
 * What to do next for one instance, and what to say of it: the host loop's whole judgement, readable top to bottom.
 *
 * Owns: which steps follow from (desired, done, observed). Never acts, never remembers: the same facts give the same
 * plan. Only an explicit intent `deleted` leads to undefine or remove-files; only `deleted`, `stopped`, a reboot or something
 * new to build that were asked for lead to destroy; a disk goes only for a higher disk generation (build.ts). A crash after any
 * step changes the facts, and the next plan goes on from there.
 */
import type { ObservedInstance } from '#libs/contracts';
import { planBuild, type Build } from './build.js';
import { withDevices } from './devices.js';
import type { Failure, InstanceFacts, Progress, Step, World } from './facts.js';
import { devicesSeen, devicesTidied, planOwnDevices } from './own-devices.js';
import { builtOf, isActive, isBehind, isMemoryUsed, isToBeConfined, isWokenKept, refusal, stateOf } from './state.js';

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
export const GIVING_UP: ReadonlySet<Step> = new Set<Step>([
  'fetch-image', 'make-disk', 'receive-disk', 'keep-disk', 'restore-disk', 'grow-disk', 'make-config-drive', 'prepare-devices', 'define', 'start', 'pause', 'resume', 'save',
]);

export function planInstance(facts: InstanceFacts, world: World): InstancePlan {
  if (world.reportOnly || !facts.listed) return settled(facts, null);
  if (facts.domain && !facts.domain.notes) return settled(facts, refusal(facts, world, 'foreign-domain', `A domain with this id exists and is not this cloud's: ${facts.domain.name}. It is not touched.`));
  const held = heldBack(facts, world);
  if (held) return held;
  // Before anything that could start it: old memory over a newer disk destroys what is on it.
  if (facts.desired.intent !== 'deleted' && isMemoryUsed(facts, world)) return act(facts, ['drop-saved']);
  switch (facts.desired.intent) {
    case 'deleted': return planDeleted(facts);
    case 'stopped': return planOwn(facts, planDevices(facts, planStopped(facts, world), world), world);
    case 'running': case 'paused': case 'suspended': return planOwn(facts, planDevices(facts, planOn(facts, world), world), world);
    default: return settled(facts, refusal(facts, world, 'unsupported', `This agent does not know the intent ${String(facts.desired.intent)}.`));
  }
}

/** The same plan for a guest that has its devices; for one that has not got them: why. */
function planDevices(facts: InstanceFacts, plan: InstancePlan, world: World): InstancePlan {
  const verdict = withDevices(facts, plan.steps);
  if (verdict.kind === 'go') return verdict.steps === plan.steps ? plan : { ...plan, steps: verdict.steps, doing: plan.doing === plan.steps[0] ? (verdict.steps[0] ?? null) : plan.doing };
  return verdict.kind === 'wait' ? { ...settled(facts, null), doing: 'await-devices' } : settled(facts, refusal(facts, world, verdict.code, verdict.message));
}

/** The same plan, and of a server that is at rest: what its domain has of devices is brought to what it shall have. */
function planOwn(facts: InstanceFacts, plan: InstancePlan, world: World): InstancePlan {
  if (plan.steps.length > 0 || plan.doing !== null || plan.error !== null || !facts.devices) return plan;
  const { steps, wakeAtMs } = planOwnDevices(facts, world);
  return steps.length > 0 ? { ...act(facts, steps), wakeAtMs } : { ...plan, wakeAtMs };
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
  if (isActive(facts)) return powerOff(facts, world, [], []);
  const build = planBuild(facts, world);
  if ('refused' in build) return settled(facts, build.refused);
  const steps = [...build.steps];
  if (isBehind(facts)) steps.push('book-reboot'); // a guest that is off has nothing left to reboot
  return steps.length > 0 ? act(facts, steps) : settled(facts, null);
}

/** Wanted running, paused or suspended: on, in one way or another. */
function planOn(facts: InstanceFacts, world: World): InstancePlan {
  const build = planBuild(facts, world);
  if ('refused' in build) return settled(facts, build.refused);
  if (isActive(facts)) return build.off ? powerOff(facts, world, build.before, []) : planActive(facts, world, build);
  const { desired, domain } = facts;
  const steps = [...build.steps];
  const saved = domain?.saved === true && !steps.includes('drop-saved');
  if (saved && desired.intent === 'suspended') return steps.length > 0 ? act(facts, steps) : settled(facts, null);
  if (isRebootDue(facts)) {
    // Saved memory is given up for a hard reboot only; for a soft one the guest is woken, and reboots then.
    if (saved && desired.rebootType === 'hard') steps.push('drop-saved');
    if (!saved || desired.rebootType === 'hard') steps.push('book-reboot');
  }
  if (isStartWanted(facts, world)) steps.push(...(domain?.saved === true && !steps.includes('drop-saved') ? ['book-wake' as const] : []), 'start', ...AFTER_START[desired.intent] ?? []); // else it ended by itself: said, not undone
  return steps.length > 0 ? act(facts, steps) : settled(facts, null);
}

const AFTER_START: Readonly<Record<string, readonly Step[]>> = { paused: ['pause'], suspended: ['save'] };

/** Wanted on, and it is, and nothing has to be built for which it must be off. */
function planActive(facts: InstanceFacts, world: World, build: Build): InstancePlan {
  const { desired, progress, domain } = facts;
  if (isRebootDue(facts)) {
    const again: Step[] = [...(isToBeConfined(facts, world) ? ['define' as const] : []), 'book-reboot', 'start'];
    return desired.rebootType === 'hard' ? act(facts, [...build.steps, 'destroy', ...again]) : powerOff(facts, world, [], again);
  }
  // A stop was asked for and taken back when the button had been pressed: the guest may go down any moment.
  if (pressed(facts, world)) return powerOff(facts, world, [], ['start', ...AFTER_START[desired.intent] ?? []]);
  if (build.steps.length > 0) return act(facts, build.steps);
  if (domain?.pausedBy === 'libvirt') return { ...settled(facts, null), doing: 'wait-hypervisor' };
  if (desired.intent === 'suspended') return act(facts, ['save']);
  if (desired.intent === 'paused' && domain?.power === 'running') return act(facts, ['pause']);
  const isTried = progress.started?.generation === desired.generation && progress.started.bootId === world.bootId;
  if (desired.intent === 'running' && domain?.power === 'paused') {
    // Somebody's word is answered by a newer one. A fault is tried once for each time somebody asks, and said.
    if (domain.pausedBy === 'word' || !isTried) return act(facts, ['resume', 'book-start']);
    return settled(facts, refusal(facts, world, 'guest-halted', `The guest was halted by its hypervisor (${domain.reason}): ${HALTED[domain.reason] ?? 'it cannot go on by itself'}. Starting it again tries to go on.`));
  }
  return isTried ? settled(facts, null) : act(facts, ['book-start']);
}

const HALTED: Readonly<Record<string, string>> = { ioerror: 'its disk could not be written or read, most often because its host has no space left', watchdog: 'its watchdog fired', crashed: 'its kernel panicked' };

/** Button, patience, then the plug; `then` follows when it is off, `first` is done while it still runs. */
function powerOff(facts: InstanceFacts, world: World, first: readonly Step[], then: readonly Step[]): InstancePlan {
  const powerOffMs = facts.desired.powerOffTimeoutS === null ? world.powerOffMs : facts.desired.powerOffTimeoutS * 1000;
  if (powerOffMs === 0) return act(facts, [...first, 'destroy', ...then]);
  const button = pressed(facts, world);
  const patience = { ...act(facts, []), doing: 'power-off' };
  // A halted guest hears no button. One that its hypervisor halts would be halted again.
  if (!button) return { ...patience, steps: [...first, ...(facts.domain?.pausedBy === 'word' ? ['resume' as const] : []), 'press-power-button'] };
  const plugAtMs = button.firstMs + powerOffMs;
  if (world.nowMs >= plugAtMs) return act(facts, ['destroy', ...then]);
  const againAtMs = button.lastMs + world.pressAgainMs;
  if (world.nowMs >= againAtMs) return { ...patience, steps: ['press-power-button'] };
  return { ...patience, wakeAtMs: Math.min(plugAtMs, againAtMs) };
}

const pressed = ({ progress }: InstanceFacts, world: World) => (progress.powerButton?.bootId === world.bootId ? progress.powerButton : null);

/** Reboots are for guests that shall run; what is asked of a paused or suspended one waits until it shall. */
const isRebootDue = (facts: InstanceFacts): boolean => facts.desired.intent === 'running' && isBehind(facts);

/** It is off: is that what was not asked for, or what the guest itself chose after it was started as asked? */
function isStartWanted(facts: InstanceFacts, world: World): boolean {
  const { started } = facts.progress;
  return isRebootDue(facts) || started?.generation !== facts.desired.generation || started.bootId !== world.bootId;
}

/** What need not be remembered any more: a button whose guest is off, that it was woken, a failure that was overcome or is of an older intent. */
export function tidied(facts: InstanceFacts, plan: InstancePlan, world: World): Progress {
  const { progress, desired } = facts;
  const powerButton = isActive(facts) ? progress.powerButton : null;
  const over = progress.failure !== null && (progress.failure.generation !== desired.generation || (plan.steps.length === 0 && plan.error === null));
  const woken = isWokenKept(facts, world) ? progress.woken : null;
  const devices = devicesTidied(facts);
  return powerButton === progress.powerButton && woken === progress.woken && devices === progress.devices && !over ? progress : { ...progress, powerButton, woken, devices, failure: over ? null : progress.failure };
}

function act(facts: InstanceFacts, steps: readonly Step[]): InstancePlan {
  return { steps, wakeAtMs: null, state: stateOf(facts), doing: steps[0] ?? null, error: facts.progress.failure?.generation === facts.desired.generation ? facts.progress.failure : null };
}

/** Nothing to do. A failure that is given here is shown; one that was overcome is not. */
function settled(facts: InstanceFacts, error: Failure | null): InstancePlan {
  const state = stateOf(facts);
  return { steps: [], wakeAtMs: null, state: error?.final && !isActive(facts) && facts.desired.intent !== 'deleted' ? 'failed' : state, doing: null, error };
}

/** What a report says of a plan. @param rebootCount reboots done */
export function observationOf(facts: InstanceFacts, plan: Pick<InstancePlan, 'state' | 'doing' | 'error'>): ObservedInstance {
  const { desired, progress, domain } = facts;
  const { error } = plan;
  const devices = plan.state === 'absent' ? [] : devicesSeen(facts);
  return {
    id: desired.id, generation: desired.generation, state: plan.state, rebootCount: domain?.notes?.rebootCount ?? progress.rebootCount,
    startedAtMs: progress.startedAtMs, built: plan.state === 'absent' ? null : builtOf(facts), doing: plan.doing,
    error: error && { code: error.code, message: error.message.slice(0, 1000), attempts: error.attempts, final: error.final },
    ...(plan.state === 'stopped' && domain?.saved === true && { savedMemory: true }),
    ...(devices && facts.devices && { devices }),
    ...(progress.frozen && { frozen: { ...progress.frozen } }),
  };
}
