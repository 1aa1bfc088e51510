/**
 * What a change makes of an aggregate, or why it must not be, in Nova's words. Owns the rule that a host has one zone, and
 * that it keeps it while servers are on it, and how much there may be of aggregates. Pure.
 */
import type { AggregateChange } from '#libs/contracts';

export interface AggregateState {
  id: number;
  name: string;
  metadata: Readonly<Record<string, string>>;
  hosts: readonly MemberHost[];
}

export interface MemberHost {
  id: string;
  name: string;
  /** Claims on it. */
  instances: number;
  /** The zone of the other aggregates it is in; null: they give none. */
  otherZone: string | null;
  /** While no aggregate gives it a zone. */
  homeZone: string;
}

/** gone: it is deleted. */
export type AggregateOutcome =
  | { next: AggregateState | 'gone' }
  | { problem: string; kind: 'bad-request' | 'conflict' | 'not-found' | 'over-quota' };

export const ZONE = 'availability_zone';

/** Of aggregates together: how many, and how long their names, metadata and hosts' names are. */
export interface AggregateTotals { count: number; bytes: number }

/** Why there must not be more; null: there may. What does not grow is never refused, so that whoever is above a limit can get below it. */
export function tooMany(others: AggregateTotals, before: AggregateTotals, next: AggregateTotals, most: AggregateTotals): string | null {
  const over = (what: keyof AggregateTotals): boolean => next[what] > before[what] && others[what] + next[what] > most[what];
  if (over('count')) return `There may be ${most.count} aggregates, and there are as many. Delete one that is not needed.`;
  if (over('bytes')) return `The names, metadata and hosts' names of all aggregates may be ${most.bytes} bytes together, and this would make it ${others.bytes + next.bytes}. Remove metadata or hosts that are not needed.`;
  return null;
}

/** @param host the host that is to come or go; undefined: there is none of that name */
export function changeOf(state: AggregateState, change: AggregateChange, host: MemberHost | undefined): AggregateOutcome {
  switch (change.do) {
    case 'update': {
      const metadata = change.availabilityZone === undefined ? state.metadata : { ...state.metadata, [ZONE]: change.availabilityZone ?? '' };
      return withZone({ ...state, name: change.name ?? state.name, metadata }, state, `Cannot update aggregate ${state.id}. Reason: `);
    }
    case 'set-metadata': {
      const merged = { ...state.metadata, ...change.metadata };
      if (change.metadata[ZONE] === null) merged[ZONE] = '';
      const metadata = Object.fromEntries(Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== null));
      return withZone({ ...state, metadata }, state, `Cannot update metadata of aggregate ${state.id}. Reason: `);
    }
    case 'add-host': return added(state, change.host, host);
    case 'remove-host': return removed(state, change.host, host);
    case 'delete': return state.hosts.length > 0 ? bad(`Cannot remove host from aggregate ${state.id}. Reason: Host aggregate is not empty.`) : { next: 'gone' };
  }
}

/** The zone of a host in this aggregate, with this metadata. */
export const zoneOf = (host: MemberHost, metadata: AggregateState['metadata'] | null): string => metadata?.[ZONE] ?? host.otherZone ?? host.homeZone;

function withZone(next: AggregateState, before: AggregateState, prefix: string): AggregateOutcome {
  const zone = next.metadata[ZONE];
  if (zone === '') return bad(`${prefix}Aggregate ${before.name} does not support empty named availability zone.`);
  if (zone === undefined || zone === before.metadata[ZONE]) return { next };
  const others = [...new Set(next.hosts.map(({ otherZone }) => otherZone).filter((other) => other !== null && other !== zone))];
  if (others.length > 0) return bad(`${prefix}One or more hosts already in availability zone(s) ${others.join(', ')}.`);
  const full = next.hosts.some((host) => host.instances > 0 && zoneOf(host, before.metadata) !== zone);
  return full ? bad(`${prefix}One or more hosts contain instances in this zone. Move them away first: a server keeps its zone.`) : { next };
}

function added(state: AggregateState, name: string, host: MemberHost | undefined): AggregateOutcome {
  if (host === undefined) return { kind: 'not-found', problem: `Compute host ${name} could not be found.` };
  const prefix = `Cannot add host to aggregate ${state.id}. Reason: `;
  if (state.hosts.some(({ id }) => id === host.id)) return clash(`Aggregate ${state.id} already has host ${name}.`);
  const zone = state.metadata[ZONE];
  if (zone !== undefined && host.otherZone !== null && host.otherZone !== zone) return clash(`${prefix}One or more hosts already in availability zone(s) ${host.otherZone}.`);
  if (host.instances > 0 && zoneOf(host, null) !== zoneOf(host, state.metadata)) return clash(`${prefix}The availability zone of host ${name} would change from '${zoneOf(host, null)}' to '${zoneOf(host, state.metadata)}', but it has ${host.instances} instance(s). Move them away first: a server keeps its zone.`);
  return { next: { ...state, hosts: [...state.hosts, host] } };
}

function removed(state: AggregateState, name: string, host: MemberHost | undefined): AggregateOutcome {
  if (host === undefined || !state.hosts.some(({ id }) => id === host.id)) return { kind: 'not-found', problem: `Cannot remove host ${name} in aggregate ${state.id}` };
  const [now, then] = [zoneOf(host, state.metadata), zoneOf(host, null)];
  if (host.instances > 0 && now !== then) return clash(`Cannot remove host from aggregate ${state.id}. Reason: The availability zone of host ${name} would change from '${now}' to '${then}', but it has ${host.instances} instance(s). Move them away first: a server keeps its zone.`);
  return { next: { ...state, hosts: state.hosts.filter(({ id }) => id !== host.id) } };
}

const bad = (problem: string): AggregateOutcome => ({ kind: 'bad-request', problem });
const clash = (problem: string): AggregateOutcome => ({ kind: 'conflict', problem });
