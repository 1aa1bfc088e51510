import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADMIN, byName, IdentityUnderTest, project } from '../support/identity.js';
import { People } from '../support/identity-people.js';

const names = (rows: { name: string }[]): string[] => rows.map(({ name }) => name).sort();

let identity: IdentityUnderTest;
let admin: People;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  admin = await People.asAdmin(identity);
});
afterAll(async () => { await identity.stop(); });

describe("a domain's manager", () => {
  let domainId: string;
  let manager: People;
  let managerId: string;
  beforeAll(async () => {
    domainId = (await admin.make('domain', { name: 'managed' })).id;
    ({ people: manager, id: managerId } = await admin.newUserWith('manager', { domainId }, { domain_id: domainId, name: 'boss' }));
  });

  it('changes users, projects and groups of that domain, which is also where new ones go', async () => {
    const user = await manager.make('user', { name: 'u1', password: 'a-good-password' });
    const made = await manager.make('project', { name: 'p1' });
    const group = await manager.make('group', { name: 'g1' });
    expect([user, made, group].map((it: { domain_id: string }) => it.domain_id)).toEqual([domainId, domainId, domainId]);
    await manager.call('PATCH', `/users/${user.id}`, 200, { user: { password: 'another-password' } });
    await manager.call('PATCH', `/projects/${made.id}`, 200, { project: { description: 'x' } });
    await manager.call('PUT', `/projects/${made.id}/tags/a`, 201);
    await manager.call('PUT', `/groups/${group.id}/users/${user.id}`, 204);
    await manager.call('GET', `/groups/${group.id}/users/${user.id}`, 204);
    expect(names((await manager.call('GET', `/users/${user.id}/groups`, 200)).body.groups)).toEqual(['g1']);
    await manager.call('DELETE', `/groups/${group.id}/users/${user.id}`, 204);
    for (const path of [`/groups/${group.id}`, `/projects/${made.id}`, `/users/${user.id}`]) await manager.call('DELETE', path, 204);
  });

  it('sees nothing of another domain, and changes nothing there', async () => {
    expect(names((await manager.call('GET', '/users', 200)).body.users)).toEqual(['boss']);
    expect((await manager.call('GET', '/projects', 200)).body.projects).toEqual([]);
    expect((await manager.call('GET', '/groups', 200)).body.groups).toEqual([]);
    expect(names((await manager.call('GET', '/domains', 200)).body.domains)).toEqual(['managed']);
    expect((await manager.call('GET', '/users?domain_id=default', 200)).body.users).toEqual([]);
    const user = await admin.make('user', { name: 'foreign' });
    const made = await admin.make('project', { name: 'foreign' });
    const group = await admin.make('group', { name: 'foreign' });
    const mine = await manager.make('group', { name: 'mine' });
    const refused: [Parameters<People['call']>[0], string, unknown?][] = [
      ['GET', `/users/${user.id}`], ['PATCH', `/users/${user.id}`, { user: { enabled: false } }], ['DELETE', `/users/${user.id}`], ['POST', '/users', { user: { name: 'x', domain_id: 'default' } }],
      ['GET', `/projects/${made.id}`], ['PATCH', `/projects/${made.id}`, { project: { enabled: false } }], ['DELETE', `/projects/${made.id}`], ['POST', '/projects', { project: { name: 'x', domain_id: 'default' } }],
      ['POST', '/projects', { project: { name: 'x', parent_id: made.id } }], ['PUT', `/projects/${made.id}/tags/a`], ['GET', `/groups/${group.id}`], ['PATCH', `/groups/${group.id}`, { group: { name: 'x' } }],
      ['DELETE', `/groups/${group.id}`], ['PUT', `/groups/${group.id}/users/${managerId}`], ['PUT', `/groups/${mine.id}/users/${user.id}`], ['POST', '/groups', { group: { name: 'x', domain_id: 'default' } }],
      ['POST', '/domains', { domain: { name: 'x' } }], ['PATCH', `/domains/${domainId}`, { domain: { name: 'x' } }], ['DELETE', `/domains/${domainId}`], ['POST', '/projects', { project: { name: 'x', is_domain: true } }],
      ['PATCH', `/projects/${domainId}`, { project: { name: 'x' } }], ['DELETE', `/projects/${domainId}`], ['GET', '/domains/default'],
    ];
    for (const [method, path, body] of refused) await manager.refused(method, path, 403, body);
    await manager.call('DELETE', `/groups/${mine.id}`, 204);
  });

  it('has no hold on an admin who lives there, nor on a group of admins', async () => {
    const { id: projectId } = await admin.make('project', { name: 'power' });
    const strong = await admin.make('user', { name: 'strong', domain_id: domainId, password: 'a-good-password' });
    await admin.give({ userId: strong.id }, 'admin', { projectId });
    const group = await admin.make('group', { name: 'strong', domain_id: domainId });
    await admin.give({ groupId: group.id }, 'admin', { system: true });
    expect(await manager.refused('PATCH', `/users/${strong.id}`, 403, { user: { password: 'a-new-password' } })).toBe('Only an admin may change a user who holds the admin or service role, or any role on the system.');
    expect(await manager.refused('DELETE', `/users/${strong.id}`, 403)).toContain('Only an admin');
    expect(await manager.refused('PUT', `/groups/${group.id}/users/${managerId}`, 403)).toContain('Only an admin');
    expect(await manager.refused('DELETE', `/groups/${group.id}`, 403)).toContain('Only an admin');
    for (const [role, on] of [['reader', { system: true }], ['service', { projectId }]] as const) {
      const user = await admin.make('user', { name: `strong-${role}`, domain_id: domainId });
      await admin.give({ userId: user.id }, role, on);
      await manager.refused('PATCH', `/users/${user.id}`, 403, { user: { enabled: false } });
      await admin.call('DELETE', `/users/${user.id}`, 204);
    }
    await admin.call('DELETE', `/users/${strong.id}`, 204);
    await admin.call('DELETE', `/groups/${group.id}`, 204);
  });

  it('is none with the reader role, who only looks', async () => {
    const { people: reader } = await admin.newUserWith('reader', { domainId }, { domain_id: domainId, name: 'looker' });
    expect(names((await reader.call('GET', '/users', 200)).body.users)).toEqual(['boss', 'looker']);
    await reader.call('GET', `/users/${managerId}`, 200);
    await reader.refused('PATCH', `/users/${managerId}`, 403, { user: { enabled: false } });
    await reader.refused('POST', '/projects', 403, { project: { name: 'x' } });
  });
});

