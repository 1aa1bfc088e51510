-- Placement: exactly what of a host a claim takes: CPUs, pages, memory of cells, custom resources; and rules of groups.
-- As with plain amounts, each count follows from the claims by triggers, is refused from any other hand, and no claim can
-- raise it above its limit. The host's row in host_capacity is locked before anything here is looked at or written.

ALTER TABLE scheduler.hosts
  -- CPUs that guests get of their own, as the host reported them.
  ADD COLUMN dedicated_cpus integer[] NOT NULL DEFAULT '{}';
ALTER TABLE scheduler.host_capacity
  ADD COLUMN limit_pcpus integer NOT NULL DEFAULT 0,
  ADD COLUMN used_pcpus integer NOT NULL DEFAULT 0 CHECK (used_pcpus >= 0),
  -- Claims that take more than plain amounts: while there are none, nobody needs to look for what they take.
  ADD COLUMN used_exact integer NOT NULL DEFAULT 0 CHECK (used_exact >= 0);

-- What a layout says, counted. They read nothing but their argument. (In PL/pgSQL, whose plans are kept: a claim asks them often.)
CREATE FUNCTION scheduler.layout_cpus(layout jsonb) RETURNS integer[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN coalesce((SELECT array_agg((cpu #>> '{}')::integer) FROM jsonb_path_query(layout, '$.cells[*].pins[*].host') cpu), '{}')
    || CASE WHEN layout ->> 'emulatorCpu' IS NULL THEN '{}' ELSE ARRAY[(layout ->> 'emulatorCpu')::integer] END
    || coalesce((SELECT array_agg(cpu::integer) FROM jsonb_array_elements_text(layout -> 'idleCpus') cpu), '{}');
END $$;
CREATE FUNCTION scheduler.layout_vcpus(layout jsonb) RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN coalesce((SELECT sum(jsonb_array_length(cell -> 'floating')) FROM jsonb_array_elements(layout -> 'cells') cell), 0);
END $$;
CREATE FUNCTION scheduler.layout_memory_mib(layout jsonb) RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN coalesce((SELECT sum((cell ->> 'memoryMib')::integer) FROM jsonb_array_elements(layout -> 'cells') cell WHERE cell ->> 'pageKib' IS NULL), 0);
END $$;

ALTER TABLE scheduler.claims
  -- Null: the guest floats over the host's shared CPUs and its memory lies anywhere.
  ADD COLUMN layout jsonb,
  ADD COLUMN pcpus integer NOT NULL GENERATED ALWAYS AS (CASE WHEN layout IS NULL THEN 0 ELSE cardinality(scheduler.layout_cpus(layout)) END) STORED,
  -- Custom resource classes and how much of each; null: none.
  ADD COLUMN resources jsonb,
  -- The server group, its rule, and of anti-affinity how many of its members a host may have.
  ADD COLUMN group_id uuid,
  ADD COLUMN group_policy text CHECK (group_policy IN ('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity')),
  ADD COLUMN group_max integer NOT NULL DEFAULT 1 CHECK (group_max > 0),
  ADD CONSTRAINT claims_group CHECK ((group_id IS NULL) = (group_policy IS NULL)),
  DROP CONSTRAINT claims_check1,
  -- A claim takes what its layout says, neither more nor less.
  ADD CONSTRAINT claims_live CHECK (host_id IS NULL OR (project_id IS NOT NULL AND CASE
    WHEN layout IS NULL OR layout -> 'cells' = '[]' THEN vcpus > 0 AND memory_mib > 0
    ELSE vcpus + pcpus > 0 AND vcpus = scheduler.layout_vcpus(layout) AND memory_mib = scheduler.layout_memory_mib(layout) END));
CREATE INDEX claims_group ON scheduler.claims (group_id, host_id) WHERE group_id IS NOT NULL AND host_id IS NOT NULL;

-- Each dedicated CPU of a host has one owner at most.
CREATE TABLE scheduler.claimed_cpus (
  host_id uuid NOT NULL, cpu integer NOT NULL, instance_id uuid NOT NULL, purpose text NOT NULL,
  PRIMARY KEY (host_id, cpu)
);
CREATE FUNCTION scheduler.guard_claimed_cpus() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'claimed CPUs follow from claims' USING ERRCODE = 'check_violation', CONSTRAINT = 'claimed_cpus_usage';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER guard_claimed_cpus BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON scheduler.claimed_cpus FOR EACH STATEMENT EXECUTE FUNCTION scheduler.guard_claimed_cpus();

-- Memory of a host's cells by the size of its pages, 4 KiB standing for ordinary ones. Guests that are bound to no cell do not count here.
CREATE TABLE scheduler.cell_memory (
  host_id uuid NOT NULL REFERENCES scheduler.host_capacity ON DELETE CASCADE, cell integer NOT NULL, page_kib integer NOT NULL CHECK (page_kib > 0),
  amount bigint NOT NULL DEFAULT 0, used bigint NOT NULL DEFAULT 0 CHECK (used >= 0 AND used % page_kib = 0),
  PRIMARY KEY (host_id, cell, page_kib)
) WITH (fillfactor = 70);
COMMENT ON COLUMN scheduler.cell_memory.amount IS 'KiB';
COMMENT ON COLUMN scheduler.cell_memory.used IS 'KiB';
-- Custom resource classes of a host.
CREATE TABLE scheduler.host_resources (
  host_id uuid NOT NULL REFERENCES scheduler.host_capacity ON DELETE CASCADE, class text NOT NULL,
  amount bigint NOT NULL DEFAULT 0, used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
  PRIMARY KEY (host_id, class)
) WITH (fillfactor = 70);
CREATE FUNCTION scheduler.guard_amount() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 AND (CASE TG_OP WHEN 'INSERT' THEN NEW.used <> 0 WHEN 'DELETE' THEN OLD.used <> 0 ELSE NEW.used <> OLD.used OR NEW.host_id <> OLD.host_id END) THEN
    RAISE EXCEPTION 'usage of host % follows from its claims', coalesce(NEW.host_id, OLD.host_id) USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_usage';
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  IF NEW.used > NEW.amount AND (TG_OP = 'INSERT' OR NEW.used > OLD.used) AND current_setting('skylite.adopting', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION 'host % has no room for this claim', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_room';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_cell_memory BEFORE INSERT OR UPDATE OR DELETE ON scheduler.cell_memory FOR EACH ROW EXECUTE FUNCTION scheduler.guard_amount();
CREATE TRIGGER guard_host_resources BEFORE INSERT OR UPDATE OR DELETE ON scheduler.host_resources FOR EACH ROW EXECUTE FUNCTION scheduler.guard_amount();

CREATE OR REPLACE FUNCTION scheduler.guard_capacity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.used_vcpus + NEW.used_memory_mib + NEW.used_disk_gib + NEW.used_instances + NEW.used_pcpus + NEW.used_exact <> 0 THEN
      RAISE EXCEPTION 'host % starts without usage', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_usage';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.used_vcpus <> OLD.used_vcpus OR NEW.used_memory_mib <> OLD.used_memory_mib OR NEW.used_disk_gib <> OLD.used_disk_gib
     OR NEW.used_instances <> OLD.used_instances OR NEW.used_pcpus <> OLD.used_pcpus OR NEW.used_exact <> OLD.used_exact THEN
    IF pg_trigger_depth() < 2 THEN
      RAISE EXCEPTION 'usage of host % follows from its claims', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_usage';
    END IF;
    IF current_setting('skylite.adopting', true) IS DISTINCT FROM 'on'
       AND ((NEW.used_vcpus > OLD.used_vcpus AND NEW.used_vcpus > NEW.limit_vcpus)
       OR (NEW.used_memory_mib > OLD.used_memory_mib AND NEW.used_memory_mib > NEW.limit_memory_mib)
       OR (NEW.used_disk_gib > OLD.used_disk_gib AND NEW.used_disk_gib > NEW.limit_disk_gib)
       OR (NEW.used_pcpus > OLD.used_pcpus AND NEW.used_pcpus > NEW.limit_pcpus)) THEN
      RAISE EXCEPTION 'host % has no room for this claim', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_room';
    END IF;
  END IF;
  NEW.version := OLD.version + 1;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;

-- What leaves and what comes of claims that take more than plain amounts, in one go, so that a claim that is renamed or moved
-- to another generation never counts twice. Called with the hosts' rows locked; each question below sees all that was
-- committed before that, and nobody can change its answer before the end of this transaction. Rows are found by their keys
-- one by one, by plans that are kept: making plans would take longer than all of it.
CREATE FUNCTION scheduler.count_exact(gone scheduler.claims[], added scheduler.claims[]) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  adopting boolean := current_setting('skylite.adopting', true) IS NOT DISTINCT FROM 'on';
  claim scheduler.claims;
  moved record;
  cpus integer[];
  dedicated integer[];
  had boolean;
BEGIN
  FOREACH claim IN ARRAY gone LOOP
    CONTINUE WHEN claim.pcpus = 0;
    DELETE FROM scheduler.claimed_cpus k WHERE k.host_id = claim.host_id AND k.cpu = ANY (scheduler.layout_cpus(claim.layout)) AND k.instance_id = claim.instance_id AND k.purpose = claim.purpose;
  END LOOP;
  FOREACH claim IN ARRAY added LOOP
    CONTINUE WHEN claim.pcpus = 0;
    cpus := scheduler.layout_cpus(claim.layout);
    IF adopting THEN
      INSERT INTO scheduler.claimed_cpus (host_id, cpu, instance_id, purpose) SELECT claim.host_id, cpu, claim.instance_id, claim.purpose FROM unnest(cpus) cpu ON CONFLICT DO NOTHING;
      CONTINUE;
    END IF;
    -- What it had already stays, whatever the host's operator thinks of it by now, and though adoption found another guest on it too:
    -- a move could never be ended else.
    had := EXISTS (SELECT FROM unnest(gone) g WHERE g.instance_id = claim.instance_id AND g.host_id = claim.host_id AND g.layout = claim.layout);
    IF had THEN
      INSERT INTO scheduler.claimed_cpus (host_id, cpu, instance_id, purpose) SELECT claim.host_id, cpu, claim.instance_id, claim.purpose FROM unnest(cpus) cpu ON CONFLICT DO NOTHING;
      CONTINUE;
    END IF;
    SELECT h.dedicated_cpus INTO dedicated FROM scheduler.hosts h WHERE h.id = claim.host_id;
    IF NOT cpus <@ dedicated THEN
      RAISE EXCEPTION 'of CPUs % of host % not all are dedicated', cpus, claim.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'claimed_cpus_dedicated';
    END IF;
    INSERT INTO scheduler.claimed_cpus (host_id, cpu, instance_id, purpose) SELECT claim.host_id, cpu, claim.instance_id, claim.purpose FROM unnest(cpus) cpu;
  END LOOP;
  -- Hosts that were adopted may have given one CPU to two guests: when the one leaves, it is the other's.
  FOREACH claim IN ARRAY gone LOOP
    CONTINUE WHEN claim.pcpus = 0 OR (SELECT h.used_pcpus FROM scheduler.host_capacity h WHERE h.host_id = claim.host_id) <= (SELECT count(*) FROM scheduler.claimed_cpus k WHERE k.host_id = claim.host_id);
    INSERT INTO scheduler.claimed_cpus (host_id, cpu, instance_id, purpose)
      SELECT c.host_id, cpu, c.instance_id, c.purpose FROM scheduler.claims c, unnest(scheduler.layout_cpus(c.layout)) cpu WHERE c.host_id = claim.host_id AND c.pcpus > 0 ON CONFLICT DO NOTHING;
  END LOOP;

  FOR moved IN
    SELECT host_id, "hostCell" AS cell, coalesce("pageKib", 4) AS page_kib, sum(kib)::bigint AS kib FROM (
      SELECT a.host_id, c."hostCell", c."pageKib", c."memoryMib" * 1024 AS kib FROM unnest(added) a, jsonb_to_recordset(a.layout -> 'cells') AS c("hostCell" integer, "memoryMib" bigint, "pageKib" integer)
      UNION ALL
      SELECT g.host_id, c."hostCell", c."pageKib", c."memoryMib" * -1024 FROM unnest(gone) g, jsonb_to_recordset(g.layout -> 'cells') AS c("hostCell" integer, "memoryMib" bigint, "pageKib" integer)
    ) each GROUP BY 1, 2, 3
  LOOP
    CONTINUE WHEN moved.kib = 0;
    UPDATE scheduler.cell_memory m SET used = m.used + moved.kib WHERE m.host_id = moved.host_id AND m.cell = moved.cell AND m.page_kib = moved.page_kib;
    IF NOT FOUND THEN
      INSERT INTO scheduler.cell_memory (host_id, cell, page_kib, used) VALUES (moved.host_id, moved.cell, moved.page_kib, moved.kib);
    END IF;
  END LOOP;
  FOR moved IN
    SELECT host_id, class, sum(amount)::bigint AS amount FROM (
      SELECT a.host_id, r.key AS class, r.value::bigint AS amount FROM unnest(added) a, jsonb_each_text(a.resources) r
      UNION ALL SELECT g.host_id, r.key, -r.value::bigint FROM unnest(gone) g, jsonb_each_text(g.resources) r
    ) each GROUP BY 1, 2
  LOOP
    CONTINUE WHEN moved.amount = 0;
    UPDATE scheduler.host_resources m SET used = m.used + moved.amount WHERE m.host_id = moved.host_id AND m.class = moved.class;
    IF NOT FOUND THEN
      INSERT INTO scheduler.host_resources (host_id, class, used) VALUES (moved.host_id, moved.class, moved.amount);
    END IF;
  END LOOP;

  IF adopting THEN RETURN; END IF;
  -- Members of a group with affinity may come at the same moment, to hosts that do not meet on any row.
  PERFORM scheduler.lock_groups(array(SELECT a.group_id FROM unnest(added) a WHERE a.group_policy = 'affinity'));
  FOREACH claim IN ARRAY added LOOP
    CONTINUE WHEN claim.group_id IS NULL OR claim.group_policy NOT IN ('affinity', 'anti-affinity') OR claim.purpose NOT IN ('run', 'move')
      OR EXISTS (SELECT FROM unnest(gone) g WHERE g.instance_id = claim.instance_id AND g.host_id = claim.host_id AND g.group_id = claim.group_id AND g.purpose IN ('run', 'move'));
    IF (claim.group_policy = 'anti-affinity' AND (SELECT count(DISTINCT c.instance_id) FROM scheduler.claims c WHERE c.group_id = claim.group_id AND c.host_id = claim.host_id AND c.purpose IN ('run', 'move')) > claim.group_max)
      -- Who is left on a fenced host hinders nobody: its group could never leave it.
      OR (claim.group_policy = 'affinity' AND EXISTS (SELECT FROM scheduler.claims c JOIN scheduler.hosts h ON h.id = c.host_id
        WHERE c.group_id = claim.group_id AND c.host_id <> claim.host_id AND c.instance_id <> claim.instance_id AND c.purpose IN ('run', 'move') AND h.fenced_at IS NULL)
        -- A group that is torn already (a fenced host was taken back, or it was adopted so) goes on where members stand that go
        -- nowhere, and do not only come there with this very claim.
        AND NOT EXISTS (SELECT FROM scheduler.claims c WHERE c.group_id = claim.group_id AND c.host_id = claim.host_id AND c.purpose IN ('run', 'move')
          AND c.instance_id NOT IN (SELECT a.instance_id FROM unnest(added) a)
          AND NOT EXISTS (SELECT FROM scheduler.claims o JOIN scheduler.hosts h ON h.id = o.host_id
            WHERE o.instance_id = c.instance_id AND o.group_id = claim.group_id AND o.host_id <> claim.host_id AND o.purpose IN ('run', 'move') AND h.fenced_at IS NULL))) THEN
      RAISE EXCEPTION 'group % (%) does not allow host %', claim.group_id, claim.group_policy, claim.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_group_rule';
    END IF;
  END LOOP;
END $$;
-- Until the end of the transaction, always in the same order, and always after hosts' rows.
CREATE FUNCTION scheduler.lock_groups(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF ids = '{}' THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(id::text, 4) AS key FROM unnest(ids) id ORDER BY 1) keys;
END $$;

CREATE OR REPLACE FUNCTION scheduler.claims_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE exact scheduler.claims[];
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus + d.vcpus, used_memory_mib = c.used_memory_mib + d.memory_mib, used_pcpus = c.used_pcpus + d.pcpus,
      used_disk_gib = c.used_disk_gib + d.disk_gib, used_instances = c.used_instances + d.instances, used_exact = c.used_exact + d.exact
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, sum(pcpus) AS pcpus, count(*) AS instances,
          count(*) FILTER (WHERE layout IS NOT NULL OR resources IS NOT NULL) AS exact
        FROM added WHERE host_id IS NOT NULL GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  SELECT array_agg(ROW(a.*)::scheduler.claims) INTO exact FROM added a WHERE host_id IS NOT NULL AND (layout IS NOT NULL OR resources IS NOT NULL OR group_id IS NOT NULL);
  IF exact IS NOT NULL THEN PERFORM scheduler.count_exact('{}', exact); END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION scheduler.claims_gone() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE exact scheduler.claims[];
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus - d.vcpus, used_memory_mib = c.used_memory_mib - d.memory_mib, used_pcpus = c.used_pcpus - d.pcpus,
      used_disk_gib = c.used_disk_gib - d.disk_gib, used_instances = c.used_instances - d.instances, used_exact = c.used_exact - d.exact
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, sum(pcpus) AS pcpus, count(*) AS instances,
          count(*) FILTER (WHERE layout IS NOT NULL OR resources IS NOT NULL) AS exact
        FROM gone WHERE host_id IS NOT NULL GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  SELECT array_agg(ROW(g.*)::scheduler.claims) INTO exact FROM gone g WHERE host_id IS NOT NULL AND (layout IS NOT NULL OR resources IS NOT NULL);
  IF exact IS NOT NULL THEN PERFORM scheduler.count_exact(exact, '{}'); END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION scheduler.claims_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  was scheduler.claims[];
  becomes scheduler.claims[];
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus + d.vcpus, used_memory_mib = c.used_memory_mib + d.memory_mib, used_pcpus = c.used_pcpus + d.pcpus,
      used_disk_gib = c.used_disk_gib + d.disk_gib, used_instances = c.used_instances + d.instances, used_exact = c.used_exact + d.exact
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, sum(pcpus) AS pcpus, sum(instances) AS instances, sum(exact) AS exact
        FROM (SELECT host_id, vcpus, memory_mib, disk_gib, pcpus, 1 AS instances, (layout IS NOT NULL OR resources IS NOT NULL)::integer AS exact FROM added WHERE host_id IS NOT NULL
              UNION ALL SELECT host_id, -vcpus, -memory_mib, -disk_gib, -pcpus, -1, -(layout IS NOT NULL OR resources IS NOT NULL)::integer FROM gone WHERE host_id IS NOT NULL) moved
        GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  SELECT array_agg(ROW(g.*)::scheduler.claims) INTO was FROM gone g WHERE host_id IS NOT NULL AND (layout IS NOT NULL OR resources IS NOT NULL OR group_id IS NOT NULL);
  SELECT array_agg(ROW(a.*)::scheduler.claims) INTO becomes FROM added a WHERE host_id IS NOT NULL AND (layout IS NOT NULL OR resources IS NOT NULL OR group_id IS NOT NULL);
  IF was IS NOT NULL OR becomes IS NOT NULL THEN PERFORM scheduler.count_exact(coalesce(was, '{}'), coalesce(becomes, '{}')); END IF;
  RETURN NULL;
END $$;

-- What claims on a host take besides plain amounts, as the feed says it.
CREATE FUNCTION scheduler.exact_usage(host uuid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN jsonb_build_object(
    'cpus', (SELECT coalesce(jsonb_agg(cpu ORDER BY cpu), '[]') FROM scheduler.claimed_cpus WHERE host_id = host),
    'cells', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', cell, 'memoryMib', memory_mib, 'pages', pages) ORDER BY cell), '[]') FROM (
      SELECT cell, coalesce(sum(used) FILTER (WHERE page_kib = 4), 0) / 1024 AS memory_mib,
        coalesce(jsonb_agg(jsonb_build_object('kib', page_kib, 'used', used / page_kib) ORDER BY page_kib) FILTER (WHERE page_kib <> 4), '[]') AS pages
      FROM scheduler.cell_memory WHERE host_id = host AND used > 0 GROUP BY cell) cells),
    'resources', (SELECT coalesce(jsonb_object_agg(class, used), '{}') FROM scheduler.host_resources WHERE host_id = host AND used > 0));
END $$;

-- Takes claims that need more than plain amounts: all at once, or, when the constraints above refuse that, one after the
-- other, leaving out what they refuse. First come the locks, so that every claim is judged by what is there now.
-- wanted: [{instanceId, purpose, generation, hostId (null: only look), projectId, vcpus, memoryMib, diskGib, layout, resources, groupId, groupPolicy, groupMax}]
-- Answers the claims (or tombstones) that stand afterwards, in the order of the wanted, and how their hosts stand.
CREATE FUNCTION scheduler.claim_exactly(wanted jsonb) RETURNS jsonb LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  hosts uuid[] := array(SELECT DISTINCT (w ->> 'hostId')::uuid FROM jsonb_array_elements(wanted) w WHERE w ->> 'hostId' IS NOT NULL);
  want jsonb;
BEGIN
  PERFORM FROM scheduler.host_capacity WHERE host_id = ANY (hosts) ORDER BY host_id FOR NO KEY UPDATE;
  PERFORM scheduler.lock_groups(array(SELECT (w ->> 'groupId')::uuid FROM jsonb_array_elements(wanted) w WHERE w ->> 'groupPolicy' = 'affinity'));
  BEGIN
    PERFORM scheduler.insert_exactly(wanted);
  EXCEPTION WHEN check_violation OR unique_violation THEN
    FOR want IN SELECT * FROM jsonb_array_elements(wanted) LOOP
      BEGIN
        PERFORM scheduler.insert_exactly(jsonb_build_array(want));
      EXCEPTION WHEN check_violation OR unique_violation THEN NULL;
      END;
    END LOOP;
  END;
  RETURN jsonb_build_object(
    'taken', (SELECT jsonb_agg(jsonb_build_object('generation', c.generation, 'hostId', c.host_id, 'layout', c.layout, 'hostName', h.name, 'availabilityZone', h.availability_zone) ORDER BY w.place)
      FROM jsonb_array_elements(wanted) WITH ORDINALITY AS w(want, place)
      LEFT JOIN scheduler.claims c ON c.instance_id = (w.want ->> 'instanceId')::uuid AND c.purpose = w.want ->> 'purpose' LEFT JOIN scheduler.hosts h ON h.id = c.host_id),
    'hosts', (SELECT coalesce(jsonb_agg(to_jsonb(h) || jsonb_build_object('exact', scheduler.exact_usage(h.host_id))), '[]') FROM scheduler.host_capacity h WHERE h.host_id = ANY (hosts)));
END $$;
CREATE FUNCTION scheduler.insert_exactly(wanted jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO scheduler.claims AS c (instance_id, purpose, generation, host_id, project_id, vcpus, memory_mib, disk_gib, layout, resources, group_id, group_policy, group_max)
  SELECT w."instanceId", w.purpose, w.generation, h.host_id, w."projectId", w.vcpus, w."memoryMib", w."diskGib", w.layout, w.resources, w."groupId", w."groupPolicy", coalesce(w."groupMax", 1)
  FROM jsonb_to_recordset(wanted) AS w("instanceId" uuid, purpose text, generation integer, "hostId" uuid, "projectId" text,
      vcpus integer, "memoryMib" integer, "diskGib" integer, layout jsonb, resources jsonb, "groupId" uuid, "groupPolicy" text, "groupMax" integer)
    JOIN scheduler.host_capacity h ON h.host_id = w."hostId" AND h.host_id = ANY (array(SELECT (one ->> 'hostId')::uuid FROM jsonb_array_elements(wanted) one))
  WHERE h.enabled AND w.vcpus <= h.largest_vcpus AND w."memoryMib" <= h.largest_memory_mib
  ORDER BY w."instanceId"
  ON CONFLICT (instance_id, purpose) DO UPDATE
    SET generation = excluded.generation, host_id = excluded.host_id, project_id = excluded.project_id, vcpus = excluded.vcpus, memory_mib = excluded.memory_mib, disk_gib = excluded.disk_gib,
      layout = excluded.layout, resources = excluded.resources, group_id = excluded.group_id, group_policy = excluded.group_policy, group_max = excluded.group_max,
      created_at = now(), released_at = NULL, released_from = NULL
    WHERE c.host_id IS NULL AND c.generation < excluded.generation;
END $$;

-- Servers: what of its host is claimed for one, and what its scheduler hints wished.
ALTER TABLE compute.instances ADD COLUMN layout jsonb, ADD COLUMN hints jsonb;
-- Of a move: what the source gave, for the way back; and what the destination gave, from the claim until it is settled.
ALTER TABLE compute.migrations ADD COLUMN old_layout jsonb, ADD COLUMN new_layout jsonb;

-- Aggregates: hosts under a name, with metadata that filters read; one that has an availability zone gives it to its hosts.
CREATE TABLE scheduler.aggregates (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, uuid uuid NOT NULL UNIQUE, name text NOT NULL UNIQUE,
  metadata jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz
);
CREATE TABLE scheduler.aggregate_hosts (
  aggregate_id integer NOT NULL REFERENCES scheduler.aggregates ON DELETE CASCADE, host_id uuid NOT NULL REFERENCES scheduler.hosts ON DELETE CASCADE,
  PRIMARY KEY (aggregate_id, host_id)
);
CREATE INDEX aggregate_hosts_host ON scheduler.aggregate_hosts (host_id);
-- One row: changes of aggregates take turns on it, and those who look see that something changed.
CREATE TABLE scheduler.aggregate_changes (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL DEFAULT 1);
INSERT INTO scheduler.aggregate_changes DEFAULT VALUES;
-- The zone that a host has while no aggregate gives it one.
ALTER TABLE scheduler.hosts ADD COLUMN home_zone text, ADD COLUMN home_only_when_asked boolean;
UPDATE scheduler.hosts SET home_zone = availability_zone, home_only_when_asked = only_when_asked;
ALTER TABLE scheduler.hosts ALTER COLUMN home_zone SET NOT NULL, ALTER COLUMN home_only_when_asked SET NOT NULL;
CREATE FUNCTION scheduler.host_comes_home() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.home_zone := coalesce(NEW.home_zone, NEW.availability_zone);
  NEW.home_only_when_asked := coalesce(NEW.home_only_when_asked, NEW.only_when_asked);
  RETURN NEW;
END $$;
CREATE TRIGGER host_comes_home BEFORE INSERT ON scheduler.hosts FOR EACH ROW EXECUTE FUNCTION scheduler.host_comes_home();

-- Members of groups that were placed before claims knew of groups count from now on, also where a rule is broken by them.
SELECT set_config('skylite.adopting', 'on', true);
UPDATE scheduler.claims c SET group_id = g.id, group_policy = g.policy, group_max = coalesce(g.max_server_per_host, 1)
FROM compute.instances i JOIN compute.server_groups g ON g.id = i.group_id WHERE i.id = c.instance_id AND c.host_id IS NOT NULL;
SELECT set_config('skylite.adopting', 'off', true);
