// Where power ends: who counts as an admin, what managers of a domain have no hold on, where one domain's tree ends, and how much is done at once.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DomainsRepository } from '../../apps/identity/src/domains/domains.repository.js';
import { LIMITS } from '../../apps/identity/src/limits.js';
import { keepingAnAdmin } from '../../apps/identity/src/users/admins.repository.js';
import { IdentityUnderTest } from '../support/identity.js';
import { People } from '../support/identity-people.js';

let identity: IdentityUnderTest;
let admin: People;
const roles = new Map<string, string>();
const role = (name: string): string => roles.get(name) ?? '';
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  admin = await People.asAdmin(identity);
  for (const { id, name } of (await admin.call('GET', '/roles', 200)).body.roles) roles.set(name, id);
});
afterAll(async () => { await identity.stop(); });

describe('the last admin', () => {
  /** What becomes of disabling the first admin; nothing stays done. */
  const disabling = async (): Promise<string> => {
    const undone = new Error('undone');
    return identity.database.db.transaction(async (client) => {
      await keepingAnAdmin(client, true, 'that', async () => { await client.query("UPDATE identity.users SET enabled = false WHERE name = 'admin'"); });
      throw undone;
    }).then(String, (error: Error) => (error === undone ? 'done' : error.message));
  };
  const REFUSED = 'Refused: that would leave no enabled user with the admin role.';

  it('is not who is admin of a domain, nor where there is no project to be admin of', async () => {
    const domain = await admin.make('domain', { name: 'half' });
    const other = await admin.make('user', { name: 'other', password: 'a-good-password' });
    await admin.give({ userId: other.id }, 'admin', { domainId: domain.id });
    expect(await disabling()).toBe(REFUSED);
    await admin.call('PUT', `/OS-INHERIT/domains/${domain.id}/users/${other.id}/roles/${role('admin')}/inherited_to_projects`, 204);
    expect(await disabling()).toBe(REFUSED);
    const top = await admin.make('project', { name: 'top', domain_id: domain.id });
    expect(await disabling()).toBe('done');
    await admin.call('DELETE', `/OS-INHERIT/domains/${domain.id}/users/${other.id}/roles/${role('admin')}/inherited_to_projects`, 204);
    await admin.call('PUT', `/OS-INHERIT/projects/${top.id}/users/${other.id}/roles/${role('admin')}/inherited_to_projects`, 204);
    expect(await disabling()).toBe(REFUSED);
    await admin.make('project', { name: 'below', parent_id: top.id });
    expect(await disabling()).toBe('done');
    await admin.call('DELETE', `/users/${other.id}`, 204);
  });

  it('does not go with the name of the role, which those that policies name keep', async () => {
    for (const name of ['admin', 'manager', 'member', 'reader', 'service']) {
      expect(await admin.refused('PATCH', `/roles/${role(name)}`, 403, { role: { options: { immutable: false } } })).toContain('stays protected');
      await admin.refused('PATCH', `/roles/${role(name)}`, 403, { role: { name: 'other' } });
      // Also where somebody took the protection away before that was refused.
      await identity.database.admin.query("UPDATE identity.roles SET options = '{}' WHERE id = $1", [role(name)]);
      expect(await admin.refused('PATCH', `/roles/${role(name)}`, 403, { role: { name: 'other' } })).toContain('keeps that name');
      await admin.call('PATCH', `/roles/${role(name)}`, 200, { role: { options: { immutable: true } } });
    }
  });
});

describe("a domain's manager", () => {
  it('has no hold on who is a service by another name, nor on a project with an admin or a service', async () => {
    const domain = await admin.make('domain', { name: 'managed' });
    const { people: manager } = await admin.newUserWith('manager', { domainId: domain.id }, { domain_id: domain.id });
    const robots = (await admin.call('POST', '/roles', 201, { role: { name: 'robots' } })).body.role.id;
    await admin.call('PUT', `/roles/${robots}/implies/${role('service')}`, 201);
    for (const given of ['robots', 'admin']) {
      const held = await admin.make('project', { name: `with-${given}`, domain_id: domain.id });
      const user = await admin.make('user', { name: `is-${given}`, domain_id: domain.id });
      await admin.give({ userId: user.id }, given, { projectId: held.id });
      expect(await manager.refused('PATCH', `/users/${user.id}`, 403, { user: { password: 'a-new-password' } })).toContain('Only an admin');
      expect(await manager.refused('PATCH', `/projects/${held.id}`, 403, { project: { enabled: false } })).toContain('Only an admin');
      expect(await manager.refused('DELETE', `/projects/${held.id}`, 403)).toContain('Only an admin');
      await admin.call('DELETE', `/users/${user.id}`, 204);
      await manager.call('DELETE', `/projects/${held.id}`, 204);
    }
  });

  it('sees of their users the projects in the domain, and everybody all of their own', async () => {
    const domain = await admin.make('domain', { name: 'seen' });
    const { people: reader } = await admin.newUserWith('reader', { domainId: domain.id }, { domain_id: domain.id });
    const inside = await admin.make('project', { name: 'inside', domain_id: domain.id });
    const elsewhere = await admin.make('project', { name: 'elsewhere' });
    const { id, people } = await admin.newUserWith('member', { projectId: inside.id }, { domain_id: domain.id });
    await admin.give({ userId: id }, 'member', { projectId: elsewhere.id });
    const seenBy = async (who: People): Promise<string[]> => (await who.call('GET', `/users/${id}/projects`, 200)).body.projects.map(({ name }: { name: string }) => name).sort();
    expect([await seenBy(reader), await seenBy(people), await seenBy(admin)]).toEqual([['inside'], ['elsewhere', 'inside'], ['elsewhere', 'inside']]);
  });
});

