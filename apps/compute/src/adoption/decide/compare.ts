/**
 * What hosts remember against what a restored database says: one finding for every instance and host. Owns which word is the
 * later one. Pure.
 *
 * The rule: generations only rise, so the higher one is the later word, and a host never forgets what it has. Nothing is ever
 * destroyed for being unknown here. What two hosts have at the same generation is left to people.
 */
import type { RememberedInstance } from '#libs/contracts';

export interface HostMemory { id: string; entries: readonly RememberedInstance[]; /** It could not be asked, because of this. */ problem?: string | null }

export interface KnownRow {
  id: string; name: string; intent: string; generation: number; specGeneration: number; diskGeneration: number; hostId: string | null; hostName: string | null;
  finished: boolean;
  /** Its host has built or seen it once: it is not simply still to be built. */
  seen: boolean;
  /** The phase of the move that is under way. */
  phase: string | null;
  /** Identities of the devices that it has, or that have been detached and may be there still. */
  devices: readonly string[];
  /** Hosts besides its own that still have something of it, by what the database says, and what they were told last. */
  others: readonly { hostId: string; wanted: string; open: boolean }[];
}

export type Finding =
  | { is: 'agrees'; id: string; name: string; detail: string }
  /** The database has no such server: it is made again from what the host remembers. */
  | { is: 'unknown'; id: string; name: string; detail: string; entry: RememberedInstance }
  /** The host has the later word (newer), perhaps on another host than the database says (moved). */
  | { is: 'newer' | 'moved'; id: string; name: string; detail: string; entry: RememberedInstance }
  /** The database says that it is here, and nothing is. */
  | { is: 'missing'; id: string; name: string; detail: string }
  /** Left over here: another host, or a deletion, has the later word. The host is told `deleted` at `generation`. `at`: that host, while the row names this one. */
  | { is: 'elsewhere'; id: string; name: string; detail: string; entry: RememberedInstance; generation: number; at?: string }
  /** The database says that it is here; nothing is, and the host `at` has the later word: its adoption takes the row along. */
  | { is: 'left'; id: string; name: string; detail: string; at: string }
  /** It was on its way to this host, which has nothing of it any more; the host it left still has it: it goes back. Above `generation`. */
  | { is: 'returns'; id: string; name: string; detail: string; generation: number }
  /** This host was left by a move, and has let go since: there is nothing to go back to, the move is confirmed. Above `generation`. */
  | { is: 'let-go'; id: string; name: string; detail: string; generation: number }
  /** Two hosts have it, and nothing tells which is right. */
  | { is: 'conflict'; id: string; name: string; detail: string };

