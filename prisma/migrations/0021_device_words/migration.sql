-- An operator's word of a device that can't be released: a server has it, or it is gone.

ALTER TABLE scheduler.devices
  -- The last word that it is the one it is taken for, given while a server had it: rises with each, also over rows that were made anew.
  -- Says nothing of its being clean.
  ADD COLUMN vouched bigint NOT NULL DEFAULT 0 CHECK (vouched >= 0),
  -- An operator has said that it will not come back, though it is not clean.
  ADD COLUMN forgotten_at timestamptz;

-- As in 0017, and what is there or is somebody's is not forgotten, whoever writes of it.
CREATE OR REPLACE FUNCTION scheduler.device_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.generation < OLD.generation THEN
    RAISE EXCEPTION 'the generation of device % never falls', OLD.id USING ERRCODE = 'check_violation', CONSTRAINT = 'devices_generation';
  END IF;
  -- The pool is deleted: nothing of it is left.
  IF NEW.pool_id IS NULL THEN
    NEW.class_name := NULL; NEW.pool_role := NULL;
  END IF;
  IF NEW.held_by IS NOT NULL OR (NEW.missing_since IS NULL AND NEW.facts IS NOT NULL) THEN
    NEW.forgotten_at := NULL;
  END IF;
  RETURN NEW;
END $$;

-- What servers' people are still to read of their devices: written with what happened, and deleted when compute has booked it.
CREATE TABLE scheduler.device_troubles (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL DEFAULT gen_random_uuid(), at timestamptz NOT NULL DEFAULT now(),
  host_id uuid NOT NULL, host_name text NOT NULL, instance_id uuid NOT NULL, identity text NOT NULL, kind text NOT NULL, message text NOT NULL
);
-- Those that were booked: what is said once more is known. They go when nobody says them any more.
CREATE TABLE compute.booked_troubles (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX booked_troubles_at ON compute.booked_troubles (at);
