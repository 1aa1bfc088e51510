// Checkers outside the system: they read rows and the simulated machines' disks, and nothing else.
import { listServerUsages } from '#libs/contracts';
import { TEMPO } from './world/cloud.mjs';
import { EPOCH } from './world/time.mjs';

/** Holds at every moment. */
export async function check(cloud) {
  const { store } = cloud;
  const wrong = await store.look(`
    SELECT c.host_id, c.used_vcpus, c.used_memory_mib, c.used_disk_gib, c.used_instances, c.limit_vcpus, c.limit_memory_mib, c.limit_disk_gib
    FROM scheduler.host_capacity c LEFT JOIN (SELECT host_id, sum(vcpus) AS v, sum(memory_mib) AS m, sum(disk_gib) AS d, count(*) AS n FROM scheduler.claims WHERE host_id IS NOT NULL GROUP BY host_id) s USING (host_id)
    WHERE c.used_vcpus <> coalesce(s.v, 0) OR c.used_memory_mib <> coalesce(s.m, 0) OR c.used_disk_gib <> coalesce(s.d, 0) OR c.used_instances <> coalesce(s.n, 0)
      OR c.used_vcpus > c.limit_vcpus OR c.used_memory_mib > c.limit_memory_mib OR c.used_disk_gib > c.limit_disk_gib`);
  if (wrong.length > 0) cloud.violated('claims', JSON.stringify(wrong[0]));
  const exact = await store.look(`
    SELECT coalesce(c.host_id, k.host_id) AS host_id, cpu FROM (SELECT host_id, instance_id, purpose, unnest(scheduler.layout_cpus(layout)) AS cpu FROM scheduler.claims WHERE host_id IS NOT NULL AND pcpus > 0) c
    FULL JOIN scheduler.claimed_cpus k USING (host_id, cpu, instance_id, purpose) WHERE c.instance_id IS NULL OR k.instance_id IS NULL
    UNION ALL SELECT host_id, used_pcpus FROM scheduler.host_capacity h WHERE used_pcpus > limit_pcpus OR used_pcpus <> (SELECT coalesce(sum(pcpus), 0) FROM scheduler.claims c WHERE c.host_id = h.host_id)
    UNION ALL SELECT host_id, cell FROM scheduler.cell_memory m WHERE used > amount OR used <> (SELECT coalesce(sum(memory_mib), 0) * 1024 FROM scheduler.claims c WHERE c.host_id = m.host_id AND jsonb_array_length(c.layout -> 'cells') > 0)`);
  if (exact.length > 0) cloud.violated('exact claims', JSON.stringify(exact[0]));
  await checkClaims(cloud);
  const rows = await store.look(`
    SELECT i.id, i.host_name, i.generation::int AS generation, i.spec_generation, i.disk_generation, i.reboot_count, intent, step, waited_ms::float8 AS waited, launched_at, withdrawn, fault, hold, move_phase, host_id, elsewhere, attachments,
      (SELECT count(*) FROM compute.migrations m WHERE m.instance_id = i.id AND m.other_host_id IS NOT NULL)::int AS others,
      (SELECT count(*) FROM compute.migrations m WHERE m.instance_id = i.id AND m.finished_at IS NULL)::int AS moves
    FROM compute.instances i WHERE deleted_at IS NULL`);
  const launched = new Map(rows.map((row) => [row.id, row.launched_at]));
  for (const row of rows) {
    if (row.elsewhere !== row.others && row.intent !== 'deleted') cloud.violated('elsewhere', `${row.id} counts ${row.elsewhere} hosts elsewhere, there are ${row.others}`);
    if (row.moves !== (row.move_phase === null ? 0 : 1)) cloud.violated('move', `${row.id} is in phase ${row.move_phase} and has ${row.moves} open moves`);
    if (row.intent === 'deleted' || row.withdrawn) continue;
    if (row.step === 'settled' && !cloud.adopting) checkSaid(cloud, row);
    const most = Math.max(TEMPO.buildDeadlineMs, TEMPO.operateDeadlineMs) + 30_000;
    // What waits for a proof of absence has no deadline.
    const proof = row.move_phase === 'confirm' || row.move_phase === 'revert';
    if (row.step !== 'failed' && row.step !== 'settled' && !proof && row.waited > most) cloud.violated('deadline', `${row.id} in ${row.step} ${row.move_phase} for ${row.waited} ms`);
    if (row.step === 'failed' && !(row.fault?.message && row.fault?.details)) cloud.violated('unexplained', `${row.id} is in ERROR without an explanation`);
  }
  // An empty disk where the guest had written to one, of a server that people had.
  const suspects = cloud.disks.suspects.splice(0);
  // What a restored database had and no host has any more is told as an ERROR, and built anew when somebody starts it. And the number
  // of the disk that an evacuation makes may have been used for one that the restored database never knew.
  const anew = new Map(suspects.length === 0 ? [] : (await store.look(`
    SELECT a.instance_id AS id, min(u.at) AS since FROM compute.instance_events a JOIN compute.instance_events u ON u.instance_id = a.instance_id AND u.id > a.id AND u.kind = 'unassigned'
    WHERE a.kind = 'adopted' AND a.message LIKE '%: missing' GROUP BY 1
    UNION ALL SELECT instance_id, min(at) FROM compute.instance_events WHERE kind = 'evacuation' AND $1 GROUP BY 1`, [cloud.failedOver])).map((row) => [row.id, row.since.getTime() - EPOCH]));
  for (const { id, host, generation, at } of suspects) {
    const since = launched.get(id);
    if (since && since.getTime() - EPOCH < at && !(anew.get(id) <= at)) cloud.violated('data lost', `${id} got a new disk of generation ${generation} on ${host}`);
  }
  // What a restored database did not know is taken in again whatever the quota says: it is there.
  const [{ count }] = await store.look("SELECT count(*)::int AS count FROM compute.instances i WHERE intent <> 'deleted' AND NOT ($1 AND EXISTS (SELECT FROM compute.instance_events e WHERE e.instance_id = i.id AND e.kind = 'adopted'))", [cloud.failedOver]);
  if (cloud.limits.instances >= 0 && count > cloud.limits.instances) cloud.violated('quota', `${count} servers, allowed are ${cloud.limits.instances}`);
}

