-- Lists of servers by keyset: the orders and ranges that people ask for, each with the id at its end so that the order is total.
DROP INDEX compute.instances_name;
-- By name, and names that begin with or are exactly something.
CREATE INDEX instances_name ON compute.instances (project_id, name COLLATE "C", id) WHERE intent <> 'deleted';
DROP INDEX compute.instances_updated;
-- What changed since, of one project (a range that is mostly short), and of all.
CREATE INDEX instances_updated ON compute.instances (project_id, updated_at, id);
CREATE INDEX instances_updated_all ON compute.instances (updated_at, id);
-- What is gone, for administrators. Written when a server goes.
CREATE INDEX instances_deleted ON compute.instances (project_id, created_at DESC, id DESC) WHERE intent = 'deleted';
CREATE INDEX instances_deleted_all ON compute.instances (created_at DESC, id DESC) WHERE intent = 'deleted';
