/**
 * What hosts remember against what a restored database says: one finding for every instance and host. Owns which word is the
 * later one. Pure.
 *
 * The rule: generations only rise, so the higher one is the later word, and a host never forgets what it has. Nothing is ever
 * destroyed for being unknown here. What two hosts have at the same generation is left to people.
 */
import type { RememberedInstance } from '#libs/contracts';

export interface HostMemory { id: string; entries: readonly RememberedInstance[] }

export interface KnownRow {
  id: string; name: string; intent: string; generation: number; hostId: string | null; hostName: string | null;
  finished: boolean;
  /** Its host has built or seen it once: it is not simply still to be built. */
  seen: boolean;
}

export type Finding =
  | { is: 'agrees'; id: string; name: string; detail: string }
  /** The database has no such server: it is made again from what the host remembers. */
  | { is: 'unknown'; id: string; name: string; detail: string; entry: RememberedInstance }
  /** The host has the later word (newer), perhaps on another host than the database says (moved). */
  | { is: 'newer' | 'moved'; id: string; name: string; detail: string; entry: RememberedInstance }
  /** The database says that it is here, and nothing is. */
  | { is: 'missing'; id: string; name: string; detail: string }
  /** Left over here: another host, or a deletion, has the later word. The host is told `deleted` at `generation`. */
  | { is: 'elsewhere'; id: string; name: string; detail: string; entry: RememberedInstance; generation: number }
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
      if (entry && isThere(entry) && (best === undefined || entry.desired.generation > best.entry.desired.generation)) best = { hostId: other.id, entry };
    }
    return best;
  };

  const named = new Set<string>();
  for (const entry of host.entries) {
    const { id, name, generation } = entry.desired;
    const row = rows.get(id);
    const about = { id, name };
    const best = rival(id);
    if (!isThere(entry)) {
      // It was told to go from here. Whether it was deleted or moved, this host shall finish that.
      if (row?.hostId === host.id && !row.finished && row.intent !== 'deleted') continue; // missing, below
      named.add(id);
      findings.push({ is: 'elsewhere', ...about, entry, generation: Math.max(generation, row?.generation ?? 0), detail: `it was told to go at generation ${generation}, and finishes that` });
      continue;
    }
    named.add(id);
    if (best && best.entry.desired.generation > generation) {
      findings.push({ is: 'elsewhere', ...about, entry, generation: best.entry.desired.generation, detail: `another host has generation ${best.entry.desired.generation} of it, this one ${generation}` });
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
    } else if (row.hostId === host.id) {
      findings.push({ is: 'agrees', ...about, detail: '' });
    } else if (row.hostId === null) {
      findings.push({ is: 'moved', ...about, entry, detail: 'the database has not placed it yet, and this host has it' });
    } else {
      findings.push({ is: 'conflict', ...about, detail: `the database says it is on ${row.hostName ?? row.hostId}` });
    }
  }

  for (const row of rows.values()) {
    if (row.hostId !== host.id || row.finished || named.has(row.id)) continue;
    const best = rival(row.id);
    // Found there: that host's adoption takes it along.
    if (best && best.entry.desired.generation > row.generation) continue;
    if (row.intent === 'deleted' || !row.seen) findings.push({ is: 'agrees', id: row.id, name: row.name, detail: row.intent === 'deleted' ? 'deleted' : 'not built yet' });
    else findings.push({ is: 'missing', id: row.id, name: row.name, detail: 'nothing of it is on the host that the database names' });
  }
  return findings;
}

/** Told to go, or nothing of it was there: no server. */
const isThere = ({ desired }: RememberedInstance): boolean => desired.intent !== 'deleted';
