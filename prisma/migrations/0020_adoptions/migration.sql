-- How often rows were made to follow this host: what somebody has found out before another adoption of it counts no more.
ALTER TABLE compute.host_feeds ADD COLUMN followed integer NOT NULL DEFAULT 0;
