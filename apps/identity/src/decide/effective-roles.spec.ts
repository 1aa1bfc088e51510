import { describe, expect, it } from '@jest/globals';
import { roleWorld, scopesOf, slowRoles } from '../../../../test/support/role-worlds.js';
import { effectiveRoles, type GivenRole, type RoleFacts, type RoleScope } from './effective-roles.js';

const given = (roleId: string, on: GivenRole['on'], more: Partial<GivenRole> = {}): GivenRole => ({ roleId, userId: 'u', groupId: null, on, inherited: false, ...more });
const facts = (list: GivenRole[], more: Partial<RoleFacts> = {}): RoleFacts => ({
  userId: 'u', groupIds: ['g'], given: list, implications: [{ prior: 'admin', implied: 'member' }, { prior: 'member', implied: 'reader' }, { prior: 'own', implied: 'reader' }],
  roles: [...['admin', 'member', 'reader'].map((id) => ({ id, name: id, domainId: null })), { id: 'own', name: 'own', domainId: 'd' }], ...more,
});
const project: RoleScope = { kind: 'project', id: 'p', aboveIds: ['parent', 'top'], domainId: 'd' };
const ids = (some: RoleFacts, scope: RoleScope = project): string[] => effectiveRoles(some, scope).map(({ id }) => id);

describe('effective roles', () => {
  it('agree with a slow, obvious reference in 10,000 random clouds', () => {
    let compared = 0;
    let held = 0;
    for (let seed = 1; seed <= 10_000; seed += 1) {
      const world = roleWorld(seed);
      const userId = world.users[seed % world.users.length] as string;
      const groupIds = world.members.filter((member) => member.userId === userId).map((member) => member.groupId);
      const scopes = scopesOf(world);
      const scope = scopes[(seed * 7) % scopes.length] as RoleScope;
      const fast = effectiveRoles({ userId, groupIds, given: world.given, roles: world.roles, implications: world.implications }, scope);
      const slow = slowRoles(world, userId, scope);
      if (JSON.stringify(fast.map(({ id }) => id).sort()) !== JSON.stringify(slow)) expect({ seed, fast }).toEqual({ seed, fast: slow });
      compared += 1;
      held += slow.length > 0 ? 1 : 0;
    }
    expect(compared).toBe(10_000);
    // The clouds are no deserts: where nobody held anything the comparison would say nothing.
    expect(held).toBeGreaterThan(2_000);
  });

  it('follow one from another, and say how', () => {
    const because = given('admin', { kind: 'project', id: 'p' });
    expect(effectiveRoles(facts([because]), project)).toEqual([
      { id: 'admin', name: 'admin', because, through: ['admin'] },
      { id: 'member', name: 'member', because, through: ['admin', 'member'] },
      { id: 'reader', name: 'reader', because, through: ['admin', 'member', 'reader'] },
    ]);
  });

  it('name the nearest reason', () => {
    const [group, own] = [given('reader', { kind: 'project', id: 'p' }, { userId: null, groupId: 'g' }), given('reader', { kind: 'project', id: 'top' }, { inherited: true })];
    expect(effectiveRoles(facts([given('admin', { kind: 'project', id: 'p' }), group, own]), project).find(({ id }) => id === 'reader')).toMatchObject({ because: own, through: ['reader'] });
  });

  it('are inherited below and not where they were given', () => {
    const inherited = (on: GivenRole['on']) => facts([given('member', on, { inherited: true })]);
    expect(ids(inherited({ kind: 'project', id: 'top' }))).toEqual(['member', 'reader']);
    expect(ids(inherited({ kind: 'project', id: 'p' }))).toEqual([]);
    expect(ids(inherited({ kind: 'domain', id: 'd' }))).toEqual(['member', 'reader']);
    expect(ids(inherited({ kind: 'domain', id: 'd' }), { kind: 'domain', id: 'd' })).toEqual([]);
    expect(ids(facts([given('member', { kind: 'domain', id: 'd' })]))).toEqual([]);
    expect(ids(facts([given('member', { kind: 'system' })]))).toEqual([]);
    expect(ids(facts([given('member', { kind: 'system' })]), { kind: 'system' })).toEqual(['member', 'reader']);
  });

  it('count for members of a group only, and a domain\'s own role by what follows from it', () => {
    const group = given('own', { kind: 'project', id: 'p' }, { userId: null, groupId: 'g' });
    expect(ids(facts([group]))).toEqual(['reader']);
    expect(ids(facts([group], { groupIds: [] }))).toEqual([]);
    expect(ids(facts([given('admin', { kind: 'project', id: 'p' }, { userId: 'somebody' })]))).toEqual([]);
  });

  it('end also where roles follow in a circle', () => {
    expect(ids(facts([given('reader', { kind: 'project', id: 'p' })], { implications: [{ prior: 'reader', implied: 'member' }, { prior: 'member', implied: 'reader' }] }))).toEqual(['member', 'reader']);
  });
});
