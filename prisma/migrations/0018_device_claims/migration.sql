-- Claims of devices: a claim's devices stand in its layout, and who holds what follows from the claims by triggers, as CPUs do. Whatever
-- the code does: a device has one holder, is clean and whole when it is given, and a PF is never given while its VFs are. The host's row
-- in host_capacity is locked before any device of it is looked at or written.

ALTER TABLE scheduler.devices
  -- Whose it is: as device_claims says, for readers that want the row alone.
  ADD COLUMN held_by uuid,
  -- Rises with everything that placement reads of it.
  ADD COLUMN version bigint NOT NULL DEFAULT 1, ADD COLUMN changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX devices_host_changed ON scheduler.devices (host_id, changed_xid);
CREATE INDEX devices_changed ON scheduler.devices (changed_xid);

-- Memory of guests with devices is pinned: it can't be given twice. largest_memory_mib is what is there of ordinary pages, less the reserve.
ALTER TABLE scheduler.host_capacity
  ADD COLUMN used_pinned_mib integer NOT NULL DEFAULT 0 CHECK (used_pinned_mib >= 0),
  -- Devices in pools and the sum of their versions: whoever reads changes alone sees by these whether one was missed.
  ADD COLUMN devices integer NOT NULL DEFAULT 0, ADD COLUMN device_versions bigint NOT NULL DEFAULT 0;
ALTER TABLE scheduler.claims ADD COLUMN pinned_mib integer NOT NULL GENERATED ALWAYS AS (CASE WHEN jsonb_array_length(layout -> 'devices') > 0 THEN memory_mib ELSE 0 END) STORED;

-- What floats, divided by the ratio, and what is pinned: together never more than there is.
CREATE FUNCTION scheduler.pinned_fits(used integer, pinned integer, most integer, limited integer) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT pinned = 0 OR (used - pinned)::bigint * most <= (most - pinned)::bigint * limited
$$;

CREATE OR REPLACE FUNCTION scheduler.guard_capacity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.used_vcpus + NEW.used_memory_mib + NEW.used_disk_gib + NEW.used_instances + NEW.used_pcpus + NEW.used_exact + NEW.used_pinned_mib + NEW.devices <> 0 THEN
      RAISE EXCEPTION 'host % starts without usage', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_usage';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.used_vcpus <> OLD.used_vcpus OR NEW.used_memory_mib <> OLD.used_memory_mib OR NEW.used_disk_gib <> OLD.used_disk_gib
     OR NEW.used_instances <> OLD.used_instances OR NEW.used_pcpus <> OLD.used_pcpus OR NEW.used_exact <> OLD.used_exact
     OR NEW.used_pinned_mib <> OLD.used_pinned_mib OR NEW.devices <> OLD.devices OR NEW.device_versions <> OLD.device_versions THEN
    IF pg_trigger_depth() < 2 THEN
      RAISE EXCEPTION 'usage of host % follows from its claims', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_usage';
    END IF;
    IF current_setting('skylite.adopting', true) IS DISTINCT FROM 'on'
       AND ((NEW.used_vcpus > OLD.used_vcpus AND NEW.used_vcpus > NEW.limit_vcpus)
       OR (NEW.used_memory_mib > OLD.used_memory_mib AND NEW.used_memory_mib > NEW.limit_memory_mib)
       OR ((NEW.used_memory_mib > OLD.used_memory_mib OR NEW.used_pinned_mib > OLD.used_pinned_mib)
         AND NOT scheduler.pinned_fits(NEW.used_memory_mib, NEW.used_pinned_mib, NEW.largest_memory_mib, NEW.limit_memory_mib))
       OR (NEW.used_disk_gib > OLD.used_disk_gib AND NEW.used_disk_gib > NEW.limit_disk_gib)
       OR (NEW.used_pcpus > OLD.used_pcpus AND NEW.used_pcpus > NEW.limit_pcpus)) THEN
      RAISE EXCEPTION 'host % has no room for this claim', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_room';
    END IF;
  END IF;
  NEW.version := OLD.version + 1;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;

