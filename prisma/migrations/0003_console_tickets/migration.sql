-- Tickets to consoles: who holds one may look once. Only the digest rests here. Used ones are kept for a while: they are
-- the record of who looked, from where, and until when.
CREATE TABLE compute.console_tickets (
  ticket_hash text PRIMARY KEY CHECK (ticket_hash ~ '^[0-9a-f]{64}$'),
  instance_id uuid NOT NULL, project_id text NOT NULL, user_id text NOT NULL, request_id text,
  kind text NOT NULL CHECK (kind IN ('vnc', 'serial')),
  -- Good for the server on this host only: one that has moved since wants a new ticket.
  host_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz NOT NULL,
  -- The end of the login that asked for it.
  session_ends_at timestamptz NOT NULL,
  used_at timestamptz, session_id uuid UNIQUE, used_from text, ended_at timestamptz, end_reason text,
  CHECK ((used_at IS NULL) = (session_id IS NULL))
);
CREATE INDEX console_tickets_instance ON compute.console_tickets (instance_id, created_at);
CREATE INDEX console_tickets_age ON compute.console_tickets (created_at);