describe('the last admin', () => {
  it('is refused to be deleted, disabled or left without a password, however many try', async () => {
    const { user, project: own } = (await identity.login(byName('admin', ADMIN), project('admin'))).body.token;
    const left = 'would leave no enabled user with the admin role.';
    expect(await admin.refused('DELETE', `/users/${user.id}`, 403)).toContain(left);
    expect(await admin.refused('PATCH', `/users/${user.id}`, 403, { user: { enabled: false } })).toContain(left);
    expect(await admin.refused('PATCH', `/users/${user.id}`, 403, { user: { password: null } })).toContain(left);
    // admin holds it on the demo project too, so one of both projects may go.
    const demo = (await admin.call('GET', '/projects?name=demo', 200)).body.projects[0];
    await admin.call('PATCH', `/projects/${demo.id}`, 200, { project: { enabled: false } });
    const { rows } = await identity.database.admin.query("SELECT count(*)::int AS n FROM identity.role_assignments a JOIN identity.roles r ON r.id = a.role_id WHERE r.name = 'admin' AND (a.system OR a.domain_id IS NOT NULL)");
    if (rows[0].n === 0) expect(await admin.refused('PATCH', `/projects/${own.id}`, 403, { project: { enabled: false } })).toContain(left);
    await admin.call('PATCH', `/projects/${demo.id}`, 200, { project: { enabled: true } });

    const second = await admin.make('user', { name: 'second', password: 'a-good-password' });
    const group = await admin.make('group', { name: 'admins' });
    await admin.call('PUT', `/groups/${group.id}/users/${second.id}`, 204);
    await admin.give({ groupId: group.id }, 'admin', { projectId: own.id });
    const attempts = await Promise.all([
      identity.call('PATCH', `/v3/users/${user.id}`, { token: admin.token, body: { user: { enabled: false } } }),
      identity.call('DELETE', `/v3/users/${second.id}`, { token: admin.token }),
      identity.call('DELETE', `/v3/groups/${group.id}/users/${second.id}`, { token: admin.token }),
      identity.call('DELETE', `/v3/groups/${group.id}`, { token: admin.token }),
    ]);
    const { rows: enabled } = await identity.database.admin.query("SELECT name FROM identity.users WHERE enabled AND name IN ('admin', 'second')");
    expect(enabled.length).toBeGreaterThanOrEqual(1);
    expect(attempts.filter(({ status }) => status < 300).length).toBeGreaterThanOrEqual(1);
    expect(attempts.filter(({ status }) => status === 403).length).toBeGreaterThanOrEqual(1);
  });
});
