-- How many application credentials a user has ended is counted with each that they end.
CREATE INDEX revocations_credentials_of_user ON identity.revocations (user_id) WHERE application_credential_id IS NOT NULL;

-- A token that has ended is still told to services that finish what was begun by it, but not one whose key was dropped: whoever has
-- that key could make tokens of yesterday. Why earlier keys went is not known, so theirs do not count.
ALTER TABLE identity.signing_keys ADD COLUMN dropped boolean NOT NULL DEFAULT false;
UPDATE identity.signing_keys SET dropped = true WHERE retired_at <= now();
