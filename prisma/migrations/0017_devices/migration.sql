-- Devices: what hosts have, what is wanted of it, who holds what, and what happened to it. Rows of devices follow from what
-- hosts report and can be made again from that: their ids say nothing else than host and identity.

CREATE TABLE scheduler.device_classes (
  name text COLLATE "C" PRIMARY KEY, description text NOT NULL DEFAULT '', match jsonb NOT NULL,
  numa_policy text NOT NULL DEFAULT 'legacy' CHECK (numa_policy IN ('required', 'preferred', 'socket', 'legacy')),
  attach text NOT NULL DEFAULT 'auto' CHECK (attach IN ('auto', 'interface', 'hostdev')),
  sanitizer text NOT NULL DEFAULT 'reset' CHECK (sanitizer IN ('reset', 'quarantine', 'operator-accepts')),
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz
);
CREATE TABLE scheduler.device_pools (
  id uuid PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, class_name text COLLATE "C" NOT NULL REFERENCES scheduler.device_classes,
  mode text NOT NULL CHECK (mode IN ('vfs', 'functions')), match jsonb NOT NULL,
  vf_count integer CHECK (vf_count BETWEEN 1 AND 65535),
  driver text NOT NULL DEFAULT 'vfio-pci' CHECK (driver IN ('vfio-pci', 'kernel')),
  policy jsonb NOT NULL, physical_network text, group_together boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz
);
CREATE INDEX device_pools_class ON scheduler.device_pools (class_name);
-- One row: changes of classes and pools take turns on it, and those who look see that something changed.
CREATE TABLE scheduler.device_changes (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL DEFAULT 1);
INSERT INTO scheduler.device_changes DEFAULT VALUES;

-- What a host said last of its devices as a whole.
CREATE TABLE scheduler.device_hosts (
  host_id uuid PRIMARY KEY REFERENCES scheduler.hosts ON DELETE CASCADE,
  boot_id text, reading bigint NOT NULL DEFAULT 0,
  -- The wishes that it has applied, and the pools that it could not apply: [{poolId, identity, code, sentence}].
  applied text, problems jsonb NOT NULL DEFAULT '[]',
  reported_at timestamptz,
  -- An operator had its rows made anew then; the host says everything again.
  asked_at timestamptz,
  -- Classes and pools of this version of device_changes stand in the rows of its devices; 0: they are to be looked through.
  resolved bigint NOT NULL DEFAULT 0
);
CREATE INDEX device_hosts_resolved ON scheduler.device_hosts (resolved, host_id);

