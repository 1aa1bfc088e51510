/**
 * Where other servers are, for groups and hints: one question for a batch, and none when nobody asks. Owns the memory of
 * one batch, in which earlier choices count for later ones. Nothing here is the truth: the database keeps hard rules.
 */
import type { ClaimRequest, GroupWish } from '#libs/contracts';
import type { GroupCounts, PlacementRequest } from '../decide/request.js';

/** A server's claim on a host. */
export interface Place { instance_id: string; host_id: string; group_id: string | null; fenced: boolean }
export type Company = Pick<PlacementRequest, 'sameHosts' | 'differentHosts' | 'group'>;

/** What of a request names others. */
export type Asking = Pick<ClaimRequest, 'instanceId' | 'hints' | 'group'>;

export class Whereabouts {
  readonly #byGroup = new Map<string, Place[]>();
  readonly #byInstance = new Map<string, Set<string>>();
  readonly #members = new Map<string, Map<string, number>>();

  /** @param places as committed after every one of the requests was made. */
  constructor(private readonly places: readonly Place[]) {
    for (const place of places) {
      const at = this.#byInstance.get(place.instance_id) ?? new Set();
      this.#byInstance.set(place.instance_id, at.add(place.host_id));
      // Whoever is left on a fenced host binds nobody, as the database sees it.
      if (place.group_id === null || place.fenced) continue;
      const group = this.#byGroup.get(place.group_id) ?? [];
      this.#byGroup.set(place.group_id, group);
      group.push(place);
    }
  }

  static named(requests: readonly Asking[]): { groups: string[]; instances: string[] } {
    return {
      groups: [...new Set(requests.flatMap(({ group }) => group?.id ?? []))],
      instances: [...new Set(requests.flatMap(({ hints }) => (hints === null ? [] : [...hints.sameHost, ...hints.differentHost])))],
    };
  }

  company({ instanceId, hints, group }: Asking): Company {
    const hostsOf = (ids: readonly string[]): string[] => [...new Set(ids.flatMap((id) => [...(this.#byInstance.get(id) ?? [])]))];
    return {
      sameHosts: hints === null || hints.sameHost.length === 0 ? null : hostsOf(hints.sameHost),
      differentHosts: hints === null ? [] : hostsOf(hints.differentHost),
      group: group && this.#group(instanceId, group),
    };
  }

  /** All that was read of those whom a request names, for comparing: what is equal before and after a reading of the fleet was so at that reading. */
  knownOf({ hints, group }: Asking): string {
    const named = new Set<string>(hints === null ? [] : [...hints.sameHost, ...hints.differentHost]);
    if (named.size === 0 && group === null) return '';
    return this.places.filter((place) => (group !== null && place.group_id === group.id) || named.has(place.instance_id)).map((place) => `${place.instance_id} ${place.host_id} ${place.fenced}`).sort().join();
  }

  /** An earlier choice of the batch counts for what comes after it. */
  chose(instanceId: string, hostId: string): void {
    this.#byInstance.set(instanceId, (this.#byInstance.get(instanceId) ?? new Set<string>()).add(hostId));
  }

  /** Requests of one group share one map, in which choices are counted; a server that is in the group already is not in the way of itself. */
  #group(instanceId: string, { id, policy, maxServerPerHost }: GroupWish): GroupCounts {
    const places = this.#byGroup.get(id) ?? [];
    const own = new Set(places.filter((place) => place.instance_id === instanceId).map((place) => place.host_id));
    let members = this.#members.get(id);
    if (!members) this.#members.set(id, members = counted(places));
    const leaving = policy === 'affinity' ? leavingAlone(places.filter((place) => place.instance_id !== instanceId)) : new Set<string>();
    const counts = { id, policy, maxServerPerHost, ...(leaving.size > 0 && { leaving }) };
    if (own.size === 0) return { ...counts, members };
    const others = new Map(members);
    for (const hostId of own) {
      const left = (others.get(hostId) ?? 0) - 1;
      if (left > 0) others.set(hostId, left);
      else others.delete(hostId);
    }
    return { ...counts, members: others };
  }
}

/** A server that moves counts on both hosts, and on each of them once. */
function counted(places: readonly Place[]): Map<string, number> {
  const members = new Map<string, number>();
  const seen = new Set<string>();
  for (const { instance_id: instanceId, host_id: hostId } of places) {
    if (seen.has(`${instanceId} ${hostId}`)) continue;
    seen.add(`${instanceId} ${hostId}`);
    members.set(hostId, (members.get(hostId) ?? 0) + 1);
  }
  return members;
}

/** Hosts on which nobody is but those that are on another one as well: the database lets nobody join them there. */
function leavingAlone(places: readonly Place[]): Set<string> {
  const hostsOf = new Map<string, Set<string>>();
  for (const { instance_id: instanceId, host_id: hostId } of places) hostsOf.set(instanceId, (hostsOf.get(instanceId) ?? new Set<string>()).add(hostId));
  const leaving = new Set(places.map(({ host_id: hostId }) => hostId));
  for (const hosts of hostsOf.values()) if (hosts.size === 1) for (const hostId of hosts) leaving.delete(hostId);
  return leaving;
}
