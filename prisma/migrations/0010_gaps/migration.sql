-- Which disk generation of an instance a guest has had: its host must have that disk, and never makes it a second time. Not
-- reckoned from launched_at: a rebuild, an evacuation and a return to no host begin anew with a disk that nobody has used yet.
ALTER TABLE compute.instances ADD COLUMN launched_disk_generation integer;
UPDATE compute.instances SET launched_disk_generation = disk_generation
  WHERE launched_at IS NOT NULL AND deleted_at IS NULL AND host_id IS NOT NULL AND NOT withdrawn AND NOT rebuilding AND move_kind IS DISTINCT FROM 'evacuation'
    AND (observed IS NULL OR NOT observed ? 'built' OR (observed #>> '{built,diskGeneration}')::integer = disk_generation);

-- How often a fence was told: the same telling once more changes nothing, also when its host was heard again in between.
ALTER TABLE scheduler.fences ADD COLUMN told integer NOT NULL DEFAULT 1;
ALTER TABLE compute.host_feeds ADD COLUMN fenced_telling integer NOT NULL DEFAULT 0;
UPDATE compute.host_feeds SET fenced_telling = 1 WHERE fenced_at IS NOT NULL;

-- What was seen long ago on a host goes; found by age.
CREATE INDEX orphans_age ON compute.orphans (last_seen_at);