/** Whatever is on a host is claimed there. Looked at after each commit of the scheduler too: what is freed too early is soon gone. */
export async function checkClaims(cloud) {
  if (cloud.adopting) return;
  const claims = new Set((await cloud.store.lookAgain('scheduler.claims', 'SELECT c.instance_id, h.name FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id')).map((row) => `${row.instance_id} ${row.name}`));
  const unclaimed = [...cloud.there].flatMap(([id, places]) => [...places.keys()].filter((host) => !claims.has(`${id} ${host}`) && !cloud.fencedOnce.has(host)).map((host) => ({ id, host })));
  // What a restore found left over on a host, another host having the later word, is told to go there at once, and counted where it lives.
  const going = new Set(unclaimed.length === 0 || !cloud.failedOver ? [] : (await cloud.store.look('SELECT d.instance_id, h.name FROM compute.departures d JOIN scheduler.hosts h ON h.id = d.host_id')).map((row) => `${row.instance_id} ${row.name}`));
  for (const { id, host } of unclaimed) if (!going.has(`${id} ${host}`)) cloud.violated('freed too early', `${id} is on ${host} without a claim`);
}

/** Nobody says that it is done before it is: what only rises, and a stop, do not come undone by themselves. */
function checkSaid(cloud, row) {
  const kept = cloud.kept.get(row.id)?.get(row.host_name);
  const notes = kept?.notes;
  if (!notes) return cloud.violated('said too early', `${row.id} is settled, on ${row.host_name} there is nothing of it`);
  if (notes.specGeneration < row.spec_generation || notes.diskGeneration < row.disk_generation) cloud.violated('said too early', `${row.id} is settled as ${row.spec_generation} ${row.disk_generation}, built is ${notes.specGeneration} ${notes.diskGeneration}`);
  // Settled is what a host has answered, and it answers what it has heard.
  const told = cloud.hosts.find(({ name }) => name === row.host_name)?.ledger?.entries.get(row.id)?.desired.generation;
  // Devices that come and go are levels beside it: their word raises the number, and nobody is said to have answered it.
  const plugging = row.attachments.some(({ wanted, attached }) => wanted === 'detached' || !attached);
  if (told < row.generation && !plugging) cloud.violated('said too early', `${row.id} is settled as of ${row.generation}, ${row.host_name} has only heard of ${told}`);
  if (row.intent === 'running' && notes.rebootCount < row.reboot_count) cloud.violated('said too early', `${row.id} is settled with ${row.reboot_count} reboots, done are ${notes.rebootCount}`);
  if (row.intent === 'stopped' && (kept.power === 'running' || kept.power === 'paused')) cloud.violated('said too early', `${row.id} is settled as stopped, it is ${kept.power}`);
}

