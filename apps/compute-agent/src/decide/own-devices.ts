/**
 * Devices that come to, and leave, a server that is there: what its domain has beside what it shall have, and what follows. Pure.
 *
 * Owns: when a device is attached, when it is asked back, and what is said of each. What a domain may have is what its notes name: they are
 * written before a device is attached, and struck out when the domain provably has it no more. So a device that is neither wanted nor noted is
 * not there, whatever crashed or got lost in between. Never chooses a device, never stops a guest: one that does not let go keeps its device.
 */
import type { ObservedDevice } from '#libs/contracts';
import type { Failure, InstanceFacts, Step, World } from './facts.js';
import { devicesIn, type OwnDevice } from './layout.js';
import { isActive } from './state.js';

type Facts = Pick<InstanceFacts, 'desired' | 'domain' | 'progress' | 'devices'>;

/** One device of a server. `does`: what is to be done for it, when its turn comes; null: nothing, or it waits for something. */
export interface DeviceStanding {
  readonly device: OwnDevice;
  readonly state: 'attached' | 'attaching' | 'detaching' | 'needs-guest-stop' | 'failed';
  readonly message: string | null;
  readonly does: 'attach-device' | 'detach-device' | null;
  /** Of the same task, as long as it is not overcome. */
  readonly trouble: Failure | null;
  /** It waits for an answer of the guest, or for its next try. */
  readonly isWaiting: boolean;
}

/** Asked so often without an answer, a guest is taken for one that does not give any. */
const SILENT_AFTER = 2;
const NEEDS_STOP = 'the guest was asked to let it go and does not answer. It goes when the guest answers, or when the server is stopped, rebooted hard or rebuilt.';
const UNNAMED = 'libvirt ended while it attached it, and cannot ask the guest for it. It goes when the server is stopped, rebooted hard or rebuilt.';
const HALTED = "waits for the guest, which is halted: it goes on when the guest does.";
const SAVED = 'waits for the guest, whose memory is saved: it goes on when the guest has been resumed.';

const isSame = (a: OwnDevice, b: OwnDevice): boolean => a.identity === b.identity && a.place === b.place;

/** Those that are wanted, then those that may still be there. */
export function deviceStandings(facts: Facts): DeviceStanding[] {
  const wanted = devicesIn(facts.desired.layout);
  const noted = facts.domain?.notes?.devices ?? [];
  const left = noted.filter((device) => !wanted.some((each) => isSame(each, device)));
  return [...wanted.map((device) => wantedOne(device, noted, facts)), ...left.map((device) => leftOne(device, facts))];
}

function wantedOne(device: OwnDevice, noted: readonly OwnDevice[], facts: Facts): DeviceStanding {
  const { domain, devices } = facts;
  const isNoted = noted.some((each) => isSame(each, device));
  const has = presence(device, facts);
  const isThere = isNoted && (isActive(facts) ? has.live : has.defined);
  if (isThere && has.defined) return { device, state: 'attached', message: null, does: null, trouble: null, isWaiting: false };
  const trouble = troubleOf(device, 'attach-device', facts);
  const isTaken = noted.some((each) => each.place === device.place && !isSame(each, device));
  const waits = hindrance(facts) ?? (isTaken ? 'waits for its place in the guest, which another device still has.' : devices?.kind === 'wait' ? devices.why : null);
  // Given up, it is still tried, seldom: what a guest has lost (its function fell off the bus) may come back.
  const state = isThere ? 'attached' : trouble?.final ? 'failed' : 'attaching';
  const message = isThere ? null : state === 'failed' ? trouble!.message : waits ?? trouble?.message ?? null;
  return { device, state, message, does: domain === null || waits !== null ? null : 'attach-device', trouble, isWaiting: trouble !== null };
}

