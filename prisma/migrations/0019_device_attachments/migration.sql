-- Devices that come to a server and leave it while it is there. What is wanted of each stands with the server, as every level does; what is
-- held stands in the claim's layout, as every device does.

-- [{id, className, count, tag, vlan, numaPolicy, wanted, attached, reason, createdAt, devices}], in the order in which they were asked for.
ALTER TABLE compute.instances ADD COLUMN attachments jsonb NOT NULL DEFAULT '[]';

-- Attachments that were released: a claim for one of them that comes late is refused. They go when the claims' own tombstones do.
CREATE TABLE scheduler.released_attachments (attachment uuid PRIMARY KEY, instance_id uuid NOT NULL, released_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX released_attachments_at ON scheduler.released_attachments (released_at);

-- As in 0011, but for one comparison: a claim whose devices change keeps its CPUs unasked, as one that is renamed does.
CREATE OR REPLACE FUNCTION scheduler.count_exact(gone scheduler.claims[], added scheduler.claims[]) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
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
    had := EXISTS (SELECT FROM unnest(gone) g WHERE g.instance_id = claim.instance_id AND g.host_id = claim.host_id AND g.layout - 'devices' = claim.layout - 'devices');
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

-- How many devices of which class a server has or is to have besides its flavor's, for quotas: those that leave it count until they are given back.
CREATE FUNCTION compute.devices_attached(attachments jsonb) RETURNS TABLE (class text, count integer) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT a."className", sum(a.count)::integer FROM jsonb_to_recordset(attachments) AS a("className" text, count integer) GROUP BY 1
$$;
