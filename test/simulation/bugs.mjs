// Seeded bugs: one step or check of the product each, broken on purpose while it is loaded, inside the simulation only. A text
// that does not stand in its file any more is reported ('does not run') and counts as not caught.
const NEXT = 'apps/compute/src/lifecycle/decide/next-step.ts';
const MOVE = 'apps/compute/src/lifecycle/decide/next-move-step.ts';
const FACTS = 'apps/compute/src/lifecycle/decide/facts.ts';
const BOOK = 'apps/compute/src/hosts/decide/book-report.ts';
const CHANGE = 'apps/compute/src/instances/change.ts';
const CHANGES = 'apps/compute/src/moves/decide/move-changes.ts';
const MIGRATIONS = 'apps/compute/src/moves/migrations.repository.ts';
const OTHERS = 'apps/compute/src/moves/other-observations.repository.ts';
const END = 'apps/compute/src/lifecycle/steps/end.move.step.ts';
const CLAIMS = 'apps/scheduler/src/claims/claims.repository.ts';
const PLAN = 'apps/compute-agent/src/decide/plan.ts';
const BUILD = 'apps/compute-agent/src/decide/build.ts';
const LEDGER = 'apps/compute-agent/src/reconcile/ledger.ts';
const LEASE = 'apps/compute-agent/src/reconcile/lease.ts';
const FEEDS = 'apps/compute/src/hosts/host-feeds.repository.ts';
const HOLDS = 'apps/compute-agent/src/devices/decide/holds.ts';
const POOLS = 'apps/compute-agent/src/devices/decide/pools.ts';
const ACTS = 'apps/compute-agent/src/devices/device-acts.ts';
const BOOKED = 'apps/compute-agent/src/devices/decide/bookkeeping.ts';
const bug = (name, file, from, to) => ({ name, file, from, to });
/** In the database: a function is another one for as long as the bug is hunted. */
const inDatabase = (name, sql) => ({ name, sql });

/** Hunted with `--devices` only. */
const DEVICE_BUGS = process.argv.includes('--devices') ? [
  inDatabase('no device follows from its claim', 'CREATE OR REPLACE FUNCTION scheduler.count_devices(gone scheduler.claims[], added scheduler.claims[]) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$'),
  // The database's demand stands behind the scheduler's own choice: only without both does it matter.
  inDatabase('a device can be claimed that is not clean yet', "CREATE OR REPLACE FUNCTION scheduler.demand_device(claim scheduler.claims, device uuid, wanted integer, class text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$; DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('scheduler.device_standing'::regproc), $$THEN 'scrubbing'$$, $$THEN 'free'$$); END $do$"),
  bug('a device that was given back is not reset', ACTS, "if (reset !== 'no') await pci.reset(device.fn.address)", 'await Promise.resolve()'),
  { ...bug('a device that was given back keeps its settings', ACTS, 'if (device.pf && before) {', 'if (false && device.pf) {'), also: [bug('', ACTS, 'const left = leftOver(device, after, facts, mac);', 'const left = null;')] },
  { ...bug('settings that can not be read count as clean', ACTS, 'if (found === null) throw unreadable(device);', ''), also: [bug('', ACTS, 'if ((after === null) !== (before === null)) throw unreadable(device);', '')] },
  bug('a device is called clean without being cleaned', HOLDS, "return facts.mayWrite ? { identity, generation, does: 'scrub', reset: hold.sanitizer === 'operator-accepts' ? 'may' : 'must' } : null;", "return { identity, generation, does: 'call-clean' };"),
  bug('a device that was clean once counts as clean at every generation', HOLDS, '(record.cleanAt ?? -1) >= generation', 'record.cleanAt !== null'),
  bug('the number of VFs is changed while devices of it are claimed', POOLS, "else if (taken.length > 0) problem('vfs-in-use'", "else if (taken.length > 999) problem('vfs-in-use'"),
  { ...bug('a device is known by its address', 'libs/pci/decide/identity.ts', 'const names = [seen.serial === null ? null : `serial:${seen.serial}`, seen.mac === null ? null : `mac:${seen.mac}`, slot]', 'const names = [`mac:${seen.of.address}`, slot]'), also: [bug('', 'libs/pci/decide/identity.ts', 'const found = matched.get(seen);', 'const found = matched.get(seen)?.by === "continued" ? matched.get(seen) : undefined;')] },
  bug('a guest is started with the addresses that its devices had before', 'apps/compute-agent/src/decide/devices.ts', 'const isMoved = domain !== null && JSON.stringify(defined.map(({ place, address }) => ({ place, address }))) !== JSON.stringify(today);', 'const isMoved = false;'),
  bug('an attached device is released without a proof', 'apps/compute/src/lifecycle/decide/next-attachment-step.ts', '(seen !== undefined && stillThere(devices, seen) === undefined)', 'true'),
  // What runs with it is noted when it is seen, too, be it ours or a stranger's.
  { ...bug('nobody notes who has a device', ACTS, 'await devices.book(idle.map(({ claimed }) => [claimed.identity, (record) => prepared(record, claimed.generation, desired.id)] as const));', ''), also: [bug('', BOOKED, 'if (usedBy !== null && claim?.instanceId === usedBy', 'if (false && claim?.instanceId === usedBy'), bug('', BOOKED, 'else if (usedBy !== null && hold?.holder === usedBy', 'else if (false && hold?.holder === usedBy'), bug('', BOOKED, 'else if (usedBy !== null && (record.holder !== usedBy || cleanNow(record) !== null)) {', 'else if (usedBy !== null && false) {')] },
  bug('a device of a claim that ended is not told to its host', 'apps/scheduler/src/devices/decide/wishes.ts', 'else if (generation > 0 && (cleanAt ?? -1) < generation) holds.push', 'else if (generation > 99) holds.push'),
] : [];

