// libvirt's numbers by name, and its list filter: small tables the in-memory hypervisor decides with.
import { DOMAIN_STATES, ERROR_NAMES, FLAGS, LIFECYCLE, STATE_REASONS, type ErrorName } from '../facts.js';

const code = (name: ErrorName): number => ERROR_NAMES.indexOf(name);

export const ERR = {
  INTERNAL_ERROR: code('INTERNAL_ERROR'),
  NO_SUPPORT: code('NO_SUPPORT'),
  INVALID_ARG: code('INVALID_ARG'),
  OPERATION_FAILED: code('OPERATION_FAILED'),
  NO_DOMAIN: code('NO_DOMAIN'),
  OPERATION_INVALID: code('OPERATION_INVALID'),
  ARGUMENT_UNSUPPORTED: code('ARGUMENT_UNSUPPORTED'),
} as const;

export const STATE = { running: DOMAIN_STATES.indexOf('running'), paused: DOMAIN_STATES.indexOf('paused') } as const;

export function domainState<S extends keyof typeof STATE_REASONS>(state: S, reason: (typeof STATE_REASONS)[S][number]): [number, number] {
  return [DOMAIN_STATES.indexOf(state), (STATE_REASONS[state] as readonly string[]).indexOf(reason)];
}

export function domainEvent(event: keyof typeof LIFECYCLE, detail: string): [number, number] {
  return [Object.keys(LIFECYCLE).indexOf(event), (LIFECYCLE[event] as readonly string[]).indexOf(detail)];
}

interface Listed {
  readonly state: number;
  readonly config: unknown;
  readonly live: unknown;
  readonly saved: unknown;
}

/** libvirt's filter: bits of one group add up, groups narrow; a group without bits does not filter. */
export function matchesFilter(domain: Listed, flags: number): boolean {
  const F = FLAGS.listDomains;
  const has = (bit: number): boolean => (flags & bit) !== 0;
  const group = (...pairs: [bit: number, matches: boolean][]): boolean => !pairs.some(([bit]) => has(bit)) || pairs.some(([bit, matches]) => has(bit) && matches);
  const running = domain.state === STATE.running;
  const paused = domain.state === STATE.paused;
  const shutoff = domain.state === DOMAIN_STATES.indexOf('shutoff');
  return (
    group([F.active, domain.live !== null], [F.inactive, domain.live === null]) &&
    group([F.persistent, domain.config !== null], [F.transient, domain.config === null]) &&
    group([F.running, running], [F.paused, paused], [F.shutoff, shutoff], [F.other, !running && !paused && !shutoff]) &&
    group([F.managedsave, domain.saved !== null], [F.noManagedsave, domain.saved === null]) &&
    // The fake has no autostart, snapshots or checkpoints.
    group([F.autostart, false], [F.noAutostart, true]) &&
    group([F.hasSnapshot, false], [F.noSnapshot, true]) &&
    group([F.hasCheckpoint, false], [F.noCheckpoint, true])
  );
}