const POWER = { running: ['running'], paused: ['paused'], suspended: ['stopped'], stopped: ['stopped', 'crashed'] };

/** Holds when faults have ended and nothing is on its way. */
export async function checkSettled(cloud) {
  if (cloud.broken.length > 0) return;
  const { store } = cloud;
  const rows = await store.look(`
    SELECT i.*, (SELECT max(at) FROM compute.instance_events e WHERE e.instance_id = i.id AND e.kind = 'rebuild') AS rebuilt_at,
      m.source_host_name, m.dest_host_name, m.other_wanted, m.old_spec, m.new_spec_generation
    FROM compute.instances i LEFT JOIN compute.migrations m ON m.uuid = i.move_id WHERE i.deleted_at IS NULL ORDER BY i.number`);
  const claims = await store.look("SELECT c.*, h.name FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id ORDER BY purpose DESC");
  for (const row of rows) {
    const held = claims.filter((claim) => claim.instance_id === row.id).map(({ purpose, name, vcpus, pcpus, memory_mib: ram }) => `${purpose} ${name} ${vcpus + pcpus} ${ram}`);
    const own = `${row.host_name} ${row.vcpus} ${row.ram_mib}`;
    const old = row.old_spec && `run ${row.source_host_name} ${row.old_spec.flavor.vcpus} ${row.old_spec.flavor.ramMib}`;
    const wanted = row.host_id === null ? [] : row.move_phase === 'verify' ? [old, `move ${own}`] : [`run ${own}`];
    if (held.join() !== wanted.join()) cloud.violated('claims at rest', `${row.id} ${row.move_phase ?? ''} has [${held.join()}], not [${wanted.join()}]`);
    if (row.hold !== null || row.withdrawn) cloud.violated('held', `${row.id} at rest: hold ${row.hold}, withdrawn ${row.withdrawn}`);
    if (row.step === 'failed') {
      if (row.launched_at === null && row.host_id !== null) cloud.violated('failed build', `${row.id} failed before it ever ran, and is still on ${row.host_name}`);
      if (!isTrue(cloud, row)) cloud.violated('false error', `${row.id}: ${row.fault.message} ${row.fault.details}`);
      continue;
    }
    checkGuest(cloud, row);
  }
  const off = await store.look("SELECT DISTINCT instance_id AS id FROM compute.instance_events WHERE kind IN ('powered-off', 'crashed')");
  for (const { id } of off) if (!cloud.ended.has(id)) cloud.violated('switched off', `${id} is said to have switched itself off, it never did`);
  const lost = await store.look('SELECT host_id, instance_id FROM compute.departures');
  if (lost.length > 0) cloud.violated('departures', JSON.stringify(lost[0]));
}

