/** Many rows of compute.instances at once, as a cloud that is lived in has them: for tests of lists. */
import type { Client } from 'pg';
import { IMAGE_ID } from './compute-world.js';

const SPEC = {
  flavor: { id: '42', name: 'm1.nano', vcpus: 1, ramMib: 128, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: { 'hw:cpu_policy': 'shared' } },
  image: { id: IMAGE_ID, sha512: 'a'.repeat(128), sizeBytes: 1, virtualSizeBytes: 1, format: 'raw' }, diskGib: 1, claimDiskGib: 1, publicKey: `ssh-ed25519 ${'A'.repeat(68)} test`, randomSeed: 'A'.repeat(88),
};

/** Servers `<prefix>-1` to `<prefix>-<count>` of a project, one a second, the highest number the oldest. Every fifth is off, every fiftieth failed, every tenth deleted. */
export async function insertServers(admin: Client, projectId: string, prefix: string, count: number): Promise<void> {
  await admin.query(`
    INSERT INTO compute.instances (id, cell_id, project_id, user_id, name, hostname, metadata, tags, intent, flavor_id, image_id, spec, vcpus, ram_mib, reservation_id, availability_zone, step, reconcile_at,
      host_id, host_name, host_sequence, claim_generation, observed_state, observed_generation, locked, created_at, updated_at, launched_at, deleted_at, terminated_at)
    SELECT gen_random_uuid(), 'cell1', $1, 'u' || n % 3, $2 || '-' || n, $2 || '-' || n, jsonb_build_object('n', n::text), ARRAY['t' || n % 10, 'u' || n % 4],
      CASE WHEN n % 10 = 0 THEN 'deleted' WHEN n % 5 = 0 THEN 'stopped' ELSE 'running' END, '42', $3, $4::jsonb, 1, 128, 'r-' || lpad((n / 10)::text, 8, '0'), 'nova',
      CASE WHEN n % 10 = 0 THEN 'finished' WHEN n % 51 = 0 THEN 'failed' ELSE 'settled' END, NULL,
      CASE WHEN n % 10 <> 0 THEN ('00000000-0000-4000-8000-' || lpad((n % 100)::text, 12, '0'))::uuid END, CASE WHEN n % 10 <> 0 THEN 'host-' || n % 100 END, CASE WHEN n % 10 <> 0 THEN n END, CASE WHEN n % 10 <> 0 THEN 1 END,
      CASE WHEN n % 5 = 0 THEN 'stopped' ELSE 'running' END, 1, n % 7 = 0, m.at, m.at + interval '1 minute', m.at, CASE WHEN n % 10 = 0 THEN m.at END, CASE WHEN n % 10 = 0 THEN m.at END
    FROM generate_series(1, $5::int) AS n, LATERAL (SELECT '2026-01-02T00:00:00Z'::timestamptz - n * interval '1 second' AS at) AS m`, [projectId, prefix, IMAGE_ID, JSON.stringify(SPEC), count]);
  await admin.query('ANALYZE compute.instances');
}
