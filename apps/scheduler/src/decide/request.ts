/**
 * What placement is asked and what it answers. Types only: holds nothing, does nothing.
 */
import type { GroupWish, Layout, Needs } from '#libs/contracts';
import type { Amounts } from './host-row.js';

/** Amounts are the whole guest's: all its CPUs and all its memory, whatever of them is pinned or made of huge pages. */
export interface PlacementRequest extends Amounts {
  /** Whose server it is: aggregates may be for some projects alone. Left out: nobody's. */
  projectId?: string;
  /** null: any zone that is not used only when asked for. */
  availabilityZone: string | null;
  /** A host's name; null: any. */
  requestedHost: string | null;
  /** Never these, by id: where the server is or may have left something. Left out: none. */
  notHosts?: readonly string[];
  /** What it needs besides amounts; null or left out: nothing. */
  needs?: Needs | null;
  /** same_host: one of the hosts of the servers named, by id; empty: those servers are on no host. null or left out: not asked. */
  sameHosts?: readonly string[] | null;
  /** different_host: none of these, by id. Left out: none. */
  differentHosts?: readonly string[];
  group?: GroupCounts | null;
  /** The mark of the server's image: hosts that have it already are preferred. Left out: nobody knows. */
  image?: string;
  /** Now, on the clock of Fleet.heardAt, ms. */
  now: number;
  /** A host that was silent for longer is not alive, ms. */
  aliveTimeoutMs: number;
  /** Decides between equals, so that the same question has the same answer: any 32-bit integer. */
  seed: number;
  /** Among cores that serve alike, where the search begins; left out: at the first. Schedulers that are in each other's way scatter. */
  scatter?: number;
}

/** The server's group, and where its other members are. */
export interface GroupCounts extends Pick<GroupWish, 'id' | 'policy' | 'maxServerPerHost'> {
  /**
   * Members by host id, without the server itself; one with claims on two hosts (it moves) counts on both. Requests of
   * one batch share one Map: Fleet.assume counts in it.
   */
  members: Map<string, number>;
  /** Of affinity: hosts on which only members are that are on their way from or to another one. Left out: none. */
  leaving?: ReadonlySet<string>;
}

/** A host for the server, exactly what of it, and what a claim of that counts. */
export interface Candidate {
  /** The host's position in the fleet: valid until the fleet loses a host. */
  host: number;
  /** null: it floats over the host's shared CPUs. */
  layout: Layout | null;
  amounts: ClaimAmounts;
}

/** vcpus: guest CPUs that float. memoryMib: memory of ordinary pages. */
export interface ClaimAmounts extends Amounts {
  /** Dedicated host CPUs taken: the guest's, its emulator's, and with thread policy isolate the siblings that stay empty. Rising; pcpus is their number. */
  cpus: number[];
  /** What of which cell; a cell that gives CPUs alone is not named. `pages` is null for ordinary memory, else memoryMib is 0. */
  cells: { id: number; memoryMib: number; pages: { kib: number; count: number } | null }[];
  resources: Record<string, number>;
}

/** How the hosts that pass are ordered. Multipliers of 0 leave a weigher out. */
export interface PlacementPolicy {
  /** spread: the emptiest first; pack: the fullest first, which keeps whole hosts free for large guests. */
  strategy: 'spread' | 'pack';
  /** Those left out have DEFAULT_WEIGHTS' multiplier. */
  weights: Partial<Weights>;
  /** As many candidates as are answered, best first; left out: 5. */
  candidates?: number;
  /** Of the best so many, those that are preferred, if there is one of them; left out: nobody is in anybody's way. */
  prefer?: { among: number; hosts: (hostId: string) => boolean };
}

/**
 * ram, cpu and disk share one point between them, by their multipliers, and follow the strategy; each of the others adds up to
 * its multiplier in points of its own: 0.1 breaks ties of the load, 2 overrules it.
 */
export type Weights = Record<WeigherName, number>;
export type WeigherName = 'ram' | 'cpu' | 'disk' | 'numa' | 'devices' | 'softAffinity' | 'buildFailures' | 'imageCached';

/** devices: keeps those free that only some want. numa: within a host the tightest cells are taken anyway; between hosts the load packs better than tight cells do. */
export const DEFAULT_WEIGHTS: Weights = { ram: 1, cpu: 1, disk: 1, numa: 0, devices: 1, softAffinity: 4, buildFailures: 2, imageCached: 0.1 };

export const DEFAULT_POLICY: PlacementPolicy = { strategy: 'spread', weights: {} };

/** What stands between one host and the request, at one filter. */
export interface Blocker {
  filter: string;
  needed: number | string;
  free: number | string;
  /** How far away, 0 (fits) upwards; compares hosts refused by the same filter. */
  distance: number;
}

export interface HostExplanation { name: string; needed: number | string; free: number | string }

export interface Explanation {
  hostsConsidered: number;
  filters: { name: string; refused: number; reason: string; hosts: HostExplanation[] }[];
  /** The host that would need the least to change, and all that stands in its way; null without hosts. */
  nearest: { name: string; blockers: Blocker[] } | null;
}

/** Best first, and how many hosts each filter refused on the way; or why there is none. */
export type Placement = { candidates: Candidate[]; refused: { name: string; refused: number }[] } | { explanation: Explanation };
