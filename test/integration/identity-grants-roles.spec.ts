import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { RoleAssignmentsRepository } from '../../apps/identity/src/role-assignments/role-assignments.repository.js';
import { StandingRepository } from '../../apps/identity/src/role-assignments/standing.repository.js';
import { UserScopesRepository } from '../../apps/identity/src/role-assignments/user-scopes.repository.js';
import { roleWorld, scopesOf, slowRoles, type RoleWorld } from '../support/role-worlds.js';

let database: TestDatabase;
beforeAll(async () => { database = await startTestDatabase('identity'); });
afterAll(async () => { await database.stop(); });

async function insert(table: string, rows: object[]): Promise<void> {
  if (rows.length === 0) return;
  const columns = Object.keys(rows[0] as object).join(', ');
  await database.admin.query(`INSERT INTO identity.${table} (${columns}) SELECT ${columns} FROM jsonb_populate_recordset(NULL::identity.${table}, $1)`, [JSON.stringify(rows)]);
}

async function store(world: RoleWorld): Promise<void> {
  await insert('domains', world.domains.map((id) => ({ id, name: id, description: '', enabled: true, generation: 1, created_at: 'now', options: {}, tags: [] })));
  for (const { id, domainId, parentId } of world.projects) {
    await database.admin.query('INSERT INTO identity.projects (id, domain_id, name, parent_id) VALUES ($1, $2, $1, $3)', [id, domainId, parentId]);
  }
  const [first] = world.domains;
  for (const id of world.users) await database.admin.query('INSERT INTO identity.users (id, domain_id, name) VALUES ($1, $2, $1)', [id, first]);
  for (const id of world.groups) await database.admin.query('INSERT INTO identity.groups (id, domain_id, name) VALUES ($1, $2, $1)', [id, first]);
  await insert('group_members', world.members.map(({ groupId, userId }) => ({ group_id: groupId, user_id: userId })));
  for (const { id, name, domainId } of world.roles) await database.admin.query('INSERT INTO identity.roles (id, name, domain_id) VALUES ($1, $2, $3)', [id, name, domainId]);
  await insert('implied_roles', world.implications.map(({ prior, implied }) => ({ prior_role_id: prior, implied_role_id: implied })));
  await insert('role_assignments', world.given.map(({ roleId, userId, groupId, on, inherited }) => ({
    role_id: roleId, user_id: userId, group_id: groupId, inherited, system: on.kind === 'system',
    project_id: on.kind === 'project' ? on.id : null, domain_id: on.kind === 'domain' ? on.id : null,
  })));
}

const ids = (list: { id: string }[] | undefined): string[] | undefined => list?.map(({ id }) => id).sort();

it('agrees with the slow reference in 25 random clouds, for every user and scope, by every statement', async () => {
  const [standing, scopes, assignments] = [new StandingRepository(database.db), new UserScopesRepository(database.db), new RoleAssignmentsRepository(database.db)];
  let compared = 0;
  for (let seed = 1; seed <= 25; seed += 1) {
    const world = roleWorld(seed * 7_919, `w${seed}`);
    await store(world);
    for (const userId of world.users) {
      const expected = new Map(scopesOf(world).map((scope) => [scope, slowRoles(world, userId, scope)]));
      const effective = (await assignments.list({ userId, effective: true })).rows;
      for (const [scope, roles] of expected) {
        const held = scope.kind === 'project' ? (await standing.onProject(userId, { id: scope.id }))?.roles
          : scope.kind === 'domain' ? (await standing.onDomain(userId, { name: scope.id }))?.roles : await standing.onSystem(userId);
        expect({ seed, userId, scope, held: ids(held) }).toEqual({ seed, userId, scope, held: roles });
        const listed = effective.filter((row) => (scope.kind === 'system' ? row.system : scope.kind === 'project' ? row.project_id === scope.id : row.domain_id === scope.id));
        expect({ seed, userId, scope, listed: [...new Set(listed.map((row) => row.role_id))].sort() }).toEqual({ seed, userId, scope, listed: roles });
        compared += 1;
      }
      const withRoles = (kind: string): string[] => [...expected].filter(([scope, roles]) => scope.kind === kind && roles.length > 0).map(([scope]) => (scope as { id: string }).id).sort();
      expect(await scopes.projectIds(userId)).toEqual(withRoles('project'));
      expect(await scopes.domainIds(userId)).toEqual(withRoles('domain'));
    }
    // Asking for one project at a time finds what asking for all of them found.
    for (const { id } of world.projects) {
      const [one, all] = [await assignments.list({ projectId: id, effective: true }), await assignments.list({ effective: true })];
      expect(one.rows.map(({ key }) => key)).toEqual(all.rows.filter((row) => row.project_id === id).map(({ key }) => key));
    }
    await database.admin.query('TRUNCATE identity.domains CASCADE');
    await database.admin.query('TRUNCATE identity.roles CASCADE');
  }
  expect(compared).toBeGreaterThan(200);
});

it('pages an effective list without losing or repeating a row', async () => {
  const world = roleWorld(12_345, 'paged');
  await store(world);
  const assignments = new RoleAssignmentsRepository(database.db);
  for (const effective of [true, false]) {
    const all = (await assignments.list({ effective })).rows.map(({ key }) => key);
    const seen: string[] = [];
    for (let marker: string | undefined, more = true; more;) {
      const page = await assignments.list({ effective, limit: 2, marker });
      seen.push(...page.rows.map(({ key }) => key));
      marker = page.next;
      more = marker !== undefined;
    }
    expect(seen).toEqual(all);
  }
});
