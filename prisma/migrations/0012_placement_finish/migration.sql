-- Placement, finished: hosts of one make are told apart from others by a key, and a claim that a fault of the code made is
-- no contention.

-- How a host is made, without what is of that host alone: the same for all hosts of a model, so that whoever reads all
-- hosts reads it once for each make.
CREATE FUNCTION scheduler.make_of(inventory jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT inventory - '{generation,vcpus,memoryMib,diskGib,reservedMemoryMib,reservedDiskGib,cpuModel,virtType,hypervisorVersion,libvirtVersion,hostAddress}'::text[]
$$;
ALTER TABLE scheduler.hosts ADD COLUMN make_key uuid GENERATED ALWAYS AS (md5(scheduler.make_of(inventory)::text)::uuid) STORED;
CREATE INDEX hosts_make ON scheduler.hosts (make_key);

-- Is it one of the refusals by which claims that meet are told apart? Any other one speaks of a fault.
CREATE FUNCTION scheduler.is_contention(violated text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT violated IN ('host_capacity_room', 'claimed_cpus_pkey', 'claimed_cpus_dedicated', 'cell_memory_room', 'host_resources_room', 'claims_group_rule')
$$;

-- As before, and: what else is violated is raised, and nothing of the call is done; and one by one means in the order of
-- their instances' ids, as every statement that writes claims goes.
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
    'hosts', (SELECT coalesce(jsonb_agg(to_jsonb(h) || jsonb_build_object('exact', scheduler.exact_usage(h.host_id))), '[]') FROM scheduler.host_capacity h WHERE h.host_id = ANY (hosts)));
END $$;