/** Where it is, as it is wanted, made of what is wanted. */
function checkGuest(cloud, row) {
  const places = cloud.there.get(row.id) ?? new Map();
  const kept = cloud.kept.get(row.id)?.get(row.host_name);
  const power = places.get(row.host_name);
  if (!POWER[row.intent].includes(power)) cloud.violated('intent', `${row.id} shall be ${row.intent} on ${row.host_name}, it is ${power}`);
  if (row.intent === 'suspended' && kept?.saved !== true) cloud.violated('intent', `${row.id} shall be suspended, its memory is not kept`);
  if (row.rebuilding) cloud.violated('rebuild', `${row.id} is still being rebuilt`);
  const mayBe = row.move_phase === 'verify' ? new Set([row.source_host_name, row.dest_host_name]) : new Set([row.host_name]);
  for (const host of places.keys()) if (!mayBe.has(host)) cloud.violated('left behind', `${row.id} is on ${[...places.keys()].join(' and ')}`);
  if (row.move_phase === 'verify' && row.source_host_name !== row.dest_host_name && !POWER.stopped.includes(places.get(row.source_host_name))) cloud.violated('move', `${row.id} can not be reverted: at its source it is ${places.get(row.source_host_name)}`);
  if (row.observed_reboot_count < row.reboot_count && row.intent === 'running') cloud.violated('reboot', `${row.id} was not rebooted`);
  const notes = kept?.notes;
  if (notes && (notes.shape.vcpus !== row.vcpus || notes.shape.memoryMib !== row.ram_mib || notes.specGeneration !== row.spec_generation)) cloud.violated('shape', `${row.id} is built as ${JSON.stringify(notes.shape)} (${notes.specGeneration}), wanted is ${row.vcpus} ${row.ram_mib} (${row.spec_generation})`);
  const disk = cloud.disks.of(row.id, row.host_name).get(row.disk_generation);
  if (disk === undefined || notes?.diskGeneration !== row.disk_generation) cloud.violated('disk', `${row.id} has no disk of generation ${row.disk_generation}`);
  else if (row.rebuilt_at !== null && disk.bornAt < row.rebuilt_at.getTime() - EPOCH) cloud.violated('rebuild', `${row.id} was asked to be rebuilt at ${row.rebuilt_at.getTime() - EPOCH}, its disk is of ${disk.bornAt}`);
  if (row.move_phase === null && kept?.previous.length > 0) cloud.violated('left behind', `${row.id} keeps the disk of a resize that is over`);
  if (kept?.disks.length > 1) cloud.violated('left behind', `${row.id} keeps disks ${kept.disks}`);
}

/** Codes of an agent that has no sound device to give. */
const DEVICE = /device-[a-z]|pf-has-vfs|group-not-viable|libvirt-start/;
const INJECTED = /with (?:libvirt-38|EIO|timeout|failed|unknown)|EIO/;

/** An ERROR is true when what it names did happen. */
function isTrue(cloud, { id, fault }) {
  if (/An administrator set/.test(fault.message)) return cloud.setToError.has(id);
  if (/No valid host/.test(fault.message)) return !/There is no host|: *\.$/.test(fault.message) && !cloud.hadRoom(fault);
  if (/restored|adopt/i.test(`${fault.message} ${fault.details}`)) return cloud.failedOver;
  // What the host built in the second that the database lost is newer than all that the database knows.
  if (/newer-built/.test(fault.details)) return cloud.failedOver;
  // Of devices, something had to go wrong first.
  if (DEVICE.test(fault.details)) return (cloud.devices?.faults ?? 0) > 0;
  if (/lost during a move/.test(fault.message)) return cloud.fencedOnce.size > 0;
  if (/failed on its host|could not do what was asked/.test(fault.message)) return (cloud.injected.get(id) ?? 0) > 0 && INJECTED.test(fault.details);
  return false;
}

