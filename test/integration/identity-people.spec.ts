import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BASE, IdentityUnderTest } from '../support/identity.js';
import { People } from '../support/identity-people.js';

const V3 = `${BASE}/identity/v3`;
const HEX = expect.stringMatching(/^[0-9a-f]{32}$/);
const names = (rows: { name: string }[]): string[] => rows.map(({ name }) => name);

let identity: IdentityUnderTest;
let admin: People;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  admin = await People.asAdmin(identity);
});
afterAll(async () => { await identity.stop(); });

describe('domains', () => {
  it('are made, read, changed and deleted', async () => {
    const made = await admin.make('domain', { name: ' acme ', description: 'Anvils', tags: ['a'] });
    expect(made).toEqual({ id: HEX, name: 'acme', description: 'Anvils', enabled: true, tags: ['a'], options: {}, links: { self: `${V3}/domains/${made.id}` } });
    expect((await admin.call('GET', `/domains/${made.id}`, 200)).body.domain).toEqual(made);
    await admin.call('HEAD', `/domains/${made.id}`, 200);
    const changed = (await admin.call('PATCH', `/domains/${made.id}`, 200, { domain: { name: 'acme2', description: null, enabled: false } })).body.domain;
    expect(changed).toEqual({ ...made, name: 'acme2', description: '', enabled: false });
    expect((await admin.call('GET', '/domains?name=acme2', 200)).body.domains).toEqual([changed]);
    expect((await admin.call('GET', '/domains?enabled=false', 200)).body.domains).toEqual([changed]);
    expect((await admin.call('DELETE', `/domains/${made.id}`, 204)).text).toBe('');
    expect(await admin.refused('GET', `/domains/${made.id}`, 404)).toBe(`Could not find domain: ${made.id}.`);
  });

  it('take everything in them along, and nothing else', async () => {
    const domain = await admin.make('domain', { name: 'doomed' });
    const top = await admin.make('project', { name: 'top', domain_id: domain.id });
    await admin.make('project', { name: 'below', parent_id: top.id });
    const user = await admin.make('user', { name: 'someone', domain_id: domain.id, password: 'a-good-password', default_project_id: top.id });
    const outside = await admin.make('user', { name: 'outside', default_project_id: top.id });
    const group = await admin.make('group', { name: 'some', domain_id: domain.id });
    await admin.call('PUT', `/groups/${group.id}/users/${user.id}`, 204);
    await admin.give({ groupId: group.id }, 'member', { projectId: top.id });
    await admin.call('PUT', `/groups/${group.id}/users/${outside.id}`, 204);
    expect(await admin.refused('DELETE', `/domains/${domain.id}`, 403)).toBe('Cannot delete a domain that is enabled, please disable it first.');
    await admin.call('PATCH', `/domains/${domain.id}`, 200, { domain: { enabled: false } });
    await admin.call('DELETE', `/domains/${domain.id}`, 204);
    for (const path of [`/projects/${top.id}`, `/users/${user.id}`, `/groups/${group.id}`]) await admin.call('GET', path, 404);
    expect((await admin.call('GET', `/users/${outside.id}`, 200)).body.user.default_project_id).toBeUndefined();
    const { rows } = await identity.database.admin.query('SELECT reason FROM identity.revocations WHERE user_id = $1', [outside.id]);
    expect(rows).toEqual([{ reason: 'a group of the user was deleted with its domain' }]);
    await admin.call('DELETE', `/users/${outside.id}`, 204);
  });

  it('are refused with the reason', async () => {
    const made = await admin.make('domain', { name: 'strict', options: { immutable: true } });
    expect(await admin.refused('POST', '/domains', 409, { domain: { name: 'strict' } })).toBe('Conflict occurred attempting to store domain - Duplicate entry found with name strict.');
    expect(await admin.refused('PATCH', `/domains/${made.id}`, 403, { domain: { name: 'x' } })).toContain('Set resource option "immutable" to false first.');
    expect(await admin.refused('PATCH', `/domains/${made.id}`, 403, { domain: { name: 'x', options: { immutable: false } } })).toContain('immutable');
    expect((await admin.call('PATCH', `/domains/${made.id}`, 200, { domain: { options: { immutable: null } } })).body.domain.options).toEqual({});
    for (const domain of [{}, { name: '' }, { name: '   ' }, { name: 'x'.repeat(65) }, { name: 1 }, { name: 'y', extra: 1 }, { name: 'y', enabled: 'perhaps' }, { name: 'y', tags: ['a', 'a'] }, { name: 'y', tags: ['a,b'] }, { name: 'y', options: { other: 1 } }, { name: 'Federated' }, { name: 'y', explicit_domain_id: 'nope' }]) {
      await admin.call('POST', '/domains', 400, { domain });
    }
    await admin.call('POST', '/domains', 400, { domain: { name: 'y' }, more: 1 });
    await admin.call('PATCH', `/domains/${made.id}`, 400, { domain: {} });
    await admin.call('PATCH', `/domains/${made.id}`, 400, { domain: { id: 'other', name: 'z' } });
    const id = 'a'.repeat(32);
    expect((await admin.make('domain', { name: 'given', explicit_domain_id: id })).id).toBe(id);
    expect(await admin.refused('PATCH', '/domains/default', 403, { domain: { enabled: false } })).toContain('it is the one that you belong to');
    expect(await admin.refused('DELETE', '/domains/default', 403)).toContain('it is the one that you belong to');
  });
});

