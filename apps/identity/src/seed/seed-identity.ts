import type { Database } from '#libs/db';
import { DEFAULT_PROJECT_LIMITS } from '../limits.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { SeedRepository } from './seed.repository.js';

export interface SeedSecrets { adminPassword: string; demoPassword: string }

const ROLES = ['admin', 'manager', 'member', 'reader', 'service'] as const;
const DOMAIN = 'default';

/**
 * What a new cloud starts with: a domain, the roles, an admin and a demo project with a user each; admin's project has
 * no limits. Run at every start: adds what is missing and changes nothing that is there, least of all a password.
 */
export function seedIdentity(db: Database, secrets: SeedSecrets): Promise<void> {
  const hasher = new PasswordHasher();
  return SeedRepository.run(db, async (seed) => {
    await seed.domain(DOMAIN, 'Default', 'The default domain');
    const ids: Record<string, string> = {};
    for (const role of ROLES) ids[role] = await seed.role(role);
    const roles = (...names: (typeof ROLES)[number][]): string[] => names.flatMap((name) => ids[name] ?? []);

    const adminProject = await seed.project(DOMAIN, 'admin', "The operators' project");
    const demoProject = await seed.project(DOMAIN, 'demo', 'A project to try things in');
    const admin = await seed.user(DOMAIN, 'admin', () => hasher.hash(secrets.adminPassword));
    const demo = await seed.user(DOMAIN, 'demo', () => hasher.hash(secrets.demoPassword));

    await seed.assign(admin, adminProject, roles('admin', 'member', 'reader'));
    await seed.assign(admin, demoProject, roles('admin', 'member', 'reader'));
    await seed.assign(demo, demoProject, roles('member', 'reader'));
    await seed.limits(adminProject, Object.fromEntries(Object.keys(DEFAULT_PROJECT_LIMITS).map((limit) => [limit, -1])));
  });
}