/** Holds when everything was deleted. */
export async function checkEnd(cloud) {
  if (cloud.broken.length > 0) return;
  for (const [id, places] of cloud.there) if (places.size > 0) cloud.violated('left behind', `${id} on ${[...places].join()}`);
  // A report that lay in a frozen process speaks late, and makes a note of an orphan that ages out by itself. None is made at rest.
  const [left] = await cloud.store.look(`
    SELECT (SELECT count(*) FROM scheduler.claims WHERE host_id IS NOT NULL)::int AS claims, (SELECT count(*) FROM compute.instances WHERE deleted_at IS NULL)::int AS rows,
      (SELECT count(*) FROM compute.orphans WHERE first_seen_at > $1)::int AS orphans, (SELECT count(*) FROM compute.departures)::int AS departures,
      (SELECT count(*) FROM compute.migrations WHERE finished_at IS NULL OR other_host_id IS NOT NULL OR transfer_key IS NOT NULL)::int AS moves,
      (SELECT count(*) FROM compute.instances WHERE move_id IS NOT NULL OR hold IS NOT NULL OR elsewhere <> 0)::int AS moving,
      (SELECT count(*) FROM compute.host_feeds WHERE fenced_at IS NOT NULL)::int AS fenced`, [new Date(EPOCH + cloud.quietSince)]);
  const [move] = left.moves === 0 ? [] : await cloud.store.look('SELECT m.* FROM compute.migrations m WHERE finished_at IS NULL OR other_host_id IS NOT NULL OR transfer_key IS NOT NULL ORDER BY id LIMIT 1');
  const [claim] = left.claims === 0 ? [] : await cloud.store.look('SELECT instance_id, purpose, generation, host_id FROM scheduler.claims WHERE host_id IS NOT NULL ORDER BY instance_id, purpose LIMIT 1');
  if (Object.values(left).some((count) => count > 0)) cloud.violated('left behind', `${JSON.stringify(left)}${claim ? ` ${JSON.stringify(claim)}` : ''}${move ? ` of ${move.instance_id}: ${JSON.stringify({ ...move, old_spec: undefined, new_spec: undefined })}` : ''}`);
  const events = await cloud.store.look(`
    SELECT i.id, i.created_at, i.terminated_at, count(*) FILTER (WHERE e.kind = 'create')::int AS made, count(*) FILTER (WHERE e.kind = 'deleted')::int AS gone
    FROM compute.instances i LEFT JOIN compute.instance_events e ON e.instance_id = i.id GROUP BY i.id ORDER BY i.number`);
  for (const { id, made, gone } of events) if ((made !== 1 && !cloud.failedOver) || gone !== 1) cloud.violated('events', `${id}: created ${made} times, deleted ${gone} times`);
  const tombs = await cloud.store.look("SELECT i.id FROM compute.instances i LEFT JOIN scheduler.claims c ON c.instance_id = i.id AND c.purpose = 'run' AND c.released_at IS NOT NULL WHERE c.instance_id IS NULL");
  if (tombs.length > 0) cloud.violated('tombstone', `${tombs[0].id} left none`);
  for (const host of cloud.hosts) if (host.ledger?.entries.size > 0) cloud.violated('ledger', `${host.name} remembers ${[...host.ledger.entries].map(([id, { desired, listed }]) => `${id} ${desired.intent} ${listed}`).join()}`);
}

/** What people are told of their usage: every server that ran, from its launch to its end. */
export async function checkUsage(cloud, caller) {
  if (cloud.broken.length > 0) return;
  const at = (ms) => new Date(EPOCH + ms).toISOString();
  const asked = cloud.client.ask(listServerUsages, { caller, projectId: null, from: at(0), to: at(cloud.world.now + 60_000), limit: 1000 });
  let usages;
  asked.then((answer) => { usages = answer.usages; }, (error) => { cloud.violated('usage', error.message); });
  await cloud.world.run(cloud.world.now + 10_000, () => usages !== undefined);
  const rows = await cloud.store.look('SELECT id, launched_at, terminated_at FROM compute.instances WHERE launched_at IS NOT NULL');
  const said = new Map((usages ?? []).map((usage) => [usage.id, usage]));
  for (const row of rows) if (said.get(row.id)?.launchedAt !== row.launched_at.toISOString() || said.get(row.id)?.terminatedAt !== row.terminated_at?.toISOString()) cloud.violated('usage', `${row.id}: ${JSON.stringify(said.get(row.id))}`);
  if (said.size !== rows.length) cloud.violated('usage', `${said.size} servers ran, of ${rows.length}`);
}
