import type { Database } from '#libs/db';

/** The flavors everyone knows, with the ids that people know them by. m1.nano is as small as the tiny guest can be. */
const FLAVORS = [
  { id: '42', name: 'm1.nano', vcpus: 1, ram: 128, disk: 1 },
  { id: '84', name: 'm1.micro', vcpus: 1, ram: 192, disk: 1 },
  { id: '1', name: 'm1.tiny', vcpus: 1, ram: 512, disk: 1 },
  { id: '2', name: 'm1.small', vcpus: 1, ram: 2048, disk: 20 },
  { id: '3', name: 'm1.medium', vcpus: 2, ram: 4096, disk: 40 },
  { id: '4', name: 'm1.large', vcpus: 4, ram: 8192, disk: 80 },
] as const;

/** First content of this app's schema. Idempotent; once there are flavors it adds none, so what an admin deleted stays deleted. */
export async function seedCompute(db: Database): Promise<void> {
  const column = <K extends keyof (typeof FLAVORS)[number]>(key: K): (typeof FLAVORS)[number][K][] => FLAVORS.map((flavor) => flavor[key]);
  await db.pool.query(`
    INSERT INTO compute.flavors (id, name, vcpus, ram_mib, disk_gib)
    SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::int[])
    WHERE NOT EXISTS (SELECT 1 FROM compute.flavors) ON CONFLICT DO NOTHING`, [column('id'), column('name'), column('vcpus'), column('ram'), column('disk')]);
}
