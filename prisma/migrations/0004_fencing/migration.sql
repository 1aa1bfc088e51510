-- Lost hosts, fences, leases, and adopting hosts after a restore.

-- scheduler: who a host is to the cloud now.
ALTER TABLE scheduler.hosts
  -- What the operator wants; host_capacity.enabled is this and neither fenced nor waiting to be adopted.
  ADD COLUMN open boolean NOT NULL DEFAULT true,
  -- Set from the request of a fence until the host is taken back.
  ADD COLUMN fenced_at timestamptz,
  -- The incarnation of the database in which this host was found to agree with it; another one: it only reports. 0: it knows more than we do.
  ADD COLUMN adopted_incarnation integer NOT NULL DEFAULT 1,
  -- What the host said of itself last that may be newer than this database.
  ADD COLUMN knows jsonb,
  -- May it start servers after a boot without having heard from us? auto: only when there is no other host.
  ADD COLUMN restart text NOT NULL DEFAULT 'auto' CHECK (restart IN ('auto', 'alone', 'leased'));
UPDATE scheduler.hosts h SET open = c.enabled FROM scheduler.host_capacity c WHERE c.host_id = h.id AND NOT c.enabled;
UPDATE scheduler.hosts SET adopted_incarnation = (SELECT max(incarnation) FROM control.cell) WHERE EXISTS (SELECT FROM control.cell WHERE incarnation <> 1);

-- Since when and why a host is not there, by the database's clock; null: it is.
ALTER TABLE scheduler.host_beats ADD COLUMN lost_since timestamptz, ADD COLUMN lost_reason text;

-- A fence is a row with phases, finished by a loop: power-off (machine only) -> tell (compute shuts the host's feed) -> raise (the
-- epoch here) -> done -> readmit (asked for) -> over. `failed`: the power could not be cut; nothing was raised.
CREATE TABLE scheduler.fences (
  id uuid PRIMARY KEY, host_id uuid NOT NULL REFERENCES scheduler.hosts,
  -- The epoch it ends. The next one is this plus one.
  epoch integer NOT NULL,
  method text NOT NULL CHECK (method IN ('statement', 'machine')),
  phase text NOT NULL CHECK (phase IN ('power-off', 'tell', 'done', 'readmit', 'over', 'failed')),
  statement text NOT NULL, proof text, user_id text NOT NULL, request_id text,
  attempts integer NOT NULL DEFAULT 0, last_error text, next_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(), done_at timestamptz, over_at timestamptz
);
CREATE UNIQUE INDEX fences_open ON scheduler.fences (host_id) WHERE phase NOT IN ('over', 'failed');
CREATE INDEX fences_due ON scheduler.fences (next_at) WHERE phase IN ('power-off', 'tell', 'readmit');

-- How a host's power is reached. The secret is sealed with a key that is not in this database.
CREATE TABLE scheduler.host_power (
  host_id uuid PRIMARY KEY REFERENCES scheduler.hosts,
  kind text NOT NULL CHECK (kind IN ('ipmi', 'redfish')), address text NOT NULL, username text NOT NULL, options jsonb NOT NULL DEFAULT '{}',
  sealed_password bytea NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), updated_by text NOT NULL
);

-- What hosts have is counted whatever the limit, when the database follows them after a restore.
CREATE OR REPLACE FUNCTION scheduler.guard_capacity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.used_vcpus + NEW.used_memory_mib + NEW.used_disk_gib + NEW.used_instances <> 0 THEN
      RAISE EXCEPTION 'host % starts without usage', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_usage';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.used_vcpus <> OLD.used_vcpus OR NEW.used_memory_mib <> OLD.used_memory_mib OR NEW.used_disk_gib <> OLD.used_disk_gib
     OR NEW.used_instances <> OLD.used_instances THEN
    IF pg_trigger_depth() < 2 THEN
      RAISE EXCEPTION 'usage of host % follows from its claims', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_usage';
    END IF;
    IF current_setting('skylite.adopting', true) IS DISTINCT FROM 'on'
       AND ((NEW.used_vcpus > OLD.used_vcpus AND NEW.used_vcpus > NEW.limit_vcpus)
       OR (NEW.used_memory_mib > OLD.used_memory_mib AND NEW.used_memory_mib > NEW.limit_memory_mib)
       OR (NEW.used_disk_gib > OLD.used_disk_gib AND NEW.used_disk_gib > NEW.limit_disk_gib)) THEN
      RAISE EXCEPTION 'host % has no room for this claim', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_room';
    END IF;
  END IF;
  NEW.version := OLD.version + 1;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;

-- compute: what of a host's feed may be believed.
ALTER TABLE compute.host_feeds
  -- Set while the host is fenced: it gets no entries and starts nothing, so what was on it is not running there.
  ADD COLUMN fenced_at timestamptz, ADD COLUMN fenced_epoch integer,
  -- It was heard again while fenced: its guests may run after all, and a fence proves nothing any more.
  ADD COLUMN returned_at timestamptz,
  -- The incarnation in which the scheduler called this host adopted, kept for when it is away.
  ADD COLUMN adopted_incarnation integer;

-- Instances that left a fenced host without its proof of absence. It is told `deleted` from here when it is taken back, until
-- it has shown that nothing is left.
CREATE TABLE compute.departures (
  host_id uuid NOT NULL, instance_id uuid NOT NULL, sequence bigint NOT NULL, generation bigint NOT NULL,
  -- The entry as the host gets it.
  desired jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
  -- What the host saw of it since, if it came back: not absent means that it is still there.
  observed_state text, observed_at timestamptz,
  PRIMARY KEY (host_id, instance_id)
);
CREATE INDEX departures_feed ON compute.departures (host_id, sequence);

-- Whoever restored a database calls this (as its owner): hosts only report from then on, and take nothing new, until adopted.
-- The number is never one that a host may know from a later life of this database: it is taken from the clock.
CREATE FUNCTION control.raise_incarnation() RETURNS integer LANGUAGE sql AS $$
  UPDATE scheduler.host_capacity SET enabled = false WHERE enabled;
  UPDATE control.cell SET incarnation = greatest(incarnation + 1, (extract(epoch FROM clock_timestamp()) / 60)::integer) RETURNING incarnation;
$$;
REVOKE ALL ON FUNCTION control.raise_incarnation() FROM PUBLIC;