export const BUGS = [
  bug('a claim is released before absence is proven', NEXT, 'if (facts.host !== null && !isMet(facts)) return facts.now.hostGone', 'if (facts.host !== null && facts.observed.state === null) return facts.now.hostGone'),
  bug('a deletion ends without releasing its claim', NEXT, "if (facts.now.claimReleased !== true) return { do: 'release-claim' };\n    return facts.intent", 'return facts.intent'),
  bug('a failed build stays on its host', NEXT, "if (facts.host !== null) return { do: 'withdraw' };", "if (facts.host !== null) return { do: 'rest' };"),
  bug('a deadline counts time in which the host was away', NEXT, "if (hostAlive === true && facts.waitedMs >= deadlineMs)", 'if (facts.waitedMs >= 10_000)'),
  bug('a guest that went down by itself is never taken note of', NEXT, 'if (isDownByItself(facts) &&', 'if (false && isDownByItself(facts) &&'),
  bug('absence is not asked for when deleting', FACTS, "if (wanted === 'deleted') return observed.state === 'absent';", "if (wanted === 'deleted') return observed.state !== 'running';"),
  bug('reboots are not waited for', FACTS, "(wanted !== 'running' || observed.rebootCount >= facts.rebootCount)", 'true'),
  bug('what is built is not compared', FACTS, 'if (!isBuilt(facts)) return false;', ''),
  // Two checks that stand for each other: only without both does it matter.
  { ...bug('an answer to an older wish counts', FACTS, 'if (observed.generation !== facts.generation) return false;', ''), also: [bug('', BOOK, "if (seen.generation !== facts.generation) return { ignore: 'old', forget: false };", '')] },
  bug('a change does not compare versions', CHANGE, 'WHERE id = $1 AND version = $2 FOR UPDATE', 'WHERE id = $1 AND $2::text IS NOT NULL FOR UPDATE'),
  bug('a change forgets its place in the feed', CHANGE, "set.push('host_sequence = feed.sequence')", "set.push('host_sequence = coalesce(i.host_sequence, feed.sequence)')"),
  bug('a claim forgets its tombstone', CLAIMS, 'SET generation = excluded.generation, released_at = now()', 'SET generation = 0, released_at = NULL'),
  bug('a claim is not freed', CLAIMS, 'WHERE c.generation < excluded.generation OR (c.generation = excluded.generation AND c.host_id IS NOT NULL)', 'WHERE c.generation < excluded.generation'),
  bug('a release frees nothing and says it did', CLAIMS, 'released_from = c.host_id, host_id = NULL,', 'released_from = c.host_id,'),
  bug('the host leaves files behind', PLAN, "if (facts.files.any) steps.push('remove-files');", ''),
  bug('the host leaves the domain behind', PLAN, "if (facts.domain) steps.push('undefine');", ''),
  bug('the host believes that what it deletes is gone', PLAN, "return steps.length === 0 ? { steps, wakeAtMs: null, state: 'absent'", "return true ? { steps, wakeAtMs: null, state: 'absent'"),
  bug('a guest is not started after its host booted', PLAN, '?.generation !== facts.desired.generation || started.bootId !== world.bootId;', '?.generation !== facts.desired.generation;'),
  bug('the ledger believes it has what it never got', LEDGER, 'const upTo = this.#named && page.more ? this.#host.upTo : page.upTo;', 'const upTo = page.upTo + 1;'),
  bug('the feed skips an entry', FEEDS, 'i.host_sequence > $2 AND', 'i.host_sequence > $2 + 1 AND'),
  // Moves, rebuilds and fences.
  // The same: an agent gives no disk of a guest that is on, whoever asks.
  { ...bug('the destination takes over before the source is off', MOVE, "if (isMet(facts)) return facts.observed.savedMemory === true", "return facts.observed.savedMemory === true"), also: [bug('', 'apps/compute-agent/src/reconcile/host.reconciler.ts', '!isActive(facts) && facts.files.disks', 'facts.files.disks')] },
  bug('the source starts before the destination has let go', MOVE, "return isMet(facts) || moves.hostGone ? { do: 'go-back' } : patience(facts, deadlines);", "return { do: 'go-back' };"),
  bug('a move is confirmed before the source has let go', MOVE, 'if (!other.absent && !other.gone) return waitForOther(facts, other, deadlines);', "if (!other.absent) return { do: 'end-move', claims: 'settle', status: 'confirmed', fault: null };"),
  bug('a reverted move keeps the claim of its destination', END, "if (claims === 'release') await", "if (claims === 'release' && row.elsewhere > 9) await"),
  bug('a deleted server forgets that another host has something of it', MOVE, "return there ? waitForOther(facts, there, deadlines) : { do: 'end-moves-of-deleted' };", "return { do: 'end-moves-of-deleted' };"),
  bug('a deleted server does not tell the other host', MOVE, "if (moves.others.some(({ wanted }) => wanted !== 'deleted')) return { do: 'tell-others' };", ''),
  bug('an evacuation does not look at the fence', 'apps/compute/src/moves/evacuate-instance.ts', 'if (!(await this.departures.isGone(row.host_id as string))) {', 'if (row.host_id === null) {'),
  bug('a hand-over holds the guest off for ever', CHANGES, "hold: null, move_phase: 'arrive', generation", "move_phase: 'arrive', generation"),
  bug('a hand-over counts no host elsewhere', CHANGES, 'elsewhere: row.elsewhere + (stays ? 0 : 1),', 'elsewhere: row.elsewhere,'),
  bug('the other host is told with a number below the one that it knows', CHANGES, "other_wanted: 'deleted', other_generation: Number(move.other_generation) + 1 }", "other_wanted: 'deleted', other_generation: Number(move.other_generation) - 1 }"),
  bug('a move goes back to the flavor that it came to', CHANGES, '...UNSEEN, ...built(row, move.source_host_id, move.old_spec, move.old_layout, move.old_spec_generation), claim_generation', '...UNSEEN, ...built(row, move.source_host_id, move.new_spec, move.old_layout, move.old_spec_generation), claim_generation'),
  { ...bug('a report of the other host that it is off counts as its absence', OTHERS, "b.generation >= m.other_generation AND b.state = 'absent' AND m.other_wanted = 'deleted' AS gone", "b.state <> 'running' AND m.other_wanted = 'deleted' AS gone"), also: [bug('', MIGRATIONS, "move.other_observed_state === 'absent' && ", "move.other_observed_state !== 'running' && ")] },
  { ...bug('a move does not compare versions', MIGRATIONS, "'SELECT 1 FROM compute.instances WHERE id = $1 AND version = $2 FOR UPDATE', [row.id, row.version]", "'SELECT version FROM compute.instances WHERE id = $1 FOR UPDATE', [row.id]"), also: [bug('', MIGRATIONS, 'changeStatement(row.id, row.version, instance)', 'changeStatement(row.id, held.rows[0].version, instance)')] },
  bug('a rebuild does not ask for a new disk', 'apps/compute/src/instances/rebuild-instance.ts', 'disk_generation: numberAfter(current.disk_generation, this.instances.incarnation), spec_generation', 'disk_generation: current.disk_generation, spec_generation'),
  bug('the host keeps the disk of before a rebuild', BUILD, "if (hasDisk && files.disks.some((generation) => generation < desired.diskGeneration)) steps.push('drop-disks');", ''),
  bug('the host makes an empty disk where one should come', BUILD, "built === null && desired.diskFrom !== null ? 'receive-disk' : 'make-disk'", "'make-disk'"),
  bug('the host keeps the disk of before a resize', BUILD, "if (files.previous.some((generation) => !isKept(desired, generation))) steps.push('drop-previous');", ''),
  bug('a host starts guests without a lease', LEASE, 'return !this.ledger.host.lease.required || this.nowMs() < this.#untilMs;', 'return true;'),
  bug('an evacuation counts on the disk that is out of reach', CHANGES, '...(evacuation && { disk_generation: row.disk_generation + 1,', '...(evacuation && { disk_generation: row.disk_generation,'),
  bug('a settled move keeps the old claim', END, "keepOldAs: claims === 'settle' ? null : lostClaim(move.uuid)", 'keepOldAs: lostClaim(move.uuid)'),
  ...DEVICE_BUGS,
];

/** A law rather than a bug: every step of the instance loop and every act of the host loop is done twice in a row. */
export const TWICE = [
  bug('every step twice', 'apps/compute/src/lifecycle/instance.reconciler.ts', 'result = await this.#perform(step, row);', 'result = await this.#perform(step, row);\n        await this.#perform(step, row).catch(() => undefined);'),
  bug('every act twice', 'apps/compute-agent/src/reconcile/chains.ts', 'await (this.#options.around ? this.#options.around(step, id, run) : run());', 'await run();\n      await run();'),
];