describe('projects', () => {
  it('are made, read, changed and deleted, with what we do not know kept', async () => {
    const made = await admin.make('project', { name: 'one', description: 'First', enabled: 'True', tags: ['blue'], cost_centre: { id: 7 }, links: {}, id: 'ignored' });
    expect(made).toEqual({
      id: HEX, name: 'one', domain_id: 'default', description: 'First', enabled: true, parent_id: 'default', is_domain: false, tags: ['blue'], options: {}, cost_centre: { id: 7 },
      links: { self: `${V3}/projects/${made.id}` },
    });
    expect((await admin.call('GET', `/projects/${made.id}`, 200)).body.project).toEqual(made);
    const changed = (await admin.call('PATCH', `/projects/${made.id}`, 200, { project: { name: 'uno', enabled: false, colour: 'red', domain_id: 'default', parent_id: 'default' } })).body.project;
    expect(changed).toEqual({ ...made, name: 'uno', enabled: false, colour: 'red' });
    expect((await admin.call('PATCH', `/projects/${made.id}`, 200, { project: {} })).body.project).toEqual(changed);
    await admin.call('DELETE', `/projects/${made.id}`, 204);
    await admin.call('DELETE', `/projects/${made.id}`, 404);
    const { rows } = await identity.database.admin.query("SELECT action, user_name, detail FROM audit.records WHERE target_id = $1 ORDER BY id", [made.id]);
    expect(rows.map(({ action, user_name: by }) => [action, by])).toEqual([['projects:create', 'admin'], ['projects:update', 'admin'], ['projects:update', 'admin'], ['projects:delete', 'admin']]);
    expect(rows[1].detail).toMatchObject({ name: 'uno', changed: ['colour', 'domain_id', 'enabled', 'name', 'parent_id'], disabled: true });
  });

  it('nest five deep and tell their tree', async () => {
    const ids: string[] = [];
    for (const name of ['t1', 't2', 't3', 't4', 't5']) ids.push((await admin.make('project', { name, ...(ids.length > 0 && { parent_id: ids.at(-1) }) })).id);
    expect(await admin.refused('POST', '/projects', 403, { project: { name: 't6', parent_id: ids[4] } })).toBe(`Max hierarchy depth reached for ${ids[4]} branch.`);
    const [top, second, third] = ids;
    const tree = (await admin.call('GET', `/projects/${third}?parents_as_ids&subtree_as_ids=1`, 200)).body.project;
    expect(tree.parents).toEqual({ [second ?? '']: { [top ?? '']: { default: null } } });
    expect(tree.subtree).toEqual({ [ids[3] ?? '']: { [ids[4] ?? '']: null } });
    expect((await admin.call('GET', `/projects/${ids[4]}?subtree_as_ids`, 200)).body.project.subtree).toBeNull();
    expect((await admin.call('GET', `/projects/${third}?subtree_as_ids=0`, 200)).body.project.subtree).toBeUndefined();
    // Lists hold what the caller could have a token for.
    expect((await admin.call('GET', `/projects/${third}?parents_as_list&subtree_as_list`, 200)).body.project).toMatchObject({ parents: [], subtree: [] });
    const { people: member } = await admin.newUserWith('member', { projectId: third ?? '' });
    expect((await member.call('GET', `/projects/${third}?parents_as_list`, 200)).body.project.parents).toEqual([]);
    await admin.refused('GET', `/projects/${third}?parents_as_list&parents_as_ids`, 400);

    expect(names((await admin.call('GET', `/projects?parent_id=${second}`, 200)).body.projects)).toEqual(['t3']);
    expect(await admin.refused('PATCH', `/projects/${second}`, 403, { project: { enabled: false } })).toBe(`Cannot disable project ${second} since its subtree contains enabled projects.`);
    for (const id of ids.toReversed()) await admin.call('PATCH', `/projects/${id}`, 200, { project: { enabled: false } });
    expect(await admin.refused('PATCH', `/projects/${second}`, 403, { project: { enabled: true } })).toBe(`Cannot enable project ${second} since it has disabled parents`);
    expect(await admin.refused('POST', '/projects', 400, { project: { name: 't', parent_id: second } })).toBe(`cannot create a project in a branch containing a disabled project: ${second}`);
    expect(await admin.refused('DELETE', `/projects/${second}`, 403)).toContain('not a leaf in the hierarchy');
    for (const id of ids.toReversed()) await admin.call('DELETE', `/projects/${id}`, 204);
  });

  it('keep their names apart within a domain, and find their domain by their parent', async () => {
    const domain = await admin.make('domain', { name: 'elsewhere' });
    const top = await admin.make('project', { name: 'same', domain_id: domain.id });
    expect((await admin.make('project', { name: 'child', parent_id: top.id })).domain_id).toBe(domain.id);
    await admin.make('project', { name: 'same' });
    expect(await admin.refused('POST', '/projects', 409, { project: { name: 'same' } })).toMatch(/^Conflict occurred attempting to store project - it is not permitted to have two projects/);
    expect(await admin.refused('POST', '/projects', 400, { project: { name: 'x', domain_id: 'default', parent_id: top.id } })).toContain('a parent in a different domain');
    expect(await admin.refused('POST', '/projects', 400, { project: { name: 'x', domain_id: 'nothing' } })).toBe('Could not find domain: nothing.');
    expect(await admin.refused('POST', '/projects', 400, { project: { name: 'x', parent_id: 'nothing' } })).toBe('Could not find project: nothing.');
    expect(await admin.refused('PATCH', `/projects/${top.id}`, 403, { project: { parent_id: 'default' } })).toBe('Update of `parent_id` is not allowed.');
    expect(await admin.refused('PATCH', `/projects/${top.id}`, 400, { project: { domain_id: 'default' } })).toBe('Cannot change Domain ID');
    for (const project of [{}, { name: ' ' }, { name: 'x'.repeat(65) }, { name: 'x', enabled: 3 }, { name: 'x', tags: 'a' }, { name: 'x', tags: Array.from({ length: 81 }, (_, i) => String(i)) }, { name: 'x', parent_id: '../x' }, { name: 'x', blob: 'y'.repeat(20_000) }, { name: 'x', options: { a: 1 } }]) {
      await admin.call('POST', '/projects', 400, { project });
    }
  });

  it('have one winner when many are made by one name at once', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => identity.call('POST', '/v3/projects', { token: admin.token, body: { project: { name: 'race' } } })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(7).fill(409)]);
  });

  it('are never made below one that is being disabled', async () => {
    const parent = await admin.make('project', { name: 'closing' });
    const [disabled, made] = await Promise.all([
      identity.call('PATCH', `/v3/projects/${parent.id}`, { token: admin.token, body: { project: { enabled: false } } }),
      identity.call('POST', '/v3/projects', { token: admin.token, body: { project: { name: 'late', parent_id: parent.id } } }),
    ]);
    expect([[200, 400], [403, 201]]).toContainEqual([disabled.status, made.status]);
  });

  it('are tagged, one by one and together', async () => {
    const { id } = await admin.make('project', { name: 'tagged' });
    const at = `/projects/${id}/tags`;
    const added = await admin.call('PUT', `${at}/web%20tier`, 201);
    expect(added.headers['location']).toBe(`${V3}${at}/web%20tier`);
    await admin.call('PUT', `${at}/prod`, 201);
    expect((await admin.call('GET', at, 200)).body).toEqual({ tags: ['web tier', 'prod'], links: { self: `${V3}${at}` } });
    await admin.call('GET', `${at}/prod`, 204);
    await admin.call('HEAD', `${at}/prod`, 204);
    expect(await admin.refused('GET', `${at}/no`, 404)).toBe('Could not find project tag: no.');
    await admin.call('DELETE', `${at}/prod`, 204);
    await admin.call('DELETE', `${at}/prod`, 404);
    expect((await admin.call('PUT', at, 200, { tags: ['x', 'y', 'z'] })).body.tags).toEqual(['x', 'y', 'z']);
    for (const tags of [['a', 'a'], ['a/b'], ['a,b'], [''], [1], 'a']) await admin.call('PUT', at, 400, { tags });
    await admin.call('PUT', `${at}/a,b`, 400);
    const other = await admin.make('project', { name: 'tagged2', tags: ['x'] });
    const found = async (query: string): Promise<string[]> => names((await admin.call('GET', `/projects?name__startswith=tagged&sort_key=name&${query}`, 200)).body.projects);
    expect(await found('tags=x,y')).toEqual(['tagged']);
    expect(await found('tags-any=x,q')).toEqual(['tagged', 'tagged2']);
    expect(await found('not-tags=x,y')).toEqual(['tagged2']);
    expect(await found('not-tags-any=y')).toEqual(['tagged2']);
    await Promise.all(Array.from({ length: 10 }, (_, i) => admin.call('PUT', `/projects/${other.id}/tags/p${i}`, 201)));
    expect((await admin.call('GET', `/projects/${other.id}/tags`, 200)).body.tags).toHaveLength(11);
    await admin.call('DELETE', at, 204);
    expect((await admin.call('GET', at, 200)).body.tags).toEqual([]);
    await admin.call('PATCH', `/projects/${id}`, 200, { project: { options: { immutable: true } } });
    await admin.call('PUT', `${at}/a`, 403);
    await admin.call('DELETE', `/projects/${id}`, 403);
  });

  it('are found by parts of their names, in any order, page by page', async () => {
    for (const name of ['Find-A', 'find-b', 'FIND-c']) await admin.make('project', { name });
    const list = async (query: string): Promise<string[]> => names((await admin.call('GET', `/projects?${query}`, 200)).body.projects);
    expect(await list('name__contains=ind-&sort_key=name')).toEqual(['Find-A', 'find-b']);
    expect((await list('name__icontains=IND-')).sort()).toEqual(['FIND-c', 'Find-A', 'find-b']);
    expect(await list('name__iendswith=-C')).toEqual(['FIND-c']);
    expect(await list('name__startswith=FIND')).toEqual(['FIND-c']);
    expect(await list('name__contains=%25')).toEqual([]);
    for (const query of ['sort_key=name', 'sort_key=name&sort_dir=desc', 'sort_dir=desc', 'sort_key=enabled']) {
      const seen: string[] = [];
      let path: string | null = `/projects?name__istartswith=find&limit=1&${query}`;
      while (path !== null) {
        const { body } = await admin.call('GET', path, 200);
        seen.push(...names(body.projects));
        path = body.links.next === null ? null : String(body.links.next).replace(V3, '');
      }
      expect(seen).toEqual(await list(`name__istartswith=find&${query}`));
      expect(seen).toHaveLength(3);
    }
    expect(await admin.refused('GET', '/projects?sort_key=colour', 400)).toContain('sort_key');
  });

  it('show domains as projects to clients that look for them so', async () => {
    const made = await admin.make('project', { name: 'as-project', is_domain: true });
    expect(made).toMatchObject({ domain_id: null, parent_id: null, is_domain: true });
    expect((await admin.call('GET', `/domains/${made.id}`, 200)).body.domain.name).toBe('as-project');
    expect((await admin.call('GET', `/projects/${made.id}?parents_as_ids`, 200)).body.project).toEqual({ ...made, parents: null });
    expect(names((await admin.call('GET', '/projects?is_domain=true&name=as-project', 200)).body.projects)).toEqual(['as-project']);
    expect(names((await admin.call('GET', '/projects', 200)).body.projects)).not.toContain('as-project');
    await admin.call('POST', '/projects', 400, { project: { name: 'x', is_domain: true, parent_id: 'default' } });
    await admin.call('PATCH', `/projects/${made.id}`, 200, { project: { enabled: false } });
    await admin.call('DELETE', `/projects/${made.id}`, 204);
    await admin.call('GET', `/domains/${made.id}`, 404);
  });
});