/** @param others memories of all hosts that could be asked, this one among them or not. */
export function compareHost(host: HostMemory, rows: ReadonlyMap<string, KnownRow>, others: readonly HostMemory[]): Finding[] {
  const findings: Finding[] = [];
  const rival = (id: string): { hostId: string; entry: RememberedInstance } | undefined => {
    let best: { hostId: string; entry: RememberedInstance } | undefined;
    for (const other of others) {
      if (other.id === host.id) continue;
      const entry = other.entries.find(({ desired }) => desired.id === id);
      if (entry && isThere(entry) && !isComing(entry) && (best === undefined || entry.desired.generation > best.entry.desired.generation)) best = { hostId: other.id, entry };
    }
    return best;
  };

  /** Does that host have it? undefined: it could not be asked. */
  const has = (hostId: string | null, id: string): boolean | undefined => {
    const memory = others.find((other) => other.id === hostId);
    return memory === undefined || (memory.problem ?? null) !== null ? undefined : memory.entries.some((entry) => entry.desired.id === id && isThere(entry) && !isComing(entry));
  };

  const named = new Set<string>();
  for (const entry of host.entries) {
    const { id, name, generation } = entry.desired;
    const row = rows.get(id);
    const about = { id, name };
    const best = rival(id);
    const left = row?.finished === false ? row.others.find((other) => other.hostId === host.id) : undefined;
    if (!isThere(entry) || (isComing(entry) && (best !== undefined || row?.hostId === host.id))) {
      // It was told to go from here, or its disk is still where it comes from. Whether it was deleted or moved, this host shall finish that.
      if (row?.hostId === host.id && !row.finished && row.intent !== 'deleted') continue; // missing, below
      if (left?.wanted === 'stopped') continue; // let go, below
      named.add(id);
      findings.push({ is: 'elsewhere', ...about, entry, generation: Math.max(generation, row?.generation ?? 0), detail: `it was told to go at generation ${generation}, and finishes that` });
      continue;
    }
    named.add(id);
    if (left && row && generation <= row.generation && (best === undefined || best.entry.desired.generation <= row.generation)) {
      // The source of a move keeps its disk until somebody confirms; what is to go hears so by the move.
      findings.push({ is: 'agrees', ...about, detail: 'a move left it here' });
    } else if (best && best.entry.desired.generation > generation) {
      findings.push({ is: 'elsewhere', ...about, entry, generation: best.entry.desired.generation, detail: `another host has generation ${best.entry.desired.generation} of it, this one ${generation}`, ...(row?.hostId === host.id && { at: best.hostId }) });
    } else if (best && best.entry.desired.generation === generation && row?.hostId !== host.id && row?.hostId !== best.hostId) {
      findings.push({ is: 'conflict', ...about, detail: `two hosts have generation ${generation} of it` });
    } else if (best && best.entry.desired.generation === generation && row?.hostId === best.hostId) {
      findings.push({ is: 'conflict', ...about, detail: `another host has the same generation ${generation} of it, and the database names that one` });
    } else if (row === undefined) {
      findings.push({ is: 'unknown', ...about, entry, detail: `${entry.state} at generation ${generation}; the database has no such server` });
    } else if (row.finished) {
      findings.push(row.generation >= generation
        ? { is: 'elsewhere', ...about, entry, generation: row.generation, detail: `it was deleted at generation ${row.generation}` }
        : { is: 'conflict', ...about, detail: `the database says deleted at generation ${row.generation}, the host has ${generation}` });
    } else if (generation > row.generation) {
      findings.push({ is: row.hostId === host.id ? 'newer' : 'moved', ...about, entry, detail: `the host has generation ${generation} (${entry.desired.intent}), the database ${row.generation} (${row.intent})${row.hostId === host.id ? '' : ` on ${row.hostName ?? 'no host'}`}` });
    } else if (row.hostId === host.id && row.phase === null && row.intent !== 'deleted' && isNewerBuilt(entry, row)) {
      // People asked for something after the restore, so its number is as high; what is built here is the later one all the same.
      findings.push({ is: 'newer', ...about, entry, detail: `the host has a later build of it (${entry.desired.specGeneration}, disk ${entry.desired.diskGeneration}; the database ${row.specGeneration}, disk ${row.diskGeneration})` });
    } else if (row.hostId === host.id && row.phase === null && hasMoreDevices(entry, row)) {
      // Also of one that is to be deleted: what its guest has is nobody else's until it is gone.
      findings.push({ is: 'newer', ...about, entry, detail: 'the host gave it devices of which the database knows nothing' });
    } else if (row.hostId === host.id) {
      findings.push({ is: 'agrees', ...about, detail: '' });
    } else if (row.hostId === null) {
      findings.push({ is: 'moved', ...about, entry, detail: 'the database has not placed it yet, and this host has it' });
    } else {
      findings.push({ is: 'conflict', ...about, detail: `the database says it is on ${row.hostName ?? row.hostId}` });
    }
  }

  for (const row of rows.values()) {
    if (row.finished || named.has(row.id)) continue;
    const best = rival(row.id);
    const own = host.entries.find(({ desired }) => desired.id === row.id);
    const about = { id: row.id, name: row.name };
    const source = row.intent === 'deleted' ? undefined : row.others.find(({ open, wanted }) => open && wanted === 'stopped');
    if (row.hostId !== host.id) {
      // Who has the deletion of a server, or has heard nothing of a move, goes on by it.
      if (source?.hostId !== host.id || (row.phase !== 'arrive' && row.phase !== 'verify')) continue;
      findings.push(has(row.hostId, row.id) === false
        ? { is: 'missing', ...about, detail: 'neither of the hosts of its move has anything of it' }
        : { is: 'let-go', ...about, generation: own?.desired.generation ?? 0, detail: 'it was left by a move, and nothing is left to go back to' });
      continue;
    }
    if (best && best.entry.desired.generation > row.generation) {
      findings.push({ is: 'left', ...about, at: best.hostId, detail: `another host has generation ${best.entry.desired.generation} of it, the database ${row.generation}` });
      continue;
    }
    // While the host that it comes from cannot be asked, nothing is made of nothing: the move waits for it.
    if (row.intent !== 'deleted' && row.phase === 'arrive' && (own === undefined || isComing(own)) && (source === undefined ? row.others.some(({ open }) => open) : has(source.hostId, row.id) !== false)) {
      findings.push({ is: 'agrees', ...about, detail: 'it is on its way here' });
      continue;
    }
    if (source !== undefined && has(source.hostId, row.id) !== false) {
      findings.push({ is: 'returns', ...about, generation: own?.desired.generation ?? 0, detail: 'nothing of it is here, and the host that it left may have it' });
      continue;
    }
    if (row.intent === 'deleted' || !row.seen) findings.push({ is: 'agrees', id: row.id, name: row.name, detail: row.intent === 'deleted' ? 'deleted' : 'not built yet' });
    else findings.push({ is: 'missing', id: row.id, name: row.name, detail: 'nothing of it is on the host that the database names' });
  }
  return findings;
}

/**
 * Hosts whose rows must follow them before this host hears anything: their servers are still written down here, and a host that
 * is fed with a server that lives elsewhere builds it a second time.
 */
export function comesAfter(findings: readonly Finding[]): ReadonlySet<string> {
  return new Set(findings.flatMap((finding) => ('at' in finding && finding.at !== undefined ? [finding.at] : [])));
}

/** Told to go, or nothing of it was there: no server. */
const isThere = ({ desired }: RememberedInstance): boolean => desired.intent !== 'deleted';
/** It was rebuilt or resized there, and the database knows nothing of that. */
const isNewerBuilt = ({ desired }: RememberedInstance, row: KnownRow): boolean => desired.specGeneration > row.specGeneration || desired.diskGeneration > row.diskGeneration;
/** Devices were attached there, and the database knows nothing of that; whatever has been asked for since raised its number all the same. */
const hasMoreDevices = ({ desired }: RememberedInstance, row: KnownRow): boolean => (desired.layout?.devices ?? []).some(({ identity }) => !row.devices.includes(identity));
/** Its disk is to come from another host, and has not yet: that host's is the one there is. (An older agent does not say.) */
const isComing = ({ desired, built }: RememberedInstance): boolean => built === false && (desired.diskFrom ?? null) !== null;
