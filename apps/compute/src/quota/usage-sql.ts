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
