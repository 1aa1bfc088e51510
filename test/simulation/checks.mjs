// Checkers outside the system: they read rows and the simulated machines' disks, and nothing else.
import { TEMPO } from './world/cloud.mjs';

/** Holds at every moment. */
export async function check(cloud) {
  const { store } = cloud;
  const wrong = await store.look(`
    SELECT c.host_id, c.used_vcpus, c.used_memory_mib, c.used_disk_gib, c.used_instances, c.limit_vcpus, c.limit_memory_mib, c.limit_disk_gib
    FROM scheduler.host_capacity c LEFT JOIN (SELECT host_id, sum(vcpus) AS v, sum(memory_mib) AS m, sum(disk_gib) AS d, count(*) AS n FROM scheduler.claims WHERE host_id IS NOT NULL GROUP BY host_id) s USING (host_id)
    WHERE c.used_vcpus <> coalesce(s.v, 0) OR c.used_memory_mib <> coalesce(s.m, 0) OR c.used_disk_gib <> coalesce(s.d, 0) OR c.used_instances <> coalesce(s.n, 0)
      OR c.used_vcpus > c.limit_vcpus OR c.used_memory_mib > c.limit_memory_mib OR c.used_disk_gib > c.limit_disk_gib`);
  if (wrong.length > 0) cloud.violated('claims', JSON.stringify(wrong[0]));
  const claims = new Set((await store.look('SELECT c.instance_id, h.name FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id')).map((row) => `${row.instance_id} ${row.name}`));
  for (const [id, places] of cloud.there) for (const host of places.keys()) if (!claims.has(`${id} ${host}`)) cloud.violated('freed too early', `${id} is on ${host} without a claim`);
  const rows = await store.look(`SELECT i.id, intent, step, waited_ms::float8 AS waited, launched_at IS NOT NULL AS launched, withdrawn, fault, host_id FROM compute.instances i WHERE deleted_at IS NULL`);
  for (const row of rows) {
    if (row.intent === 'deleted' || row.withdrawn) continue;
    const most = Math.max(TEMPO.buildDeadlineMs, TEMPO.operateDeadlineMs) + 30_000;
    if (row.step !== 'failed' && row.step !== 'settled' && row.waited > most) cloud.violated('deadline', `${row.id} in ${row.step} for ${row.waited} ms`);
    if (row.step === 'failed' && !(row.fault?.message && row.fault?.details)) cloud.violated('unexplained', `${row.id} is in ERROR without an explanation`);
  }
  const [{ count }] = await store.look("SELECT count(*)::int AS count FROM compute.instances WHERE intent <> 'deleted'");
  if (cloud.limits.instances >= 0 && count > cloud.limits.instances) cloud.violated('quota', `${count} servers, allowed are ${cloud.limits.instances}`);
}

/** Holds when faults have ended and nothing is on its way. */
export async function checkSettled(cloud) {
  if (cloud.broken.length > 0) return;
  const rows = await cloud.store.look('SELECT i.id, i.intent, i.step, i.host_name, i.fault, i.reboot_count, i.observed_reboot_count FROM compute.instances i WHERE deleted_at IS NULL ORDER BY number');
  for (const row of rows) {
    const places = cloud.there.get(row.id) ?? new Map();
    if (row.step === 'failed') {
      if (!isTrue(cloud, row)) cloud.violated('false error', `${row.id}: ${row.fault.message}`);
      continue;
    }
    const power = places.get(row.host_name);
    const fits = row.intent === 'running' ? power === 'running' : power === 'stopped' || power === 'crashed';
    if (!fits) cloud.violated('intent', `${row.id} shall be ${row.intent} on ${row.host_name}, it is ${power}`);
    if (places.size > 1) cloud.violated('left behind', `${row.id} is on ${[...places.keys()].join(' and ')}`);
    if (row.observed_reboot_count < row.reboot_count && row.intent === 'running') cloud.violated('reboot', `${row.id} was not rebooted`);
  }
}

/** An ERROR is true when what it names did happen. */
function isTrue(cloud, { id, fault }) {
  if (/^No valid host/.test(fault.message)) return !/There is no host|: *\.$/.test(fault.message);
  if (/failed on its host|could not do what was asked/.test(fault.message)) return (cloud.injected.get(id) ?? 0) > 0 || /disk|space|EIO/.test(fault.message);
  return false;
}

/** Holds when everything was deleted. */
export async function checkEnd(cloud) {
  if (cloud.broken.length > 0) return;
  for (const [id, places] of cloud.there) if (places.size > 0) cloud.violated('left behind', `${id} on ${[...places].join()}`);
  const [left] = await cloud.store.look('SELECT (SELECT count(*) FROM scheduler.claims WHERE host_id IS NOT NULL)::int AS claims, (SELECT count(*) FROM compute.instances WHERE deleted_at IS NULL)::int AS rows, (SELECT count(*) FROM compute.orphans)::int AS orphans');
  if (left.claims + left.rows + left.orphans > 0) cloud.violated('left behind', JSON.stringify(left));
  const events = await cloud.store.look("SELECT i.id, count(*) FILTER (WHERE e.kind = 'create')::int AS made, count(*) FILTER (WHERE e.kind = 'deleted')::int AS gone FROM compute.instances i LEFT JOIN compute.instance_events e ON e.instance_id = i.id GROUP BY i.id");
  for (const { id, made, gone } of events) if (made !== 1 || gone !== 1) cloud.violated('events', `${id}: created ${made} times, deleted ${gone} times`);
  const tombs = await cloud.store.look('SELECT i.id FROM compute.instances i LEFT JOIN scheduler.claims c ON c.instance_id = i.id AND c.released_at IS NOT NULL WHERE c.instance_id IS NULL');
  if (tombs.length > 0) cloud.violated('tombstone', `${tombs[0].id} left none`);
}
