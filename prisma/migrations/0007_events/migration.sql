-- Timelines: more facts on every event, monthly partitions that are made ahead and dropped by age, and an index for
-- reading the outbox in the order of commits.

ALTER TABLE compute.instance_events
  -- Where the instance was when it happened.
  ADD COLUMN host_id uuid, ADD COLUMN host_name text,
  -- The loop's step, and a move's phase, from then on: what lies between two rows was this step, and took as long.
  ADD COLUMN step text, ADD COLUMN phase text,
  -- What is said of it besides, to admins: an explanation, a stack. Never a secret.
  ADD COLUMN detail text;
DROP INDEX compute.instance_events_xid;
CREATE INDEX instance_events_outbox ON compute.instance_events (xid, id);

-- Makes the partitions of this month and the next ones, and drops those that ended before the oldest day to keep. Rows of a
-- month that fell into the default partition (nobody made theirs in time) are moved. Runs with its caller's rights: only
-- the functions below, which belong to the tables' owner, can do it. Gives how many partitions were made and dropped.
CREATE FUNCTION control.keep_partitions(parent regclass, rest regclass, months_ahead integer, keep_days integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  changed integer := 0;
  first_month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
  oldest timestamptz := now() - make_interval(days => keep_days);
  schema_name text; table_name text; part text; lower_bound timestamptz; upper_bound timestamptz; old record;
BEGIN
  SELECT n.nspname, c.relname INTO schema_name, table_name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = parent;
  -- Replicas take turns, and nobody waits long behind us: what does not work now works at the next round.
  IF NOT pg_try_advisory_xact_lock(72707371, (parent::oid::bigint % 2147483647)::integer) THEN RETURN 0; END IF;
  PERFORM set_config('lock_timeout', '2s', true);
  FOR ahead IN 0..months_ahead LOOP
    lower_bound := (first_month + make_interval(months => ahead)) AT TIME ZONE 'UTC';
    upper_bound := (first_month + make_interval(months => ahead + 1)) AT TIME ZONE 'UTC';
    part := table_name || to_char(first_month + make_interval(months => ahead), '"_y"YYYY"m"MM');
    CONTINUE WHEN to_regclass(format('%I.%I', schema_name, part)) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I.%I (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', schema_name, part, parent);
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rest);
    EXECUTE format('WITH moved AS (DELETE FROM %s WHERE at >= %L AND at < %L RETURNING *) INSERT INTO %I.%I SELECT * FROM moved', rest, lower_bound, upper_bound, schema_name, part);
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)', parent, schema_name, part, lower_bound, upper_bound);
    changed := changed + 1;
  END LOOP;
  FOR old IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = parent AND c.relname ~ '_y\d{4}m\d{2}$' LOOP
    CONTINUE WHEN (to_date(right(old.relname, 7), 'YYYY"m"MM') + interval '1 month') AT TIME ZONE 'UTC' > oldest;
    EXECUTE format('DROP TABLE %I.%I', schema_name, old.relname);
    changed := changed + 1;
  END LOOP;
  EXECUTE format('DELETE FROM %s WHERE ctid = ANY(ARRAY(SELECT ctid FROM %s WHERE at < %L LIMIT 10000))', rest, rest, oldest);
  RETURN changed;
END $$;

CREATE FUNCTION compute.keep_event_partitions(months_ahead integer, keep_days integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT control.keep_partitions('compute.instance_events', 'compute.instance_events_rest', least(greatest(months_ahead, 0), 24), greatest(keep_days, 1))
$$;
CREATE FUNCTION scheduler.keep_event_partitions(months_ahead integer, keep_days integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT control.keep_partitions('scheduler.host_events', 'scheduler.host_events_rest', least(greatest(months_ahead, 0), 24), greatest(keep_days, 1))
$$;
SELECT compute.keep_event_partitions(3, 3650), scheduler.keep_event_partitions(3, 3650);

-- The request that made a keypair: its repeat after a crash is answered, not refused.
ALTER TABLE compute.keypairs ADD COLUMN request_id text;
