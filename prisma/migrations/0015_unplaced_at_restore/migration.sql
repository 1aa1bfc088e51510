-- A server that the restored database has placed nowhere may have been placed since the backup was made, on a host that was not
-- asked yet. It is placed only when every host was: this says since which incarnation that is so.
ALTER TABLE compute.instances ADD COLUMN unplaced_in integer;

CREATE OR REPLACE FUNCTION control.raise_incarnation() RETURNS integer LANGUAGE sql AS $$
  UPDATE scheduler.host_capacity SET enabled = false WHERE enabled;
  UPDATE control.cell SET incarnation = greatest(incarnation + 1, (extract(epoch FROM clock_timestamp()) / 60)::integer);
  UPDATE compute.instances SET unplaced_in = cell.incarnation FROM control.cell WHERE host_id IS NULL AND deleted_at IS NULL;
  SELECT incarnation FROM control.cell;
$$;