describe('a domain', () => {
  it('has the id of no project, and its tree ends with it', async () => {
    const top = await admin.make('project', { name: 'not-a-domain' });
    expect(await admin.refused('POST', '/domains', 409, { domain: { name: 'clash', explicit_domain_id: top.id } })).toContain('is the id of a project');
    // Were there one, by whatever way.
    await identity.database.admin.query("INSERT INTO identity.domains (id, name) VALUES ($1, 'clash')", [top.id]);
    await identity.database.admin.query("INSERT INTO identity.projects (id, domain_id, parent_id, name) VALUES (repeat('e', 32), $1, $1, 'in-the-clash')", [top.id]);
    expect((await admin.call('GET', `/projects/${top.id}?subtree_as_ids`, 200)).body.project.subtree).toBeNull();
    expect((await admin.call('GET', `/projects/${'e'.repeat(32)}?parents_as_ids`, 200)).body.project.parents).toEqual({ [top.id]: null });
    await identity.database.admin.query("DELETE FROM identity.projects WHERE id = repeat('e', 32)");
    await identity.database.admin.query('DELETE FROM identity.domains WHERE id = $1', [top.id]);
  });

  it('goes in pieces when it is large, from the leaves on', async () => {
    const domain = await admin.make('domain', { name: 'large' });
    for (let n = 0; n < 5; n += 1) await admin.make('user', { name: `user-${n}`, domain_id: domain.id });
    const top = await admin.make('project', { name: 'top', domain_id: domain.id });
    const below = await admin.make('project', { name: 'below', parent_id: top.id });
    await admin.make('project', { name: 'bottom', parent_id: below.id });
    await admin.make('group', { name: 'some', domain_id: domain.id });
    const repository = new DomainsRepository(identity.database.db);
    const some = () => identity.database.db.transaction((client) => repository.removeSome(client, domain.id, 2));
    expect(await some()).toEqual({ users: 2, projects: 2, groups: 1, credentials: [], rest: true });
    expect((await admin.call('GET', `/projects?domain_id=${domain.id}`, 200)).body.projects).toMatchObject([{ name: 'top' }]);
    expect(await some()).toEqual({ users: 2, projects: 1, groups: 0, credentials: [], rest: true });
    await admin.call('GET', `/domains/${domain.id}`, 200);
    // What was begun goes on with the same request.
    await admin.call('PATCH', `/domains/${domain.id}`, 200, { domain: { enabled: false } });
    await admin.call('DELETE', `/domains/${domain.id}`, 204);
    await admin.call('GET', `/domains/${domain.id}`, 404);
  });
});

it('a page of users is bounded by its bytes, and goes on in the next', async () => {
  const domain = await admin.make('domain', { name: 'heavy' });
  await identity.database.admin.query(
    "INSERT INTO identity.users (id, domain_id, name, extra) SELECT md5(n::text), $1, 'heavy-' || n, jsonb_build_object('x', repeat('x', 16000)) FROM generate_series(1, 600) n", [domain.id]);
  const seen: string[] = [];
  for (let path: string | null = `/users?domain_id=${domain.id}&sort_key=name&sort_dir=desc`; path !== null;) {
    const answer = await admin.call('GET', path, 200);
    expect(answer.text.length).toBeLessThan(LIMITS.pageBytes * 1.2);
    seen.push(...answer.body.users.map(({ name }: { name: string }) => name));
    path = answer.body.links.next?.replace(/^.*\/v3/, '') ?? null;
  }
  expect([seen.length, new Set(seen).size, seen]).toEqual([600, 600, [...seen].sort().reverse()]);
  const { users, links } = (await admin.call('GET', `/users?domain_id=${domain.id}&limit=3`, 200)).body;
  expect([users.length, links.next]).toEqual([3, expect.stringContaining(`marker=${users[2].id}`)]);
});
