import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { getProjectLimits, resetLimits, setDefaultLimits, setLimits } from '#libs/contracts';
import { PROJECT } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

const V = '/compute/v2.1';
const SET = `${V}/os-quota-sets/${PROJECT}`;
const put = (body: unknown, { as = 'admin', version = '2.1', path = SET }: { as?: 'admin' | 'member'; version?: string; path?: string } = {}) => cloud.call('PUT', path, { as, version, body });
const text = ({ status, body }: { status: number; body?: unknown }): [number, string | undefined] => [status, Object.values<{ message?: string }>((body ?? {}) as never)[0]?.message];

describe('a project\'s quotas', () => {
  it('are changed by an admin: by the names of unified limits, numbers and digits alike', async () => {
    const answer = await put({ quota_set: { instances: 5, cores: '7', ram: -1, key_pairs: 1, metadata_items: 2, server_groups: 3, server_group_members: 4, fixed_ips: -1, injected_files: 0 } });
    expect(cloud.questions(setLimits)).toEqual([expect.objectContaining({
      projectId: PROJECT, service: 'compute',
      limits: { 'servers': 5, 'class:VCPU': 7, 'class:MEMORY_MB': -1, 'server_key_pairs': 1, 'server_metadata_items': 2, 'server_groups': 3, 'server_group_members': 4 },
    })]);
    // As they are now, and without an id.
    expect([answer.status, answer.body.quota_set]).toEqual([200, expect.objectContaining({ instances: 10, cores: 20, fixed_ips: -1 })]);
    expect(answer.body.quota_set).not.toHaveProperty('id');
    expect((await put({ quota_set: { cores: 7 } }, { as: 'member' })).status).toBe(403);
    expect((await cloud.call('DELETE', SET)).status).toBe(403);
  });

  it('are not set below what is used, unless by force', async () => {
    expect(text(await put({ quota_set: { server_groups: 1 } }))).toEqual([400, 'Quota limit 1 for server_groups must be greater than or equal to already used and reserved 2.']);
    expect(cloud.questions(setLimits)).toEqual([]);
    for (const body of [{ server_groups: 1, force: true }, { server_groups: 2 }, { server_groups: -1 }, { server_groups: 1, force: 'True' }]) expect((await put({ quota_set: body })).status).toBe(200);
    expect(cloud.questions(setLimits).map(({ limits }) => limits)).toEqual([1, 2, -1, 1].map((limit) => ({ server_groups: limit })));
  });

  it.each<[string, unknown, string, string]>([
    ['an unknown quota', { quota_set: { bricks: 1 } }, '2.1', 'Additional properties are not allowed'],
    ['a network quota where there is none any more', { quota_set: { fixed_ips: -1 } }, '2.36', 'Additional properties are not allowed'],
    ['one that is not kept here', { quota_set: { floating_ips: 10 } }, '2.1', 'compute does not count it'],
    ['too low', { quota_set: { cores: -2 } }, '2.1', 'cores'],
    ['too high', { quota_set: { cores: 2 ** 31 } }, '2.1', 'cores'],
    ['too high, as text', { quota_set: { cores: '99999999999' } }, '2.1', 'cores'],
    ['no number', { quota_set: { cores: 'many' } }, '2.1', 'cores'],
    ['nothing', { quota_set: { cores: null } }, '2.1', 'cores'],
    ['no set', {}, '2.1', "'quota_set' is a required property"],
  ])('refuse %s', async (_, body, version, words) => {
    const [status, message] = text(await put(body, { version }));
    expect([status, message]).toEqual([400, expect.stringContaining(words)]);
    expect(cloud.questions(setLimits)).toEqual([]);
  });

  it('are a project\'s, which there is, and no user\'s', async () => {
    expect(text(await put({ quota_set: { cores: 1 } }, { path: `${V}/os-quota-sets/other` }))).toEqual([400, 'Project ID other is not a valid project.']);
    cloud.answer(getProjectLimits, () => ({ limits: { instances: 1, cores: 1, ramMib: 1, keypairs: 1, metadataItems: 1, serverGroups: 1, serverGroupMembers: 1 }, generation: 1, known: false }));
    expect(text(await put({ quota_set: { cores: 1 } }))).toEqual([400, `Project ID ${PROJECT} is not a valid project.`]);
    expect((await put({ quota_set: { cores: 1 } }, { path: `${SET}?user_id=u` })).status).toBe(400);
    expect((await cloud.call('DELETE', `${SET}?user_id=u`, { as: 'admin' })).status).toBe(202);
    expect([...cloud.questions(setLimits), ...cloud.questions(resetLimits)]).toEqual([]);
  });

  it('are the defaults again', async () => {
    expect([await cloud.call('DELETE', SET, { as: 'admin' })]).toEqual([expect.objectContaining({ status: 202, text: '' })]);
    expect(cloud.questions(resetLimits)).toEqual([expect.objectContaining({ projectId: PROJECT, service: 'compute' })]);
  });
});

describe('the quota class', () => {
  it('is the default one, and an admin changes it', async () => {
    const path = `${V}/os-quota-class-sets/default`;
    const answer = await put({ quota_class_set: { cores: 30 } }, { path, version: '2.57' });
    expect(cloud.questions(setDefaultLimits)).toEqual([expect.objectContaining({ service: 'compute', limits: { 'class:VCPU': 30 } })]);
    expect([answer.status, answer.body]).toEqual([200, { quota_class_set: { cores: 20, instances: 10, ram: 51_200, key_pairs: 100, metadata_items: 128, server_group_members: 10, server_groups: 10 } }]);
    expect((await put({ quota_class_set: { cores: 30 } }, { path, as: 'member' })).status).toBe(403);
    expect(text(await put({ quota_class_set: { cores: 30 } }, { path: `${V}/os-quota-class-sets/gold` }))).toEqual([400, "There is no quota class 'gold': the one class is 'default'."]);
    expect((await put({ quota_class_set: { force: true } }, { path })).status).toBe(400);
    expect(cloud.questions(setDefaultLimits)).toEqual([]);
  });
});
