-- Identity grows to Keystone v3: trees of projects, groups, implied roles, assignments on projects, domains and the system,
-- application credentials, an editable catalog, unified limits, revocations; and one audit trail for all services.

-- domains, projects, users -----------------------------------------------------------------------------------------
ALTER TABLE identity.domains ADD COLUMN options jsonb NOT NULL DEFAULT '{}', ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
CREATE INDEX projects_parent ON identity.projects (parent_id);
ALTER TABLE identity.users
  ADD COLUMN password_changed_at timestamptz NOT NULL DEFAULT now(),
  -- Hashes of earlier passwords, the latest first; only as many as the rules ask for.
  ADD COLUMN password_history text[] NOT NULL DEFAULT '{}',
  ADD COLUMN must_change_password boolean NOT NULL DEFAULT false,
  ADD COLUMN extra jsonb NOT NULL DEFAULT '{}';
ALTER TABLE identity.projects ADD COLUMN extra jsonb NOT NULL DEFAULT '{}';
-- What goes with a project, a role, a rule is found without reading the whole table.
CREATE INDEX users_default_project ON identity.users (default_project_id) WHERE default_project_id IS NOT NULL;

-- groups -------------------------------------------------------------------------------------------------------------
CREATE TABLE identity.groups (
  id text PRIMARY KEY, domain_id text NOT NULL REFERENCES identity.domains, name text NOT NULL, description text NOT NULL DEFAULT '',
  extra jsonb NOT NULL DEFAULT '{}', generation bigint NOT NULL DEFAULT 1, created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (domain_id, name)
);
CREATE TABLE identity.group_members (
  group_id text NOT NULL REFERENCES identity.groups ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
  PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user ON identity.group_members (user_id);

-- roles --------------------------------------------------------------------------------------------------------------
ALTER TABLE identity.roles
  ADD COLUMN extra jsonb NOT NULL DEFAULT '{}',
  ADD CONSTRAINT roles_domain FOREIGN KEY (domain_id) REFERENCES identity.domains ON DELETE CASCADE;
CREATE TABLE identity.implied_roles (
  prior_role_id text NOT NULL REFERENCES identity.roles ON DELETE CASCADE,
  implied_role_id text NOT NULL REFERENCES identity.roles ON DELETE CASCADE,
  PRIMARY KEY (prior_role_id, implied_role_id), CHECK (prior_role_id <> implied_role_id)
);
-- An assignment: a user or a group, on a project, a domain or the system, perhaps for the projects below (inherited).
ALTER TABLE identity.role_assignments
  DROP CONSTRAINT role_assignments_pkey,
  ALTER COLUMN user_id DROP NOT NULL,
  ALTER COLUMN project_id DROP NOT NULL,
  ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ADD COLUMN group_id text REFERENCES identity.groups ON DELETE CASCADE,
  ADD COLUMN domain_id text REFERENCES identity.domains ON DELETE CASCADE,
  ADD COLUMN system boolean NOT NULL DEFAULT false,
  ADD COLUMN inherited boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT role_assignments_actor CHECK (num_nonnulls(user_id, group_id) = 1),
  ADD CONSTRAINT role_assignments_target CHECK (num_nonnulls(project_id, domain_id) + system::integer = 1),
  ADD CONSTRAINT role_assignments_once UNIQUE NULLS NOT DISTINCT (user_id, group_id, project_id, domain_id, system, role_id, inherited);
CREATE INDEX role_assignments_role ON identity.role_assignments (role_id);
CREATE INDEX role_assignments_group ON identity.role_assignments (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX role_assignments_domain ON identity.role_assignments (domain_id) WHERE domain_id IS NOT NULL;

-- application credentials --------------------------------------------------------------------------------------------
CREATE TABLE identity.access_rules (
  id text PRIMARY KEY, user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
  service text NOT NULL, method text NOT NULL, path text NOT NULL, UNIQUE (user_id, service, method, path)
);
CREATE TABLE identity.application_credentials (
  id text PRIMARY KEY, user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE, project_id text NOT NULL REFERENCES identity.projects ON DELETE CASCADE,
  name text NOT NULL, description text, secret_hash text NOT NULL, expires_at timestamptz, unrestricted boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (user_id, name)
);
CREATE INDEX application_credentials_project ON identity.application_credentials (project_id);
CREATE TABLE identity.application_credential_roles (
  application_credential_id text NOT NULL REFERENCES identity.application_credentials ON DELETE CASCADE,
  role_id text NOT NULL REFERENCES identity.roles ON DELETE CASCADE, PRIMARY KEY (application_credential_id, role_id)
);
CREATE TABLE identity.application_credential_access_rules (
  application_credential_id text NOT NULL REFERENCES identity.application_credentials ON DELETE CASCADE,
  access_rule_id text NOT NULL REFERENCES identity.access_rules ON DELETE RESTRICT, PRIMARY KEY (application_credential_id, access_rule_id)
);

CREATE INDEX application_credential_roles_role ON identity.application_credential_roles (role_id);
CREATE INDEX application_credential_access_rules_rule ON identity.application_credential_access_rules (access_rule_id);

-- catalog ------------------------------------------------------------------------------------------------------------
CREATE TABLE identity.regions (
  id text PRIMARY KEY, description text NOT NULL DEFAULT '', parent_region_id text REFERENCES identity.regions, extra jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE identity.services (
  id text PRIMARY KEY, type text NOT NULL, name text, description text, enabled boolean NOT NULL DEFAULT true, extra jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
-- `url` may begin with $(public_url)s, which stands for the address by which the client came.
CREATE TABLE identity.endpoints (
  id text PRIMARY KEY, service_id text NOT NULL REFERENCES identity.services ON DELETE CASCADE, region_id text REFERENCES identity.regions,
  interface text NOT NULL CHECK (interface IN ('public', 'internal', 'admin')), url text NOT NULL, name text, description text,
  enabled boolean NOT NULL DEFAULT true, extra jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now()
);
-- What was seeded once is not seeded again, also when somebody deleted it since.
CREATE TABLE identity.seeded (what text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());

-- unified limits -----------------------------------------------------------------------------------------------------
CREATE TABLE identity.registered_limits (
  id text PRIMARY KEY, service_id text NOT NULL REFERENCES identity.services, region_id text REFERENCES identity.regions,
  resource_name text NOT NULL, default_limit bigint NOT NULL CHECK (default_limit >= -1), description text,
  created_at timestamptz NOT NULL DEFAULT now(), UNIQUE NULLS NOT DISTINCT (service_id, region_id, resource_name)
);
CREATE TABLE identity.limits (
  id text PRIMARY KEY, project_id text REFERENCES identity.projects ON DELETE CASCADE, domain_id text REFERENCES identity.domains ON DELETE CASCADE,
  registered_limit_id text NOT NULL REFERENCES identity.registered_limits ON DELETE RESTRICT,
  resource_limit bigint NOT NULL CHECK (resource_limit >= -1), description text, created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (num_nonnulls(project_id, domain_id) = 1), UNIQUE NULLS NOT DISTINCT (project_id, domain_id, registered_limit_id)
);
CREATE INDEX limits_domain ON identity.limits (domain_id) WHERE domain_id IS NOT NULL;
CREATE INDEX limits_registered ON identity.limits (registered_limit_id);
-- Rises with every change of limits: whoever keeps a copy sees that it is old.
CREATE TABLE identity.limits_generation (one boolean PRIMARY KEY DEFAULT true CHECK (one), generation bigint NOT NULL DEFAULT 1);
INSERT INTO identity.limits_generation DEFAULT VALUES;

-- What the quota store was before: its rows are taken over when the cloud is seeded, which knows the services they belong to.
COMMENT ON TABLE identity.project_limits IS 'taken over into identity.limits at the first start; empty since';
-- Of its project's limit, what a running upload has taken for itself before its bytes are there.
ALTER TABLE image.images ADD COLUMN upload_reserved_bytes bigint NOT NULL DEFAULT 0 CHECK (upload_reserved_bytes >= 0);

-- credentials (ec2, totp, cert, …); the blob is sealed, never stored plain ---------------------------------------------
CREATE TABLE identity.credentials (
  id text PRIMARY KEY, user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE, project_id text, type text NOT NULL, sealed_blob bytea NOT NULL, key_hash text NOT NULL,
  extra jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX credentials_user ON identity.credentials (user_id);
CREATE INDEX credentials_project ON identity.credentials (project_id) WHERE project_id IS NOT NULL;

-- revocations --------------------------------------------------------------------------------------------------------
-- Read in commit order up to pg_snapshot_xmin, as every feed is. Every column that is not null must match a token, which was
-- issued no later than `issued_before`. Rows go when no token of before can be alive any more.
CREATE TABLE identity.revocations (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  audit_id text, audit_chain_id text, user_id text, project_id text, domain_id text, role_id text, application_credential_id text,
  issued_before timestamptz NOT NULL DEFAULT clock_timestamp(), expires_at timestamptz NOT NULL, reason text NOT NULL DEFAULT '',
  CHECK (num_nonnulls(audit_id, audit_chain_id, user_id, project_id, domain_id, role_id, application_credential_id) > 0)
);
CREATE INDEX revocations_xid ON identity.revocations (xid, id);
CREATE INDEX revocations_expires ON identity.revocations (expires_at);
CREATE INDEX revocations_tokens_of_user ON identity.revocations (user_id) WHERE audit_id IS NOT NULL;
-- How long tokens lived that were made lately: revocations last as long.
CREATE TABLE identity.token_lifetimes (ttl_s integer PRIMARY KEY CHECK (ttl_s > 0), used_at timestamptz NOT NULL DEFAULT now());

-- Of the login that asked for a console what a revocation goes by: the console ends with it. Never a token.
ALTER TABLE compute.console_tickets ADD COLUMN login jsonb;

-- failed logins: how long an account or an address must wait; without failures: an account logged in from there lately -----
CREATE TABLE identity.login_failures (
  subject text PRIMARY KEY, failures integer NOT NULL DEFAULT 0, last_at timestamptz NOT NULL DEFAULT now(), blocked_until timestamptz
);
CREATE INDEX login_failures_last ON identity.login_failures (last_at);

-- The keys that sign: 'next' verifies only, 'active' signs, 'retired' verifies until it goes.
ALTER TABLE identity.signing_keys ADD COLUMN activates_at timestamptz NOT NULL DEFAULT now();

-- audit --------------------------------------------------------------------------------------------------------------
-- One trail for all services, written in the transaction of the change; services may add to it and nothing else. What is old
-- goes by whole months, through a function that never takes the last week, whoever asks.
CREATE SCHEMA audit;
CREATE TABLE audit.records (
  id bigint GENERATED ALWAYS AS IDENTITY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), at timestamptz NOT NULL DEFAULT now(),
  service text NOT NULL, action text NOT NULL, outcome text NOT NULL CHECK (outcome IN ('success', 'failure', 'denied')),
  user_id text, user_name text, project_id text, domain_id text, target_kind text, target_id text, address text, request_id text,
  detail jsonb NOT NULL DEFAULT '{}', PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE TABLE audit.records_rest PARTITION OF audit.records DEFAULT;
CREATE INDEX records_id ON audit.records (id);
CREATE INDEX records_outbox ON audit.records (xid, id);
CREATE INDEX records_project ON audit.records (project_id, id);
CREATE INDEX records_user ON audit.records (user_id, id);
CREATE INDEX records_target ON audit.records (target_id, id);
CREATE FUNCTION audit.keep_record_partitions(months_ahead integer, keep_days integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT control.keep_partitions('audit.records', 'audit.records_rest', least(greatest(months_ahead, 0), 24), greatest(keep_days, 7))
$$;
-- Everybody may call a new function unless told otherwise.
REVOKE ALL ON FUNCTION audit.keep_record_partitions(integer, integer) FROM PUBLIC;
SELECT audit.keep_record_partitions(3, 3650);

-- Servers and hosts: what somebody asked for is an event already, written in the statement of the change; the record follows it.
-- The functions work with their owner's rights: services of before this migration write events while it runs.
ALTER TABLE compute.instance_events ADD COLUMN user_name text, ADD COLUMN address text;
CREATE FUNCTION audit.of_instance_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO audit.records (service, action, outcome, user_id, user_name, project_id, target_kind, target_id, address, request_id, detail)
  VALUES ('compute', 'servers:' || NEW.kind, 'success', NEW.user_id, NEW.user_name, NEW.project_id, 'server', NEW.instance_id::text, NEW.address, NEW.request_id,
    CASE WHEN NEW.message = '' THEN '{}' ELSE jsonb_build_object('message', left(NEW.message, 256)) END);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION audit.of_instance_event() FROM PUBLIC;
CREATE TRIGGER audited AFTER INSERT ON compute.instance_events FOR EACH ROW WHEN (NEW.user_id IS NOT NULL) EXECUTE FUNCTION audit.of_instance_event();

ALTER TABLE scheduler.host_events ADD COLUMN user_name text, ADD COLUMN address text;
CREATE FUNCTION audit.of_host_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO audit.records (service, action, outcome, user_id, user_name, target_kind, target_id, address, request_id, detail)
  VALUES ('scheduler', 'hosts:' || NEW.kind, CASE WHEN NEW.kind = 'fence-failed' THEN 'failure' ELSE 'success' END, NEW.user_id, NEW.user_name,
    CASE WHEN NEW.host_id IS NOT NULL THEN 'host' END, NEW.host_id::text, NEW.address, NEW.request_id,
    CASE WHEN NEW.message = '' THEN '{}' ELSE jsonb_build_object('message', left(NEW.message, 256)) END);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION audit.of_host_event() FROM PUBLIC;
-- A host that joins is known by its one-time token alone.
CREATE TRIGGER audited AFTER INSERT ON scheduler.host_events FOR EACH ROW WHEN (NEW.user_id IS NOT NULL OR NEW.kind = 'joined') EXECUTE FUNCTION audit.of_host_event();