function leftOne(device: OwnDevice, facts: Facts): DeviceStanding {
  const has = presence(device, facts);
  const trouble = troubleOf(device, 'detach-device', facts);
  const waits = hindrance(facts);
  const isSilent = has.live && (has.unnamed || (trouble?.attempts ?? 0) >= SILENT_AFTER);
  const why = trouble === null || trouble.message === '' ? null : trouble.message;
  return {
    device, state: isSilent ? 'needs-guest-stop' : 'detaching', message: isSilent ? (why ?? (has.unnamed ? UNNAMED : NEEDS_STOP)) : waits ?? why, does: waits === null ? 'detach-device' : null, trouble,
    // What is gone is struck out at once, and a definition waits for nobody.
    isWaiting: trouble !== null && (why !== null || (has.live && !has.defined)),
  };
}

/** By its alias: what stands at its place of the running domain, and of its definition. */
function presence({ place }: OwnDevice, { domain }: Facts): { live: boolean; defined: boolean; unnamed: boolean } {
  const at = (list: readonly { place: number | null }[] | undefined): boolean => list?.some((each) => each.place === place) === true;
  return { live: at(domain?.live), defined: at(domain?.hostdevs), unnamed: domain?.live?.some((each) => each.place === place && each.unnamed === true) === true };
}

const troubleOf = ({ identity, generation }: OwnDevice, step: Step, { progress }: Facts): Failure | null => {
  const trouble = progress.devices[identity];
  return trouble?.step === step && trouble.generation === generation ? trouble : null;
};

/** Why nothing is attached or detached now; null: it can be. */
function hindrance({ domain }: Facts): string | null {
  if (domain?.power === 'paused') return HALTED;
  return domain?.saved === true ? SAVED : null;
}

/** Of a server that is at rest otherwise: what is to be done for its devices now, and when the next look is due. */
export function planOwnDevices(facts: Facts, { nowMs, bootId }: Pick<World, 'nowMs' | 'bootId'>): { steps: Step[]; wakeAtMs: number | null } {
  const tasks = deviceStandings(facts).filter(({ does }) => does !== null);
  const due = tasks.filter((each) => isDue(each, { nowMs, bootId }));
  const later = tasks.filter((each) => !due.includes(each)).map(({ trouble }) => trouble!.retryAtMs);
  const steps = (['detach-device', 'attach-device'] as const).filter((step) => due.some(({ does }) => does === step));
  return { steps, wakeAtMs: later.length > 0 ? Math.min(...later) : null };
}

export const isDue = ({ trouble, isWaiting }: DeviceStanding, { nowMs, bootId }: Pick<World, 'nowMs' | 'bootId'>): boolean =>
  !isWaiting || trouble === null || trouble.bootId !== bootId || trouble.retryAtMs <= nowMs;

/** Troubles that are not overcome. */
export function devicesTidied(facts: Facts): Readonly<Record<string, Failure>> {
  const { devices } = facts.progress;
  const kept = deviceStandings(facts).flatMap(({ device, trouble }) => (trouble ? [[device.identity, trouble] as const] : []));
  return kept.length === Object.keys(devices).length ? devices : Object.fromEntries(kept);
}

/**
 * What a report says of them; what is not among them may be given to others. null: nothing can be said, for the domain is none of ours, or has
 * a device under one of our names that neither wish nor notes know.
 */
export function devicesSeen(facts: Facts): ObservedDevice[] | null {
  const { domain, desired, devices } = facts;
  if (devices === undefined || (domain !== null && domain.notes === null)) return null;
  const standings = deviceStandings(facts).filter(({ state }) => desired.intent !== 'deleted' || (state !== 'attaching' && state !== 'failed'));
  const places = new Set(standings.map(({ device }) => device.place));
  if ([...(domain?.live ?? []), ...(domain?.hostdevs ?? [])].some(({ place }) => place !== null && !places.has(place))) return null;
  return standings.map(({ device: { deviceId, identity, generation }, state, message }) => ({ deviceId, identity, generation, state, ...(message !== null && { message: message.slice(0, 500) }) }));
}
