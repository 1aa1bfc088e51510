-- The claim for a move becomes the one a server runs on as a whole. A scheduler of before 0011 settles a move with the amounts
-- alone, and leaves the CPUs, cells and group of the host before: that is refused, and a newer one settles it. STABLE: it sees
-- the move's claim as it was before the statement, which makes a tombstone of it.
CREATE FUNCTION scheduler.guard_settled() RETURNS trigger LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF current_setting('skylite.adopting', true) IS DISTINCT FROM 'on' AND EXISTS (
    SELECT FROM scheduler.claims m WHERE m.instance_id = NEW.instance_id AND m.purpose = 'move' AND m.generation = NEW.generation AND m.host_id = NEW.host_id
      AND (m.layout, m.resources, m.group_id) IS DISTINCT FROM (NEW.layout, NEW.resources, NEW.group_id)) THEN
    RAISE EXCEPTION 'the move of % is not to be settled without its layout, resources and group: this scheduler is older than the database', NEW.instance_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'claims_settled';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER guard_settled BEFORE UPDATE ON scheduler.claims FOR EACH ROW
  WHEN (OLD.purpose = 'run' AND NEW.purpose = 'run' AND OLD.generation < NEW.generation AND OLD.host_id IS NOT NULL AND NEW.host_id IS NOT NULL)
  EXECUTE FUNCTION scheduler.guard_settled();