-- The same device has the same id, whoever makes its row: a UUID of version 8.
CREATE FUNCTION scheduler.device_id(host uuid, identity text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT encode(set_byte(set_byte(substring(digest FROM 1 FOR 16), 6, (get_byte(digest, 6) & 15) | 128), 8, (get_byte(digest, 8) & 63) | 128), 'hex')::uuid
  FROM (SELECT sha256(convert_to('device ' || host::text || ' ' || identity, 'UTF8')) AS digest) d
$$;

CREATE FUNCTION scheduler.texts_of(list jsonb) RETURNS text[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN coalesce((SELECT array_agg(one ORDER BY place) FROM jsonb_array_elements_text(list) WITH ORDINALITY AS l(one, place)), '{}');
END $$;

CREATE TABLE scheduler.devices (
  id uuid GENERATED ALWAYS AS (scheduler.device_id(host_id, identity)) STORED PRIMARY KEY,
  host_id uuid NOT NULL REFERENCES scheduler.hosts, identity text COLLATE "C" NOT NULL,
  -- HostDevice as reported last; null: a claim tells of it, its host has not yet.
  facts jsonb,
  kind text GENERATED ALWAYS AS (facts ->> 'kind') STORED,
  address text GENERATED ALWAYS AS (facts ->> 'address') STORED,
  numa_node integer GENERATED ALWAYS AS ((facts ->> 'numaNode')::integer) STORED,
  pf_identity text COLLATE "C" GENERATED ALWAYS AS (facts -> 'pf' ->> 'identity') STORED,
  vf_index integer GENERATED ALWAYS AS ((facts -> 'pf' ->> 'vf')::integer) STORED,
  mates text[] NOT NULL GENERATED ALWAYS AS (scheduler.texts_of(facts -> 'mates')) STORED,
  protected_by text GENERATED ALWAYS AS (facts ->> 'protectedBy') STORED,
  condition_code text GENERATED ALWAYS AS (facts -> 'condition' ->> 'code') STORED,
  used_by uuid GENERATED ALWAYS AS ((facts ->> 'usedBy')::uuid) STORED,
  -- The driver that it had when it had one of its own: pools that match by driver go on matching when it is bound for guests.
  native_driver text,
  -- What classes and pools make of it. offered: it may be claimed. companion: with the offered one of its unit only. keeper: its VFs may
  -- be claimed, itself never. withheld: in a pool, and not given out, for the reason in pool_note.
  pool_id uuid REFERENCES scheduler.device_pools ON DELETE SET NULL, class_name text COLLATE "C",
  pool_role text CHECK (pool_role IN ('offered', 'companion', 'keeper', 'withheld')), pool_note text,
  -- Devices of one unit are claimed as one: the lowest identity of its IOMMU group; its own when it stands alone.
  unit text COLLATE "C" NOT NULL,
  -- The highest hold ever, and whose it was; the next one is higher by one.
  generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0), last_holder uuid, last_class text COLLATE "C",
  -- Its host has scrubbed and verified it at this generation; null: it is not clean.
  clean_at integer,
  -- An operator has said at this generation that it may be given out.
  released_at integer,
  quarantine_generation integer, quarantine_code text, quarantine_sentence text,
  first_seen_at timestamptz NOT NULL DEFAULT now(), seen_at timestamptz, missing_since timestamptz,
  UNIQUE (host_id, identity),
  CHECK ((quarantine_generation IS NULL) = (quarantine_code IS NULL) AND (quarantine_code IS NULL) = (quarantine_sentence IS NULL)),
  CHECK (pool_id IS NULL OR (pool_role IS NOT NULL AND class_name IS NOT NULL)),
  -- A hold ends clean at its own generation, never at one that nobody had.
  CHECK (clean_at <= generation AND released_at <= generation AND quarantine_generation <= generation)
) WITH (fillfactor = 80);
CREATE INDEX devices_pool ON scheduler.devices (pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX devices_class ON scheduler.devices (class_name, host_id) WHERE class_name IS NOT NULL;
CREATE INDEX devices_pf ON scheduler.devices (host_id, pf_identity) WHERE pf_identity IS NOT NULL;
CREATE INDEX devices_unit ON scheduler.devices (host_id, unit);
CREATE INDEX devices_quarantined ON scheduler.devices (class_name) WHERE quarantine_generation IS NOT NULL;

-- Who holds a device. Follows from the claims; one device has one holder.
CREATE TABLE scheduler.device_claims (
  device_id uuid PRIMARY KEY REFERENCES scheduler.devices,
  host_id uuid NOT NULL, instance_id uuid NOT NULL, purpose text NOT NULL, generation integer NOT NULL CHECK (generation >= 1),
  class_name text COLLATE "C" NOT NULL, mac text UNIQUE,
  since timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX device_claims_instance ON scheduler.device_claims (instance_id);
CREATE INDEX device_claims_host ON scheduler.device_claims (host_id);

-- Why a device can't be claimed for a server now, apart from who holds it; null: it can. Reads nothing but the row.
CREATE FUNCTION scheduler.device_hindrance(d scheduler.devices, claimant uuid DEFAULT NULL) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN d.missing_since IS NOT NULL OR d.facts IS NULL THEN 'missing'
    WHEN d.protected_by IS NOT NULL THEN 'protected'
    WHEN d.quarantine_generation IS NOT NULL THEN 'quarantined'
    WHEN d.used_by IS DISTINCT FROM claimant AND d.used_by IS NOT NULL THEN 'used'
    WHEN d.generation > 0 AND greatest(d.clean_at, d.released_at, -1) < d.generation THEN 'unclean'
    WHEN d.pool_id IS NULL THEN 'unpooled'
    WHEN d.condition_code IS NOT NULL THEN 'condition'
    WHEN d.pool_role IN ('keeper', 'withheld') THEN 'withheld'
    WHEN greatest(d.clean_at, d.released_at, -1) < d.generation THEN 'unclean'
  END
$$;

CREATE FUNCTION scheduler.device_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.generation < OLD.generation THEN
    RAISE EXCEPTION 'the generation of device % never falls', OLD.id USING ERRCODE = 'check_violation', CONSTRAINT = 'devices_generation';
  END IF;
  -- The pool is deleted: nothing of it is left.
  IF NEW.pool_id IS NULL THEN
    NEW.class_name := NULL; NEW.pool_role := NULL;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER device_changed BEFORE UPDATE ON scheduler.devices FOR EACH ROW EXECUTE FUNCTION scheduler.device_changed();

-- What happened to devices: who held them from when to when, and what else. kind: claimed, released, clean, quarantined,
-- operator-released, seen, missing, returned, renumbered, changed-identity, condition, condition-gone, used-unclaimed, pooled, unpooled, rescanned.
CREATE TABLE scheduler.device_history (
  id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT now(),
  device_id uuid NOT NULL, host_id uuid NOT NULL, identity text NOT NULL,
  kind text NOT NULL, generation integer NOT NULL, instance_id uuid, message text NOT NULL DEFAULT '',
  request_id text, user_id text, user_name text, address text
) PARTITION BY RANGE (at);
CREATE TABLE scheduler.device_history_rest PARTITION OF scheduler.device_history DEFAULT;
CREATE INDEX device_history_device ON scheduler.device_history (device_id, at, id);
CREATE INDEX device_history_instance ON scheduler.device_history (instance_id, at) WHERE instance_id IS NOT NULL;
CREATE FUNCTION scheduler.keep_device_history(months_ahead integer, keep_days integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT control.keep_partitions('scheduler.device_history', 'scheduler.device_history_rest', least(greatest(months_ahead, 0), 24), greatest(keep_days, 1))
$$;
SELECT scheduler.keep_device_history(3, 3650);

CREATE FUNCTION audit.of_device_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO audit.records (service, action, outcome, user_id, user_name, target_kind, target_id, address, request_id, detail)
  VALUES ('scheduler', 'devices:' || NEW.kind, 'success', NEW.user_id, NEW.user_name, 'device', NEW.device_id::text, NEW.address, NEW.request_id,
    CASE WHEN NEW.message = '' THEN '{}' ELSE jsonb_build_object('message', left(NEW.message, 256)) END);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION audit.of_device_history() FROM PUBLIC;
CREATE TRIGGER audited AFTER INSERT ON scheduler.device_history FOR EACH ROW WHEN (NEW.user_id IS NOT NULL) EXECUTE FUNCTION audit.of_device_history();

-- Makes rows of a host's devices, and who holds them, anew from its claims, as far as they were lost: what a claim says was given stays
-- given. Told of by device_hosts.asked_at, for only triggers may write what follows from claims.
CREATE FUNCTION scheduler.devices_asked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO scheduler.devices AS d (host_id, identity, unit, generation)
  SELECT DISTINCT ON (l.identity COLLATE "C") c.host_id, l.identity, l.identity, l.generation
  FROM scheduler.claims c, jsonb_to_recordset(c.layout -> 'devices') AS l(identity text, "className" text, generation integer, mac text) WHERE c.host_id = NEW.host_id ORDER BY l.identity COLLATE "C", l.generation DESC
  ON CONFLICT (host_id, identity) DO UPDATE SET generation = excluded.generation WHERE d.generation < excluded.generation;
  WITH made AS (
    INSERT INTO scheduler.device_claims (device_id, host_id, instance_id, purpose, generation, class_name, mac)
    SELECT scheduler.device_id(c.host_id, l.identity), c.host_id, c.instance_id, c.purpose, l.generation, l."className",
      -- A MAC that another has by now keeps nobody from having what he has.
      CASE WHEN row_number() OVER (PARTITION BY l.mac ORDER BY l.identity COLLATE "C", c.instance_id) = 1 AND NOT EXISTS (SELECT FROM scheduler.device_claims k WHERE k.mac = l.mac) THEN l.mac END
    FROM scheduler.claims c, jsonb_to_recordset(c.layout -> 'devices') AS l(identity text, "className" text, generation integer, mac text) WHERE c.host_id = NEW.host_id ORDER BY l.identity COLLATE "C"
    ON CONFLICT DO NOTHING RETURNING device_id, instance_id, generation
  )
  INSERT INTO scheduler.device_history (device_id, host_id, identity, kind, generation, instance_id)
  SELECT made.device_id, d.host_id, d.identity, 'rescanned', made.generation, made.instance_id FROM made JOIN scheduler.devices d ON d.id = made.device_id;
  UPDATE scheduler.devices d SET held_by = k.instance_id, last_holder = coalesce(k.instance_id, d.last_holder), last_class = coalesce(k.class_name, d.last_class)
  FROM scheduler.devices e LEFT JOIN scheduler.device_claims k ON k.device_id = e.id
  WHERE e.host_id = NEW.host_id AND d.id = e.id AND d.held_by IS DISTINCT FROM k.instance_id;
  UPDATE scheduler.host_capacity h SET devices = s.count, device_versions = s.versions
  FROM (SELECT count(*)::integer AS count, coalesce(sum(version), 0)::bigint AS versions FROM scheduler.devices WHERE host_id = NEW.host_id AND scheduler.is_stocked(pool_role)) s
  WHERE h.host_id = NEW.host_id AND (h.devices, h.device_versions) IS DISTINCT FROM (s.count, s.versions);
  RETURN NULL;
END $$;
CREATE TRIGGER devices_asked AFTER INSERT OR UPDATE OF asked_at ON scheduler.device_hosts FOR EACH ROW WHEN (NEW.asked_at IS NOT NULL) EXECUTE FUNCTION scheduler.devices_asked();
