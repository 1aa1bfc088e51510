-- The first slice: one Postgres schema per owning app. Roles app_<schema> get rights on their own schema only
-- (granted by libs/db after migrating; see prisma/ownership.json).
-- Rows that feeds read carry the transaction id of their last change: sequence numbers are not commit order,
-- a reader goes up to pg_snapshot_xmin and never skips a row that commits late.

CREATE SCHEMA control;
CREATE SCHEMA identity;
CREATE SCHEMA image;
CREATE SCHEMA scheduler;
CREATE SCHEMA compute;

-- control: which cloud and cell this is. Restoring a database raises the incarnation.
CREATE TABLE control.cell (
  cell_id      text PRIMARY KEY,
  cloud_id     uuid NOT NULL,
  incarnation  integer NOT NULL DEFAULT 1,
  created_at   timestamptz NOT NULL DEFAULT now()
);

-- identity ---------------------------------------------------------------------------------------------------
CREATE TABLE identity.domains (
  id text PRIMARY KEY, name text NOT NULL UNIQUE, description text NOT NULL DEFAULT '', enabled boolean NOT NULL DEFAULT true,
  generation bigint NOT NULL DEFAULT 1, created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE identity.projects (
  id text PRIMARY KEY, domain_id text NOT NULL REFERENCES identity.domains, name text NOT NULL, description text NOT NULL DEFAULT '',
  enabled boolean NOT NULL DEFAULT true, parent_id text, is_domain boolean NOT NULL DEFAULT false,
  tags text[] NOT NULL DEFAULT '{}', options jsonb NOT NULL DEFAULT '{}',
  generation bigint NOT NULL DEFAULT 1, created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (domain_id, name)
);
CREATE TABLE identity.users (
  id text PRIMARY KEY, domain_id text NOT NULL REFERENCES identity.domains, name text NOT NULL, password_hash text,
  enabled boolean NOT NULL DEFAULT true, email text, description text, default_project_id text,
  password_expires_at timestamptz, options jsonb NOT NULL DEFAULT '{}',
  generation bigint NOT NULL DEFAULT 1, created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (domain_id, name)
);
CREATE TABLE identity.roles (
  id text PRIMARY KEY, name text NOT NULL, domain_id text, description text, options jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX roles_name ON identity.roles (name, coalesce(domain_id, ''));
CREATE TABLE identity.role_assignments (
  user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
  project_id text NOT NULL REFERENCES identity.projects ON DELETE CASCADE,
  role_id text NOT NULL REFERENCES identity.roles ON DELETE CASCADE,
  PRIMARY KEY (user_id, project_id, role_id)
);
CREATE INDEX role_assignments_project ON identity.role_assignments (project_id);
-- Ed25519 keys that sign tokens; the newest that is active signs, all that are not retired verify.
CREATE TABLE identity.signing_keys (
  kid text PRIMARY KEY, private_jwk jsonb NOT NULL, public_jwk jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(), retired_at timestamptz
);
-- A project's limits; absent keys take the defaults, -1 means none. The generation lets owners of resources keep a checked copy.
CREATE TABLE identity.project_limits (
  project_id text PRIMARY KEY REFERENCES identity.projects ON DELETE CASCADE,
  limits jsonb NOT NULL DEFAULT '{}', generation bigint NOT NULL DEFAULT 1
);

-- image ------------------------------------------------------------------------------------------------------
CREATE TABLE image.images (
  id uuid PRIMARY KEY, cell_id text NOT NULL, owner text NOT NULL, name text,
  status text NOT NULL CHECK (status IN ('queued', 'saving', 'active', 'killed', 'deleted')),
  visibility text NOT NULL CHECK (visibility IN ('public', 'private', 'shared', 'community')),
  disk_format text, container_format text,
  size_bytes bigint, virtual_size_bytes bigint, md5 text, sha512 text,
  min_disk_gib integer NOT NULL DEFAULT 0, min_ram_mib integer NOT NULL DEFAULT 0,
  protected boolean NOT NULL DEFAULT false, os_hidden boolean NOT NULL DEFAULT false,
  tags text[] NOT NULL DEFAULT '{}', properties jsonb NOT NULL DEFAULT '{}',
  -- Where the bytes are, relative to the store; the upload under way. Whoever receives it renews upload_beat_at;
  -- one that went silent is put back to queued, and its bytes are swept.
  location text, upload_id uuid, upload_started_at timestamptz, upload_beat_at timestamptz,
  generation bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz
);
CREATE INDEX images_list ON image.images (created_at DESC, id DESC) WHERE status <> 'deleted';
CREATE INDEX images_owner ON image.images (owner) WHERE status <> 'deleted';
CREATE INDEX images_name ON image.images (name) WHERE status <> 'deleted';
CREATE INDEX images_saving ON image.images (upload_beat_at) WHERE status = 'saving';

-- scheduler --------------------------------------------------------------------------------------------------
-- A host has three rows, by how often they are written: who it is (seldom), what is claimed of it (with every claim),
-- when it was last heard (every few seconds).
CREATE TABLE scheduler.hosts (
  id uuid PRIMARY KEY, cell_id text NOT NULL,
  number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
  name text NOT NULL UNIQUE, availability_zone text NOT NULL, only_when_asked boolean NOT NULL DEFAULT false,
  public_nkey text NOT NULL UNIQUE, simulated boolean NOT NULL,
  disabled_reason text,
  -- Rises with every fence; reports of another epoch do not count.
  epoch integer NOT NULL DEFAULT 1,
  boot_id text, protocol integer, agent_version text, capabilities text[] NOT NULL DEFAULT '{}',
  inventory jsonb, inventory_generation bigint NOT NULL DEFAULT 0,
  cpu_ratio double precision NOT NULL CHECK (cpu_ratio > 0),
  ram_ratio double precision NOT NULL CHECK (ram_ratio > 0),
  disk_ratio double precision NOT NULL CHECK (disk_ratio > 0),
  generation bigint NOT NULL DEFAULT 1, changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX hosts_changed ON scheduler.hosts (changed_xid);
CREATE FUNCTION scheduler.host_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.generation := OLD.generation + 1;
  NEW.changed_xid := pg_current_xact_id();
  NEW.updated_at := now();
  RETURN NEW;
END $$;
CREATE TRIGGER host_changed BEFORE UPDATE ON scheduler.hosts FOR EACH ROW EXECUTE FUNCTION scheduler.host_changed();

-- Limits come from inventory and ratios. Usage is the sum of the host's claims and nothing else: triggers keep it, and
-- refuse it from any other hand. It may exceed a limit (a host that shrank); no claim can make it so.
CREATE TABLE scheduler.host_capacity (
  host_id uuid PRIMARY KEY REFERENCES scheduler.hosts,
  enabled boolean NOT NULL DEFAULT true,
  limit_vcpus integer NOT NULL DEFAULT 0, limit_memory_mib integer NOT NULL DEFAULT 0, limit_disk_gib integer NOT NULL DEFAULT 0,
  -- The most one claim may take: overcommitment never makes a guest larger than its host.
  largest_vcpus integer NOT NULL DEFAULT 0, largest_memory_mib integer NOT NULL DEFAULT 0,
  used_vcpus integer NOT NULL DEFAULT 0 CHECK (used_vcpus >= 0),
  used_memory_mib integer NOT NULL DEFAULT 0 CHECK (used_memory_mib >= 0),
  used_disk_gib integer NOT NULL DEFAULT 0 CHECK (used_disk_gib >= 0),
  used_instances integer NOT NULL DEFAULT 0 CHECK (used_instances >= 0),
  version bigint NOT NULL DEFAULT 1, changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id()
) WITH (fillfactor = 70);
CREATE INDEX host_capacity_changed ON scheduler.host_capacity (changed_xid);
CREATE FUNCTION scheduler.guard_capacity() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF (NEW.used_vcpus > OLD.used_vcpus AND NEW.used_vcpus > NEW.limit_vcpus)
       OR (NEW.used_memory_mib > OLD.used_memory_mib AND NEW.used_memory_mib > NEW.limit_memory_mib)
       OR (NEW.used_disk_gib > OLD.used_disk_gib AND NEW.used_disk_gib > NEW.limit_disk_gib) THEN
      RAISE EXCEPTION 'host % has no room for this claim', NEW.host_id USING ERRCODE = 'check_violation', CONSTRAINT = 'host_capacity_room';
    END IF;
  END IF;
  NEW.version := OLD.version + 1;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER guard_capacity BEFORE INSERT OR UPDATE ON scheduler.host_capacity FOR EACH ROW EXECUTE FUNCTION scheduler.guard_capacity();

-- When a host was last heard. Written in batches, unindexed but for its key, so that a beat costs next to nothing.
CREATE TABLE scheduler.host_beats (
  host_id uuid PRIMARY KEY REFERENCES scheduler.hosts ON DELETE CASCADE,
  hypervisor_up boolean NOT NULL DEFAULT false, last_seen_at timestamptz
) WITH (fillfactor = 50);

-- A claim and the tombstone it leaves are one row, so that a late claim and a release of the same instance always meet
-- on it, whatever either could see when it began. A claim at or below a tombstone's generation is a zombie's.
-- The purpose lets a move hold two claims later, and release exactly one.
CREATE TABLE scheduler.claims (
  instance_id uuid NOT NULL, purpose text NOT NULL DEFAULT 'run', generation integer NOT NULL,
  host_id uuid REFERENCES scheduler.host_capacity, project_id text,
  vcpus integer NOT NULL DEFAULT 0 CHECK (vcpus >= 0), memory_mib integer NOT NULL DEFAULT 0 CHECK (memory_mib >= 0),
  disk_gib integer NOT NULL DEFAULT 0 CHECK (disk_gib >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Set: this is a tombstone; the host it was freed from is kept for people who look.
  released_at timestamptz, released_from uuid,
  PRIMARY KEY (instance_id, purpose),
  CHECK ((host_id IS NULL) = (released_at IS NOT NULL)),
  CHECK (host_id IS NULL OR (vcpus > 0 AND memory_mib > 0 AND project_id IS NOT NULL))
);
CREATE INDEX claims_host ON scheduler.claims (host_id) WHERE host_id IS NOT NULL;
CREATE INDEX claims_tombstones ON scheduler.claims (released_at) WHERE released_at IS NOT NULL;
CREATE FUNCTION scheduler.claims_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus + d.vcpus, used_memory_mib = c.used_memory_mib + d.memory_mib,
      used_disk_gib = c.used_disk_gib + d.disk_gib, used_instances = c.used_instances + d.instances
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, count(*) AS instances
        FROM added WHERE host_id IS NOT NULL GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  RETURN NULL;
END $$;
CREATE FUNCTION scheduler.claims_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus - d.vcpus, used_memory_mib = c.used_memory_mib - d.memory_mib,
      used_disk_gib = c.used_disk_gib - d.disk_gib, used_instances = c.used_instances - d.instances
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, count(*) AS instances
        FROM gone WHERE host_id IS NOT NULL GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  RETURN NULL;
END $$;
CREATE FUNCTION scheduler.claims_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE scheduler.host_capacity c
  SET used_vcpus = c.used_vcpus + d.vcpus, used_memory_mib = c.used_memory_mib + d.memory_mib,
      used_disk_gib = c.used_disk_gib + d.disk_gib, used_instances = c.used_instances + d.instances
  FROM (SELECT host_id, sum(vcpus) AS vcpus, sum(memory_mib) AS memory_mib, sum(disk_gib) AS disk_gib, sum(instances) AS instances
        FROM (SELECT host_id, vcpus, memory_mib, disk_gib, 1 AS instances FROM added WHERE host_id IS NOT NULL
              UNION ALL SELECT host_id, -vcpus, -memory_mib, -disk_gib, -1 FROM gone WHERE host_id IS NOT NULL) moved
        GROUP BY host_id) d
  WHERE c.host_id = d.host_id;
  RETURN NULL;
END $$;
CREATE TRIGGER claims_added AFTER INSERT ON scheduler.claims REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION scheduler.claims_added();
CREATE TRIGGER claims_changed AFTER UPDATE ON scheduler.claims REFERENCING OLD TABLE AS gone NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION scheduler.claims_changed();
CREATE TRIGGER claims_gone AFTER DELETE ON scheduler.claims REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION scheduler.claims_gone();

CREATE TABLE scheduler.enrol_tokens (
  token_hash text PRIMARY KEY, availability_zone text NOT NULL, only_when_asked boolean NOT NULL, simulated boolean NOT NULL,
  created_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL,
  used_at timestamptz, used_by_host uuid
);
CREATE INDEX enrol_tokens_age ON scheduler.enrol_tokens (expires_at);

-- What people and machines did to hosts, in the transaction in which it happened: the audit of this schema.
CREATE TABLE scheduler.host_events (
  id bigint GENERATED ALWAYS AS IDENTITY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT now(), host_id uuid,
  kind text NOT NULL, message text NOT NULL DEFAULT '', request_id text, user_id text,
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE scheduler.host_events_rest PARTITION OF scheduler.host_events DEFAULT;
CREATE INDEX host_events_host ON scheduler.host_events (host_id, at);

-- compute ----------------------------------------------------------------------------------------------------
CREATE TABLE compute.flavors (
  id text PRIMARY KEY, name text NOT NULL UNIQUE, vcpus integer NOT NULL CHECK (vcpus > 0), ram_mib integer NOT NULL CHECK (ram_mib > 0),
  disk_gib integer NOT NULL CHECK (disk_gib >= 0), ephemeral_gib integer NOT NULL DEFAULT 0, swap_mib integer NOT NULL DEFAULT 0,
  rxtx_factor real NOT NULL DEFAULT 1, is_public boolean NOT NULL DEFAULT true, disabled boolean NOT NULL DEFAULT false,
  description text, extra_specs jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE compute.keypairs (
  user_id text NOT NULL, name text NOT NULL, number integer GENERATED ALWAYS AS IDENTITY,
  type text NOT NULL CHECK (type IN ('ssh', 'x509')), fingerprint text NOT NULL, public_key text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, name)
);
-- The highest sequence in a host's feed of desired state. Taking the next one locks the row until commit,
-- so within one host the order of sequences is the order of commits.
-- epoch: the highest this service has heard of; reports of a lower one (a host fenced since) do not count.
CREATE TABLE compute.host_feeds (
  host_id uuid PRIMARY KEY, sequence bigint NOT NULL DEFAULT 0, epoch integer NOT NULL DEFAULT 0
);
CREATE TABLE compute.instances (
  id uuid PRIMARY KEY, cell_id text NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  project_id text NOT NULL, user_id text NOT NULL,
  name text NOT NULL, hostname text NOT NULL, description text, metadata jsonb NOT NULL DEFAULT '{}', tags text[] NOT NULL DEFAULT '{}',
  -- intent: what people want
  intent text NOT NULL CHECK (intent IN ('running', 'stopped', 'deleted')),
  generation bigint NOT NULL DEFAULT 1, spec_generation integer NOT NULL DEFAULT 1,
  reboot_count integer NOT NULL DEFAULT 0, reboot_type text NOT NULL DEFAULT 'soft' CHECK (reboot_type IN ('soft', 'hard')),
  -- spec: what is built (flavor and image as they were when asked for)
  flavor_id text NOT NULL, image_id uuid NOT NULL, spec jsonb NOT NULL,
  vcpus integer NOT NULL, ram_mib integer NOT NULL,
  key_name text, user_data text, config_drive boolean NOT NULL DEFAULT true,
  requested_zone text, requested_host text, reservation_id text NOT NULL, launch_index integer NOT NULL DEFAULT 0,
  locked boolean NOT NULL DEFAULT false,
  -- where: the claim, and the place in the host's feed
  host_id uuid, host_name text, availability_zone text, claim_generation integer, host_sequence bigint,
  -- A build that failed for good: its host is told `deleted`, the instance itself stays (in ERROR) without a host.
  withdrawn boolean NOT NULL DEFAULT false,
  -- step: what the instance loop is doing
  step text NOT NULL DEFAULT 'claim-host', waiting_for text, attempts integer NOT NULL DEFAULT 0,
  -- The deadline's clock: it advances only while everything needed was reachable; checked_at is when it was last wound.
  waited_ms bigint NOT NULL DEFAULT 0, checked_at timestamptz,
  last_error text, fault jsonb, placement jsonb,
  reconcile_at timestamptz DEFAULT now(), lease_owner text, lease_until timestamptz,
  -- observed: what the host saw last
  observed_state text, observed_generation bigint NOT NULL DEFAULT 0, observed_reboot_count integer NOT NULL DEFAULT 0,
  observed jsonb, observed_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  -- The request that changed the intent last: its repeat is answered, not performed again.
  last_request_id text,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
  launched_at timestamptz, terminated_at timestamptz, deleted_at timestamptz,
  CHECK ((host_id IS NULL) = (host_sequence IS NULL)), CHECK (host_id IS NULL OR claim_generation IS NOT NULL),
  CHECK (deleted_at IS NULL OR intent = 'deleted')
);
CREATE INDEX instances_due ON compute.instances (reconcile_at) WHERE reconcile_at IS NOT NULL;
CREATE INDEX instances_host_feed ON compute.instances (host_id, host_sequence) WHERE host_id IS NOT NULL;
CREATE INDEX instances_project ON compute.instances (project_id, created_at DESC, id DESC) WHERE intent <> 'deleted';
CREATE INDEX instances_all ON compute.instances (created_at DESC, id DESC) WHERE intent <> 'deleted';
CREATE INDEX instances_name ON compute.instances (project_id, name text_pattern_ops) WHERE intent <> 'deleted';
CREATE INDEX instances_updated ON compute.instances (updated_at);

-- What happened to an instance, in the transaction in which it happened; also the outbox of the event feed.
CREATE TABLE compute.instance_events (
  id bigint GENERATED ALWAYS AS IDENTITY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT now(), instance_id uuid NOT NULL, project_id text NOT NULL,
  kind text NOT NULL, message text NOT NULL DEFAULT '', request_id text, user_id text,
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE compute.instance_events_rest PARTITION OF compute.instance_events DEFAULT;
CREATE INDEX instance_events_instance ON compute.instance_events (instance_id, at);
CREATE INDEX instance_events_xid ON compute.instance_events (xid);
-- Domains that a host runs and nobody here asked for: shown, never touched.
CREATE TABLE compute.orphans (
  host_id uuid NOT NULL, domain_uuid uuid NOT NULL, name text NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(), last_seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (host_id, domain_uuid)
);
