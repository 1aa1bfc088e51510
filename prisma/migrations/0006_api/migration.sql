-- What the door remembers of requests that carry an Idempotency-Key, for a day: the key itself nowhere, the answer sealed
-- with a key that is made of the Idempotency-Key and a secret of the server's, so neither a backup nor the secret alone opens it.
CREATE SCHEMA api;
CREATE TABLE api.idempotency (
  -- A keyed hash of who asks (project, user) and the Idempotency-Key.
  id bytea PRIMARY KEY CHECK (length(id) = 32),
  -- Whose bound it counts towards: the project, or the user of an unscoped token.
  scope text NOT NULL,
  -- A keyed hash of method, path, version and body: the same key with another one is refused.
  fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
  -- The request under which it was begun. A repeat after a crash goes on under it, so whoever wrote for it knows it again.
  request_id text NOT NULL,
  -- Who performs it now, and until when that is believed. Another takes over afterwards.
  owner uuid, locked_until timestamptz,
  -- The answer: status in clear (for people who look), headers and body sealed. null: none is known yet.
  status integer, answer bytea,
  created_at timestamptz NOT NULL DEFAULT now(), answered_at timestamptz, expires_at timestamptz NOT NULL,
  CHECK ((status IS NULL) = (answer IS NULL) AND (owner IS NULL) = (locked_until IS NULL))
);
CREATE INDEX idempotency_scope ON api.idempotency (scope);
CREATE INDEX idempotency_expiry ON api.idempotency (expires_at);