-- How a device stands, for placement.
CREATE FUNCTION scheduler.device_standing(d scheduler.devices) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN d.held_by IS NOT NULL THEN 'claimed' ELSE CASE scheduler.device_hindrance(d)
    WHEN 'missing' THEN 'missing' WHEN 'quarantined' THEN 'quarantined' WHEN 'used' THEN 'in-use' WHEN 'unclean' THEN 'scrubbing' WHEN 'unpooled' THEN 'unpooled'
    WHEN 'protected' THEN 'unusable' WHEN 'condition' THEN 'unusable' WHEN 'withheld' THEN 'unusable'
    ELSE CASE WHEN d.kind = 'pf' AND (d.facts #>> '{sriov,numVfs}')::integer > 0 THEN 'unusable' ELSE 'free' END END END
$$;
-- Is it counted, and told to placement?
CREATE FUNCTION scheduler.is_stocked(role text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT role IN ('offered', 'companion', 'withheld')
$$;
-- One device as the feed says it: in the order of DeviceRow's makers.
CREATE FUNCTION scheduler.device_row(d scheduler.devices) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT jsonb_build_array(d.id, d.identity, d.version, d.generation, scheduler.device_standing(d), CASE WHEN scheduler.is_stocked(d.pool_role) THEN d.pool_id END, d.pool_role = 'offered',
    d.unit, d.numa_node, d.kind, left(d.facts ->> 'pciClass', 2) = '02', d.pf_identity)
$$;

CREATE FUNCTION scheduler.device_versioned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.generation, NEW.clean_at, NEW.released_at, NEW.quarantine_generation, NEW.missing_since IS NULL, NEW.pool_id, NEW.pool_role, NEW.unit, NEW.held_by,
      NEW.facts - '{address,vendor,product,subsystemVendor,subsystemProduct,driver,iommuGroup,resetMethods,network,identityStrength,cleanAt,dirty}'::text[])
     IS DISTINCT FROM (OLD.generation, OLD.clean_at, OLD.released_at, OLD.quarantine_generation, OLD.missing_since IS NULL, OLD.pool_id, OLD.pool_role, OLD.unit, OLD.held_by,
      OLD.facts - '{address,vendor,product,subsystemVendor,subsystemProduct,driver,iommuGroup,resetMethods,network,identityStrength,cleanAt,dirty}'::text[]) THEN
    NEW.version := OLD.version + 1;
    NEW.changed_xid := pg_current_xact_id();
  ELSE
    NEW.version := OLD.version;
    NEW.changed_xid := OLD.changed_xid;
  END IF;
  RETURN NEW;
END $$;
-- After device_changed, which goes before it by its name.
CREATE TRIGGER device_versioned BEFORE UPDATE ON scheduler.devices FOR EACH ROW EXECUTE FUNCTION scheduler.device_versioned();

-- The host's row says that something of its devices changed, and so the feed comes by.
CREATE FUNCTION scheduler.devices_stocked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE scheduler.host_capacity c SET devices = c.devices + d.count, device_versions = c.device_versions + d.versions
    FROM (SELECT host_id, count(*) AS count, sum(version) AS versions FROM added WHERE scheduler.is_stocked(pool_role) GROUP BY host_id) d WHERE c.host_id = d.host_id;
  ELSIF TG_OP = 'DELETE' THEN
    UPDATE scheduler.host_capacity c SET devices = c.devices - d.count, device_versions = c.device_versions - d.versions
    FROM (SELECT host_id, count(*) AS count, sum(version) AS versions FROM gone WHERE scheduler.is_stocked(pool_role) GROUP BY host_id) d WHERE c.host_id = d.host_id;
  ELSE
    UPDATE scheduler.host_capacity c SET devices = c.devices + d.count, device_versions = c.device_versions + d.versions
    FROM (SELECT host_id, sum(count) AS count, sum(versions) AS versions FROM (
        SELECT host_id, 1 AS count, version AS versions FROM added WHERE scheduler.is_stocked(pool_role)
        UNION ALL SELECT host_id, -1, -version FROM gone WHERE scheduler.is_stocked(pool_role)) each
      GROUP BY host_id HAVING sum(count) <> 0 OR sum(versions) <> 0) d
    WHERE c.host_id = d.host_id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER devices_added AFTER INSERT ON scheduler.devices REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION scheduler.devices_stocked();
CREATE TRIGGER devices_stocked AFTER UPDATE ON scheduler.devices REFERENCING OLD TABLE AS gone NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION scheduler.devices_stocked();
CREATE TRIGGER devices_gone AFTER DELETE ON scheduler.devices REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION scheduler.devices_stocked();

CREATE FUNCTION scheduler.guard_device_claims() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'claimed devices follow from claims' USING ERRCODE = 'check_violation', CONSTRAINT = 'device_claims_usage';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_device_claims BEFORE INSERT OR UPDATE OR DELETE ON scheduler.device_claims FOR EACH STATEMENT EXECUTE FUNCTION scheduler.guard_device_claims();

-- What a layout says of devices. `id`: of the row that is meant, whatever is said: a guest that was adopted on a host that joined anew
-- still says the ids of before.
CREATE FUNCTION scheduler.layout_devices(layout jsonb, host uuid) RETURNS TABLE (id uuid, said uuid, identity text, "className" text, generation integer, mac text) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT scheduler.device_id(host, d.identity), d."deviceId", d.identity, d."className", d.generation, d.mac
  FROM jsonb_to_recordset(layout -> 'devices') AS d("deviceId" uuid, identity text, "className" text, generation integer, mac text)
$$;

-- What a server has already, it has, whatever MAC another one has by now: two of them are for people to put right, a device that counts
-- as nobody's would be given away.
CREATE FUNCTION scheduler.keep_device(claim scheduler.claims, device uuid, generation integer, class text, mac text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO scheduler.device_claims (device_id, host_id, instance_id, purpose, generation, class_name, mac)
  VALUES (device, claim.host_id, claim.instance_id, claim.purpose, generation, class, CASE WHEN NOT EXISTS (SELECT FROM scheduler.device_claims k WHERE k.mac = keep_device.mac) THEN mac END)
  ON CONFLICT (device_id) DO NOTHING
$$;

-- What leaves and what comes, in one go, as scheduler.count_exact: a claim that is renamed or settled keeps its devices, unasked.
CREATE FUNCTION scheduler.count_devices(gone scheduler.claims[], added scheduler.claims[]) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  adopting boolean := current_setting('skylite.adopting', true) IS NOT DISTINCT FROM 'on';
  claim scheduler.claims;
  one record;
  left_behind uuid[];
  touched uuid[] := array(SELECT l.id FROM unnest(gone || added) c, scheduler.layout_devices(c.layout, c.host_id) l);
BEGIN
  FOREACH claim IN ARRAY gone LOOP
    CONTINUE WHEN claim.layout -> 'devices' IS NULL;
    DELETE FROM scheduler.device_claims k USING scheduler.layout_devices(claim.layout, claim.host_id) g
    WHERE k.device_id = g.id AND k.host_id = claim.host_id AND k.instance_id = claim.instance_id AND k.purpose = claim.purpose;
  END LOOP;
  FOREACH claim IN ARRAY added LOOP
    CONTINUE WHEN claim.layout -> 'devices' IS NULL;
    FOR one IN SELECT * FROM scheduler.layout_devices(claim.layout, claim.host_id) ORDER BY identity COLLATE "C" LOOP
      IF adopting THEN
        -- A guest has it, whatever else is known of it: then its host has not told of it yet.
        INSERT INTO scheduler.devices AS d (host_id, identity, unit, generation) VALUES (claim.host_id, one.identity, one.identity, one.generation)
        ON CONFLICT (host_id, identity) DO UPDATE SET generation = excluded.generation WHERE d.generation < excluded.generation;
        PERFORM scheduler.keep_device(claim, one.id, one.generation, one."className", one.mac);
        CONTINUE;
      END IF;
      -- What it had already stays.
      IF EXISTS (SELECT FROM unnest(gone) g, scheduler.layout_devices(g.layout, g.host_id) h WHERE g.instance_id = claim.instance_id AND h.id = one.id AND h.generation = one.generation) THEN
        PERFORM scheduler.keep_device(claim, one.id, one.generation, one."className", one.mac);
        CONTINUE;
      END IF;
      IF one.said <> one.id THEN
        RAISE EXCEPTION 'host % has no device %', claim.host_id, one.said USING ERRCODE = 'check_violation', CONSTRAINT = 'device_claims_host';
      END IF;
      PERFORM scheduler.demand_device(claim, one.id, one.generation, one."className");
      INSERT INTO scheduler.device_claims (device_id, host_id, instance_id, purpose, generation, class_name, mac)
      VALUES (one.id, claim.host_id, claim.instance_id, claim.purpose, one.generation, one."className", one.mac);
    END LOOP;
  END LOOP;
  -- Hosts that were adopted may have given one device to two guests: when the one leaves, it is the other's.
  left_behind := array(SELECT l.id FROM unnest(gone) g, scheduler.layout_devices(g.layout, g.host_id) l WHERE NOT EXISTS (SELECT FROM scheduler.device_claims k WHERE k.device_id = l.id));
  IF left_behind <> '{}' THEN
    PERFORM scheduler.keep_device(c, d.id, l.generation, l."className", l.mac)
    FROM unnest(left_behind) lost JOIN scheduler.devices d ON d.id = lost
      JOIN scheduler.claims c ON c.host_id = d.host_id AND c.layout @> jsonb_build_object('devices', jsonb_build_array(jsonb_build_object('identity', d.identity)))
      JOIN LATERAL scheduler.layout_devices(c.layout, c.host_id) l ON l.id = lost;
  END IF;
  -- The rows of devices in one go, and what happened to them.
  INSERT INTO scheduler.device_history (device_id, host_id, identity, kind, generation, instance_id, message)
  SELECT d.id, d.host_id, d.identity, CASE WHEN k.device_id IS NULL THEN 'released' ELSE 'claimed' END, coalesce(k.generation, d.generation), coalesce(k.instance_id, d.held_by), CASE WHEN adopting AND k.device_id IS NOT NULL THEN 'adopted' ELSE '' END
  FROM scheduler.devices d LEFT JOIN scheduler.device_claims k ON k.device_id = d.id
  WHERE d.id = ANY (touched) AND d.held_by IS DISTINCT FROM k.instance_id;
  UPDATE scheduler.devices d SET held_by = n.instance_id, generation = greatest(d.generation, n.generation), last_holder = coalesce(n.instance_id, d.last_holder), last_class = coalesce(n.class_name, d.last_class)
  FROM (SELECT t.id, k.instance_id, k.generation, k.class_name FROM unnest(touched) t(id) LEFT JOIN scheduler.device_claims k ON k.device_id = t.id) n
  WHERE d.id = n.id AND (d.held_by IS DISTINCT FROM n.instance_id OR d.generation < n.generation);
END $$;

-- May this claim have this device at this generation? Raises why not: by one of the refusals by which claims that meet are told apart.
CREATE FUNCTION scheduler.demand_device(claim scheduler.claims, device uuid, wanted integer, class text) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  d scheduler.devices;
  hindrance text;
BEGIN
  SELECT * INTO d FROM scheduler.devices WHERE id = device;
  IF d.id IS NULL OR d.host_id <> claim.host_id THEN
    RAISE EXCEPTION 'host % has no device %', claim.host_id, device USING ERRCODE = 'check_violation', CONSTRAINT = 'device_claims_host';
  END IF;
  IF d.generation + 1 <> wanted OR d.held_by IS NOT NULL THEN
    RAISE EXCEPTION 'device % was held at generation % already, % is wanted', device, d.generation, wanted USING ERRCODE = 'check_violation', CONSTRAINT = 'device_claims_generation';
  END IF;
  hindrance := scheduler.device_hindrance(d, claim.instance_id);
  IF hindrance IS NOT NULL OR d.pool_role NOT IN ('offered', 'companion') OR (d.pool_role = 'offered' AND d.class_name <> class) THEN
    RAISE EXCEPTION 'device % can not be claimed: %', device, coalesce(hindrance, 'of another class') USING ERRCODE = 'check_violation', CONSTRAINT = 'device_claims_ready';
  END IF;
  -- A VF whose PF somebody has or uses; a PF that has VFs, or one of whose VFs somebody still has.
  IF (d.kind = 'pf' AND (d.facts #>> '{sriov,numVfs}')::integer > 0)
     OR (d.pf_identity IS NOT NULL AND EXISTS (SELECT FROM scheduler.devices p WHERE p.host_id = d.host_id AND p.identity = d.pf_identity AND (p.held_by IS NOT NULL OR p.used_by IS NOT NULL
       OR EXISTS (SELECT FROM scheduler.device_claims k WHERE k.device_id = p.id))))
     OR EXISTS (SELECT FROM scheduler.devices v WHERE v.host_id = d.host_id AND v.pf_identity = d.identity AND (v.held_by IS NOT NULL OR v.used_by IS NOT NULL
       OR EXISTS (SELECT FROM scheduler.device_claims k WHERE k.device_id = v.id))) THEN
    RAISE EXCEPTION 'device %: a PF and its VFs are not given at the same time', device USING ERRCODE = 'check_violation', CONSTRAINT = 'device_claims_pf';
  END IF;
  IF EXISTS (SELECT FROM scheduler.devices m WHERE m.host_id = d.host_id AND m.unit = d.unit AND m.pool_role IN ('offered', 'companion')
      AND m.id NOT IN (SELECT l.id FROM scheduler.layout_devices(claim.layout, claim.host_id) l)) THEN
    RAISE EXCEPTION 'device % is claimed with all others of its group, or not at all', device USING ERRCODE = 'check_violation', CONSTRAINT = 'device_claims_unit';
  END IF;
END $$;

CREATE OR REPLACE FUNCTION scheduler.is_contention(violated text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT violated IN ('host_capacity_room', 'claimed_cpus_pkey', 'claimed_cpus_dedicated', 'cell_memory_room', 'host_resources_room', 'claims_group_rule',
    'device_claims_pkey', 'device_claims_mac_key', 'device_claims_host', 'device_claims_generation', 'device_claims_ready', 'device_claims_pf', 'device_claims_unit')
$$;

CREATE OR REPLACE FUNCTION scheduler.claims_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE exact scheduler.claims[];
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus + d.vcpus, used_memory_mib = c.used_memory_mib + d.memory_mib, used_pcpus = c.used_pcpus + d.pcpus, used_pinned_mib = c.used_pinned_mib + d.pinned,
      used_disk_gib = c.used_disk_gib + d.disk_gib, used_instances = c.used_instances + d.instances, used_exact = c.used_exact + d.exact
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, sum(pcpus) AS pcpus, sum(pinned_mib) AS pinned, count(*) AS instances,
          count(*) FILTER (WHERE layout IS NOT NULL OR resources IS NOT NULL) AS exact
        FROM added WHERE host_id IS NOT NULL GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  SELECT array_agg(ROW(a.*)::scheduler.claims) INTO exact FROM added a WHERE host_id IS NOT NULL AND (layout IS NOT NULL OR resources IS NOT NULL OR group_id IS NOT NULL);
  IF exact IS NOT NULL THEN PERFORM scheduler.count_exact('{}', exact); END IF;
  SELECT array_agg(ROW(a.*)::scheduler.claims) INTO exact FROM added a WHERE host_id IS NOT NULL AND layout -> 'devices' IS NOT NULL;
  IF exact IS NOT NULL THEN PERFORM scheduler.count_devices('{}', exact); END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION scheduler.claims_gone() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE exact scheduler.claims[];
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus - d.vcpus, used_memory_mib = c.used_memory_mib - d.memory_mib, used_pcpus = c.used_pcpus - d.pcpus, used_pinned_mib = c.used_pinned_mib - d.pinned,
      used_disk_gib = c.used_disk_gib - d.disk_gib, used_instances = c.used_instances - d.instances, used_exact = c.used_exact - d.exact
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, sum(pcpus) AS pcpus, sum(pinned_mib) AS pinned, count(*) AS instances,
          count(*) FILTER (WHERE layout IS NOT NULL OR resources IS NOT NULL) AS exact
        FROM gone WHERE host_id IS NOT NULL GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  SELECT array_agg(ROW(g.*)::scheduler.claims) INTO exact FROM gone g WHERE host_id IS NOT NULL AND (layout IS NOT NULL OR resources IS NOT NULL);
  IF exact IS NOT NULL THEN PERFORM scheduler.count_exact(exact, '{}'); END IF;
  SELECT array_agg(ROW(g.*)::scheduler.claims) INTO exact FROM gone g WHERE host_id IS NOT NULL AND layout -> 'devices' IS NOT NULL;
  IF exact IS NOT NULL THEN PERFORM scheduler.count_devices(exact, '{}'); END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION scheduler.claims_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  was scheduler.claims[];
  becomes scheduler.claims[];
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus + d.vcpus, used_memory_mib = c.used_memory_mib + d.memory_mib, used_pcpus = c.used_pcpus + d.pcpus, used_pinned_mib = c.used_pinned_mib + d.pinned,
      used_disk_gib = c.used_disk_gib + d.disk_gib, used_instances = c.used_instances + d.instances, used_exact = c.used_exact + d.exact
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, sum(pcpus) AS pcpus, sum(pinned) AS pinned, sum(instances) AS instances, sum(exact) AS exact
        FROM (SELECT host_id, vcpus, memory_mib, disk_gib, pcpus, pinned_mib AS pinned, 1 AS instances, (layout IS NOT NULL OR resources IS NOT NULL)::integer AS exact FROM added WHERE host_id IS NOT NULL
              UNION ALL SELECT host_id, -vcpus, -memory_mib, -disk_gib, -pcpus, -pinned_mib, -1, -(layout IS NOT NULL OR resources IS NOT NULL)::integer FROM gone WHERE host_id IS NOT NULL) moved
        GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  SELECT array_agg(ROW(g.*)::scheduler.claims) INTO was FROM gone g WHERE host_id IS NOT NULL AND (layout IS NOT NULL OR resources IS NOT NULL OR group_id IS NOT NULL);
  SELECT array_agg(ROW(a.*)::scheduler.claims) INTO becomes FROM added a WHERE host_id IS NOT NULL AND (layout IS NOT NULL OR resources IS NOT NULL OR group_id IS NOT NULL);
  IF was IS NOT NULL OR becomes IS NOT NULL THEN PERFORM scheduler.count_exact(coalesce(was, '{}'), coalesce(becomes, '{}')); END IF;
  SELECT array_agg(ROW(g.*)::scheduler.claims) INTO was FROM gone g WHERE host_id IS NOT NULL AND layout -> 'devices' IS NOT NULL;
  SELECT array_agg(ROW(a.*)::scheduler.claims) INTO becomes FROM added a WHERE host_id IS NOT NULL AND layout -> 'devices' IS NOT NULL;
  IF was IS NOT NULL OR becomes IS NOT NULL THEN PERFORM scheduler.count_devices(coalesce(was, '{}'), coalesce(becomes, '{}')); END IF;
  RETURN NULL;
END $$;

-- As before, and how the devices stand that were wanted.
CREATE OR REPLACE FUNCTION scheduler.claim_exactly(wanted jsonb) RETURNS jsonb LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  hosts uuid[] := array(SELECT DISTINCT (w ->> 'hostId')::uuid FROM jsonb_array_elements(wanted) w WHERE w ->> 'hostId' IS NOT NULL);
  want jsonb;
  violated text;
BEGIN
  PERFORM FROM scheduler.host_capacity WHERE host_id = ANY (hosts) ORDER BY host_id FOR NO KEY UPDATE;
  PERFORM scheduler.lock_groups(array(SELECT (w ->> 'groupId')::uuid FROM jsonb_array_elements(wanted) w WHERE w ->> 'groupPolicy' = 'affinity'));
  BEGIN
    PERFORM scheduler.insert_exactly(wanted);
  EXCEPTION WHEN check_violation OR unique_violation THEN
    GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
    IF NOT scheduler.is_contention(violated) THEN RAISE; END IF;
    FOR want IN SELECT w FROM jsonb_array_elements(wanted) w ORDER BY (w ->> 'instanceId')::uuid LOOP
      BEGIN
        PERFORM scheduler.insert_exactly(jsonb_build_array(want));
      EXCEPTION WHEN check_violation OR unique_violation THEN
        GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
        IF NOT scheduler.is_contention(violated) THEN RAISE; END IF;
      END;
    END LOOP;
  END;
  RETURN jsonb_build_object(
    'taken', (SELECT jsonb_agg(jsonb_build_object('generation', c.generation, 'hostId', c.host_id, 'layout', c.layout, 'hostName', h.name, 'availabilityZone', h.availability_zone) ORDER BY w.place)
      FROM jsonb_array_elements(wanted) WITH ORDINALITY AS w(want, place)
      LEFT JOIN scheduler.claims c ON c.instance_id = (w.want ->> 'instanceId')::uuid AND c.purpose = w.want ->> 'purpose' LEFT JOIN scheduler.hosts h ON h.id = c.host_id),
    'hosts', (SELECT coalesce(jsonb_agg(to_jsonb(h) || jsonb_build_object('exact', scheduler.exact_usage(h.host_id))), '[]') FROM scheduler.host_capacity h WHERE h.host_id = ANY (hosts)),
    'devices', (SELECT coalesce(jsonb_agg(jsonb_build_array(d.host_id, scheduler.device_row(d))), '[]')
      FROM scheduler.devices d WHERE d.id IN (SELECT l.id FROM jsonb_array_elements(wanted) w, scheduler.layout_devices(w -> 'layout', (w ->> 'hostId')::uuid) l)));
END $$;

-- How many devices of which class a server's flavor asks for, for quotas: {class: count}.
CREATE FUNCTION compute.devices_wanted(spec jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(jsonb_object_agg(class, count), '{}') FROM (
    SELECT class, sum(count) AS count FROM (
      SELECT btrim(split_part(part, ':', 1)) AS class, btrim(split_part(part, ':', 2))::integer AS count
      FROM regexp_split_to_table(spec #>> '{flavor,extraSpecs,pci_passthrough:alias}', ',') part WHERE part ~ '^[^:]+:\s*\d{1,4}\s*$'
      UNION ALL
      SELECT substr(key, 8), btrim(split_part(value, ',', 1))::integer FROM jsonb_each_text(spec #> '{flavor,extraSpecs}') WHERE key LIKE 'device:%' AND split_part(value, ',', 1) ~ '^\s*\d{1,4}\s*$'
    ) each GROUP BY class) summed
$$;
