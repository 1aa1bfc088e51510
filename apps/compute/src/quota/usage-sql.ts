/**
 * What a project ($1) uses, as "instances", cores and "ramMib". What people see of it counts; a deleted server's resources
 * are its host's business until they are free. A server that is being resized counts as the larger of what it was and what
 * it will be: it may become either.
 */
export const USAGE_SQL = `
  SELECT count(*)::int AS instances,
    coalesce(sum(greatest(i.vcpus, (m.old_spec->'flavor'->>'vcpus')::int, (m.new_spec->'flavor'->>'vcpus')::int)), 0)::int AS cores,
    coalesce(sum(greatest(i.ram_mib, (m.old_spec->'flavor'->>'ramMib')::int, (m.new_spec->'flavor'->>'ramMib')::int)), 0)::int AS "ramMib"
  FROM compute.instances i LEFT JOIN compute.migrations m ON m.uuid = i.move_id
  WHERE i.project_id = $1 AND i.intent <> 'deleted'`;

/**
 * Devices that a project ($1) uses, by "class", counted as the rest: of a server that is being resized the more of the two. Those that were
 * attached count besides, until they are given back.
 */
export const DEVICE_USAGE_SQL = `
  SELECT class, sum(count)::int AS count FROM (
    SELECT d.key AS class, max(d.value::int) AS count
    FROM compute.instances i LEFT JOIN compute.migrations m ON m.uuid = i.move_id,
      LATERAL (VALUES (i.spec), (m.old_spec), (m.new_spec)) AS s(spec), LATERAL jsonb_each_text(compute.devices_wanted(s.spec)) d
    WHERE i.project_id = $1 AND i.intent <> 'deleted' GROUP BY i.id, d.key
    UNION ALL
    SELECT a.class, a.count FROM compute.instances i, LATERAL compute.devices_attached(i.attachments) a WHERE i.project_id = $1 AND i.intent <> 'deleted' AND i.attachments <> '[]') each
  GROUP BY class`;
