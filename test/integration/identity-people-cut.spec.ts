import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { IdentityUnderTest, tokenOf } from '../support/identity.js';
import { People } from '../support/identity-people.js';

let identity: IdentityUnderTest;
let admin: People;
beforeAll(async () => {
  identity = await IdentityUnderTest.start();
  admin = await People.asAdmin(identity);
});
afterAll(async () => { await identity.stop(); });

const status = async (token: string): Promise<number> => (await identity.call('GET', '/v3/auth/projects', { token })).status;

/** Until everybody hears of a revocation, which is within two seconds; longer only on a machine that is busy with other things. */
async function ended(token: string): Promise<boolean> {
  const end = Date.now() + 60_000;
  while (Date.now() < end) {
    if ((await status(token)) === 401) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

it('cuts off whoever lost what their token says, and nobody else', async () => {
  const domain = await admin.make('domain', { name: 'closing' });
  const project = async (name: string, domainId = 'default'): Promise<string> => (await admin.make('project', { name, domain_id: domainId })).id;
  const open = await project('open');
  const of = (projectId: string) => admin.newUserWith('member', { projectId });
  const [disabledProject, deletedProject, ofDomain] = [await project('disabled'), await project('deleted'), await project('in-domain', domain.id)];
  const group = await admin.make('group', { name: 'losing' });
  const other = await admin.make('group', { name: 'vanishing' });
  await admin.give({ groupId: other.id }, 'reader', { projectId: open });

  const bystander = await of(open);
  const lost: Record<string, { id: string; people: People }> = {};
  for (const what of ['disabled', 'deleted', 'password set', 'password changed', 'left a group', 'group deleted']) lost[what] = await of(open);
  lost['project disabled'] = await of(disabledProject);
  lost['project deleted'] = await of(deletedProject);
  lost['project in a disabled domain'] = await of(ofDomain);
  lost['user of a disabled domain'] = await admin.newUserWith('member', { projectId: open }, { domain_id: domain.id });
  const id = (what: string): string => lost[what]?.id ?? '';
  await admin.call('PUT', `/groups/${group.id}/users/${id('left a group')}`, 204);
  await admin.call('PUT', `/groups/${other.id}/users/${id('group deleted')}`, 204);
  for (const [what, { people }] of Object.entries(lost)) expect([what, await status(people.token)]).toEqual([what, 200]);

  await admin.call('PATCH', `/users/${id('disabled')}`, 200, { user: { enabled: false } });
  await admin.call('DELETE', `/users/${id('deleted')}`, 204);
  await admin.call('PATCH', `/users/${id('password set')}`, 200, { user: { password: 'a-new-password' } });
  expect((await identity.call('POST', `/v3/users/${id('password changed')}/password`, { body: { user: { original_password: 'a-good-password', password: 'a-new-password' } } })).status).toBe(204);
  const next = await identity.login({ methods: ['password'], password: { user: { id: id('password changed'), password: 'a-new-password' } } }, { project: { id: open } });
  await admin.call('DELETE', `/groups/${group.id}/users/${id('left a group')}`, 204);
  await admin.call('DELETE', `/groups/${other.id}`, 204);
  await admin.call('PATCH', `/projects/${disabledProject}`, 200, { project: { enabled: false } });
  await admin.call('DELETE', `/projects/${deletedProject}`, 204);
  await admin.call('PATCH', `/domains/${domain.id}`, 200, { domain: { enabled: false } });

  for (const [what, { people }] of Object.entries(lost)) expect([what, await ended(people.token)]).toEqual([what, true]);
  expect(await status(bystander.people.token)).toBe(200);
  expect(await status(tokenOf(next))).toBe(200);
});
