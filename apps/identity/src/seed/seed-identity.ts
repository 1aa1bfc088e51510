import type { Database } from '#libs/db';
import { seededCatalog } from '../catalog/catalog.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { SeedRepository } from './seed.repository.js';

export interface SeedSecrets { adminPassword: string; demoPassword: string }

const DOMAIN = 'default';

/**
 * What a new cloud starts with: a domain, an admin and a demo project with a user each, the catalog; admin's project has no
 * limits. Run at every start: roles that policies name are always there; everything else comes once, and what an admin has
 * changed or deleted since stays so, passwords above all.
 * @param region of the first catalog.
 */
export function seedIdentity(db: Database, secrets: SeedSecrets, region = 'RegionOne'): Promise<void> {
  const hasher = new PasswordHasher();
  return SeedRepository.run(db, async (seed) => {
    const [admin, manager, member, reader] = [await seed.role('admin'), await seed.role('manager'), await seed.role('member'), await seed.role('reader')];
    await seed.role('service');
    await seed.once('implied-roles', async () => {
      await seed.implies(admin, manager);
      await seed.implies(manager, member);
      await seed.implies(member, reader);
    });
    await seed.once('accounts', async () => {
      await seed.domain(DOMAIN, 'Default', 'The default domain');
      const adminProject = await seed.project(DOMAIN, 'admin', "The operators' project");
      const demoProject = await seed.project(DOMAIN, 'demo', 'A project to try things in');
      const operator = await seed.user(DOMAIN, 'admin', () => hasher.hash(secrets.adminPassword));
      const demo = await seed.user(DOMAIN, 'demo', () => hasher.hash(secrets.demoPassword));
      await seed.assign(operator, adminProject, [admin, member, reader]);
      await seed.assign(operator, demoProject, [admin, member, reader]);
      await seed.assign(demo, demoProject, [member, reader]);
      await seed.assignSystem(operator, admin);
    });
    await seed.once('catalog', () => seed.catalog(region, seededCatalog(db.cloudId, region)));
    await seed.limits();
  });
}
