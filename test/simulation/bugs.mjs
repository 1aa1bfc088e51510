// Seeded bugs: one step or check of the product each, broken on purpose while it is loaded, inside the simulation only. A text
// that does not stand in its file any more is reported ('does not run') and counts as not caught.
const NEXT = 'apps/compute/src/lifecycle/decide/next-step.ts';
const FACTS = 'apps/compute/src/lifecycle/decide/facts.ts';
const BOOK = 'apps/compute/src/hosts/decide/book-report.ts';
const CHANGE = 'apps/compute/src/instances/change.ts';
const CLAIMS = 'apps/scheduler/src/claims/claims.repository.ts';
const PLAN = 'apps/compute-agent/src/decide/plan.ts';
const LEDGER = 'apps/compute-agent/src/reconcile/ledger.ts';
const FEEDS = 'apps/compute/src/hosts/host-feeds.repository.ts';
const bug = (name, file, from, to) => ({ name, file, from, to });

export const BUGS = [
  bug('a claim is released before absence is proven', NEXT, 'if (facts.host !== null && !isMet(facts)) return facts.now.hostGone', 'if (facts.host !== null && facts.observed.state === null) return facts.now.hostGone'),
  bug('a deletion ends without releasing its claim', NEXT, "if (facts.now.claimReleased !== true) return { do: 'release-claim' };\n    return facts.intent", 'return facts.intent'),
  bug('a failed build stays on its host', NEXT, "if (facts.host !== null) return { do: 'withdraw' };", "if (facts.host !== null) return { do: 'rest' };"),
  bug('a lost host is never told again', NEXT, "nudge: hostAlive === true && crosses(facts.waitedMs, againMs, deadlines), againMs,", 'nudge: false, againMs: 86_400_000,'),
  bug('a deadline counts time in which the host was away', NEXT, "if (hostAlive === true && facts.waitedMs >= deadlineMs)", 'if (facts.waitedMs >= 10_000)'),
  bug('a guest that went down by itself is never taken note of', NEXT, 'if (isDownByItself(facts) &&', 'if (false && isDownByItself(facts) &&'),
  bug('an answer to an older wish counts', FACTS, 'if (observed.generation !== facts.generation) return false;', ''),
  bug('absence is not asked for when deleting', FACTS, "if (wanted === 'deleted') return observed.state === 'absent';", "if (wanted === 'deleted') return observed.state !== 'running';"),
  bug('reboots are not waited for', FACTS, "(wanted !== 'running' || observed.rebootCount >= facts.rebootCount)", 'true'),
  bug('stale reports are booked', BOOK, "if (seen.generation !== facts.generation) return { ignore: 'old', forget: false };", ''),
  bug('a change does not compare versions', CHANGE, 'WHERE id = $1 AND version = $2 FOR UPDATE', 'WHERE id = $1 AND $2::text IS NOT NULL FOR UPDATE'),
  bug('a change forgets its place in the feed', CHANGE, "set.push('host_sequence = feed.sequence')", "set.push('host_sequence = coalesce(i.host_sequence, feed.sequence)')"),
  bug('a claim forgets its tombstone', CLAIMS, 'SET generation = excluded.generation, released_at = now()', 'SET generation = 0, released_at = NULL'),
  bug('a claim is not freed', CLAIMS, 'WHERE c.generation < excluded.generation OR (c.generation = excluded.generation AND c.host_id IS NOT NULL)', 'WHERE c.generation < excluded.generation'),
  bug('a release frees nothing and says it did', CLAIMS, 'released_from = c.host_id, host_id = NULL,', 'released_from = c.host_id,'),
  bug('the host leaves files behind', PLAN, "if (facts.files.any) steps.push('remove-files');", ''),
  bug('the host leaves the domain behind', PLAN, "if (facts.domain) steps.push('undefine');", ''),
  bug('the host believes that what it deletes is gone', PLAN, "return steps.length === 0 ? { steps, wakeAtMs: null, state: 'absent'", "return true ? { steps, wakeAtMs: null, state: 'absent'"),
  bug('a guest is not started after its host booted', PLAN, '|| started.bootId !== world.bootId', ''),
  bug('the ledger takes older words', LEDGER, 'known.desired.generation > instance.generation', 'false'),
  bug('the ledger believes it has what it never got', LEDGER, 'const upTo = this.#named && page.more ? this.#host.upTo : page.upTo;', 'const upTo = page.upTo + 1;'),
  bug('the feed skips an entry', FEEDS, 'i.host_sequence > $2', 'i.host_sequence > $2 + 1'),
];
