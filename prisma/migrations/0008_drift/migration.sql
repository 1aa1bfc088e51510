-- What hosts say differs between the wish, their ledger, their hypervisor and their disk: as it is now, replaced as a whole
-- by each host's word.
CREATE TABLE compute.drift (
  host_id uuid NOT NULL, kind text NOT NULL, subject_id text NOT NULL,
  what text NOT NULL,
  -- By the host's clock.
  since timestamptz NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (host_id, kind, subject_id)
);
CREATE INDEX drift_list ON compute.drift (first_seen_at DESC);
