-- What people ask of an instance besides running and stopping: pause, suspend, lock, rebuild; and moves (resize, cold
-- migrate, evacuate), during which two hosts know the instance.

ALTER TABLE compute.instances DROP CONSTRAINT instances_intent_check;
ALTER TABLE compute.instances
  ADD CONSTRAINT instances_intent_check CHECK (intent IN ('running', 'stopped', 'paused', 'suspended', 'deleted')),
  -- Whose content the disk has: rises with a rebuild, never with a resize.
  ADD COLUMN disk_generation integer NOT NULL DEFAULT 1,
  -- A rebuild was asked for and is not done yet.
  ADD COLUMN rebuilding boolean NOT NULL DEFAULT false,
  ADD COLUMN locked_reason text,
  -- What an admin locked, its owner does not unlock.
  ADD COLUMN locked_by text CHECK (locked_by IN ('owner', 'admin')),
  -- While a move needs it, the host is told this and not the intent: off, or gone.
  ADD COLUMN hold text CHECK (hold IN ('off', 'gone')),
  -- The move under way: its row in compute.migrations. Kind and phase stand here, so that status words need this row only.
  ADD COLUMN move_id uuid,
  ADD COLUMN move_kind text CHECK (move_kind IN ('resize', 'migration', 'evacuation')),
  ADD COLUMN move_phase text CHECK (move_phase IN ('claim', 'stop', 'arrive', 'verify', 'confirm', 'revert', 'return')),
  -- How many hosts besides its own still have something of it (rows of compute.migrations with an `other`).
  ADD COLUMN elsewhere integer NOT NULL DEFAULT 0 CHECK (elsewhere >= 0),
  ADD CONSTRAINT instances_move CHECK ((move_id IS NULL) = (move_phase IS NULL) AND (move_id IS NULL) = (move_kind IS NULL));

-- Moves, one row each, kept as history. While one is under way, `other` is the host that is not the instance's own and
-- still has something of it: the source until it was confirmed, a fenced host until it proved absence.
CREATE TABLE compute.migrations (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, uuid uuid NOT NULL UNIQUE,
  instance_id uuid NOT NULL REFERENCES compute.instances (id) ON DELETE CASCADE, project_id text NOT NULL, user_id text NOT NULL, request_id text,
  kind text NOT NULL CHECK (kind IN ('resize', 'migration', 'evacuation')),
  -- Nova's word: queued, pre-migrating, migrating, post-migrating, finished, confirming, confirmed, reverting, reverted, done, error, failed.
  status text NOT NULL DEFAULT 'queued',
  -- What was built before and is to be built now (instance specs with flavor and image).
  old_spec jsonb NOT NULL, new_spec jsonb NOT NULL, old_spec_generation integer NOT NULL, new_spec_generation integer NOT NULL,
  requested_host text,
  -- A resize that may end on the host where it began.
  may_stay boolean NOT NULL DEFAULT false,
  source_host_id uuid NOT NULL, source_host_name text NOT NULL, source_zone text NOT NULL,
  dest_host_id uuid, dest_host_name text, dest_zone text,
  -- What the other host is told and what it saw; null: no other host has anything of the instance.
  other_host_id uuid, other_sequence bigint, other_wanted text CHECK (other_wanted IN ('stopped', 'deleted')),
  other_generation bigint, other_spec_generation integer, other_observed_state text, other_observed_generation bigint, other_observed jsonb,
  -- With it the destination fetches the disk; null when nothing is to be fetched any more.
  transfer_key text,
  error text,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  CHECK ((other_host_id IS NULL) = (other_sequence IS NULL) AND (other_host_id IS NULL) = (other_wanted IS NULL))
);
CREATE INDEX migrations_instance ON compute.migrations (instance_id, id DESC);
CREATE INDEX migrations_list ON compute.migrations (created_at DESC, id DESC);
CREATE INDEX migrations_other ON compute.migrations (other_host_id, other_sequence) WHERE other_host_id IS NOT NULL;
-- One move of an instance at a time.
CREATE UNIQUE INDEX migrations_open ON compute.migrations (instance_id) WHERE finished_at IS NULL;
