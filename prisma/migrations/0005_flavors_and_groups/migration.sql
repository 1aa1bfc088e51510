-- Flavors that only some projects see; server groups and who is in them.

ALTER TABLE compute.flavors
  -- In the order in which they were made: the end of every sort.
  ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
  ADD COLUMN updated_at timestamptz;
-- Projects that see a flavor which is not public.
CREATE TABLE compute.flavor_access (
  flavor_id text NOT NULL REFERENCES compute.flavors ON DELETE CASCADE, project_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (flavor_id, project_id)
);

CREATE TABLE compute.server_groups (
  id uuid PRIMARY KEY, cell_id text NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  project_id text NOT NULL, user_id text NOT NULL, name text NOT NULL,
  policy text NOT NULL CHECK (policy IN ('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity')),
  -- For anti-affinity: how many members one host may have. null: one.
  max_server_per_host integer CHECK (max_server_per_host IS NULL OR (max_server_per_host > 0 AND policy = 'anti-affinity')),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX server_groups_project ON compute.server_groups (project_id, number);
-- Membership is written with the server and ends with the server or the group. The reference holds the group while a
-- server joins it: no server joins a group that is gone.
ALTER TABLE compute.instances ADD COLUMN group_id uuid REFERENCES compute.server_groups ON DELETE SET NULL;
CREATE INDEX instances_group ON compute.instances (group_id) WHERE group_id IS NOT NULL;
