/** Placement's read API behind the real door: shapes at their microversions, filters, errors, and that nobody writes. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { getProjectUsage, listAllocations, listProviders, type Allocation, type ResourceProvider } from '#libs/contracts';
import type { z } from 'zod';
import {
  Candidates, ConsumerAllocations, Inventories, InventoryAnswer, PlacementVersions, ProjectUsages, ProviderAggregates, ProviderAllocations, ProviderAnswer, ProviderList, ProviderTraits, ProviderUsages, ResourceClassAnswer,
  ResourceClasses, TraitList,
} from './answers.js';
import { ScriptedCloud } from '../testing/scripted-cloud.js';
import { HOST_ID, PROJECT, SERVER_ID } from '../testing/samples.js';

const AGGREGATE = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';
const inventory = (total: number, used: number, allocationRatio = 1, reserved = 0) => ({ total, reserved, minUnit: 1, maxUnit: total - reserved, stepSize: 1, allocationRatio, used });
const alpha: ResourceProvider = {
  id: HOST_ID, name: 'alpha', generation: 7, updatedAt: '2026-11-21T01:02:03.400Z', traits: ['COMPUTE_NODE', 'CUSTOM_FAST', 'HW_CPU_X86_AVX2'], aggregates: [AGGREGATE],
  inventories: { VCPU: inventory(8, 2, 4), PCPU: inventory(4, 4), MEMORY_MB: inventory(8192, 1024, 1, 512), DISK_GB: inventory(100, 10), CUSTOM_FPGA: inventory(2, 0) },
};
const beta: ResourceProvider = { ...alpha, id: OTHER as never, name: 'beta', traits: ['COMPUTE_NODE'], aggregates: [], inventories: { VCPU: inventory(2, 0), MEMORY_MB: inventory(1024, 0), DISK_GB: inventory(10, 0) } };
const allocation = (change: Partial<Allocation> = {}): Allocation => ({ instanceId: SERVER_ID as never, hostId: HOST_ID as never, purpose: 'run', generation: 3, projectId: PROJECT, resources: { VCPU: 2, MEMORY_MB: 1024, DISK_GB: 10 }, at: '2026-11-21T01:02:03.400Z', ...change });

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); script(); });
afterAll(() => cloud.stop());
afterEach(() => { cloud.reset(); script(); });
/** Two pages, so that paging is walked. */
function script(): void {
  cloud.answer(listProviders, ({ id, after }) => id !== undefined ? { providers: [alpha, beta].filter((one) => one.id === id), next: null } : after === 0 ? { providers: [alpha], next: 1 } : { providers: [beta], next: null });
  cloud.answer(listAllocations, ({ instanceId, hostId }) => ({ allocations: (instanceId === undefined || instanceId === SERVER_ID) && (hostId === undefined || hostId === HOST_ID) ? [allocation()] : [] }));
  cloud.answer(getProjectUsage, () => ({ usages: { VCPU: 2 }, consumers: 1 }));
}
const get = (path: string, minor = 39, as: 'admin' | 'member' | 'nobody' = 'admin') => cloud.call('GET', `/placement${path}`, { as, headers: { 'openstack-api-version': `placement 1.${minor}` } });
const names = async (query: string, minor = 39): Promise<string[]> => ((await get(`/resource_providers?${query}`, minor)).body.resource_providers as { name: string }[]).map(({ name }) => name);

describe('/placement', () => {
  it('says its versions to everybody, and names its range when asked for another', async () => {
    expect((await cloud.call('GET', '/placement', { as: 'nobody' }))).toMatchObject({ status: 200, headers: { 'openstack-api-version': 'placement 1.0' }, body: { versions: [{ id: 'v1.0', min_version: '1.0', max_version: '1.39', status: 'CURRENT' }] } });
    expect(await get('/', 40, 'nobody')).toMatchObject({ status: 406, body: { errors: [{ status: 406, title: 'Not Acceptable', detail: 'Unacceptable version header: 1.40', max_version: '1.39', min_version: '1.0', request_id: expect.stringMatching(/^req-/) }] } });
    expect((await cloud.call('GET', '/placement/', { as: 'nobody', headers: { 'openstack-api-version': 'placement x' } })).status).toBe(400);
    expect((await cloud.call('GET', '/placement/', { as: 'nobody', headers: { 'openstack-api-version': 'compute 2.1, placement latest' } })).headers).toMatchObject({ 'openstack-api-version': 'placement 1.39', 'cache-control': 'no-cache' });
  });

  it('shows hosts as providers, as each version did', async () => {
    expect((await get(`/resource_providers/${HOST_ID}`, 14)).body).toEqual({
      uuid: HOST_ID, name: 'alpha', generation: 7, parent_provider_uuid: null, root_provider_uuid: HOST_ID,
      links: ['', '/aggregates', '/inventories', '/usages', '/traits', '/allocations'].map((part) => ({ rel: part === '' ? 'self' : part.slice(1), href: `/placement/resource_providers/${HOST_ID}${part}` })),
    });
    expect(Object.keys((await get(`/resource_providers/${HOST_ID}`, 0)).body)).toEqual(['uuid', 'name', 'generation', 'links']);
    expect((await get(`/resource_providers/${HOST_ID}/inventories`)).body).toMatchObject({ resource_provider_generation: 7, inventories: { VCPU: { total: 8, reserved: 0, min_unit: 1, max_unit: 8, step_size: 1, allocation_ratio: 4 }, MEMORY_MB: { reserved: 512 } } });
    expect((await get(`/resource_providers/${HOST_ID}/inventories/PCPU`)).body).toMatchObject({ total: 4, resource_provider_generation: 7 });
    expect((await get(`/resource_providers/${HOST_ID}/inventories/VGPU`)).status).toBe(404);
    expect((await get(`/resource_providers/${HOST_ID}/usages`)).body).toEqual({ resource_provider_generation: 7, usages: { VCPU: 2, PCPU: 4, MEMORY_MB: 1024, DISK_GB: 10, CUSTOM_FPGA: 0 } });
    expect((await get(`/resource_providers/${HOST_ID}/traits`)).body).toEqual({ resource_provider_generation: 7, traits: alpha.traits });
    expect((await get(`/resource_providers/${HOST_ID}/aggregates`, 18)).body).toEqual({ aggregates: [AGGREGATE] });
    expect((await get(`/resource_providers/${HOST_ID}/allocations`)).body).toEqual({ resource_provider_generation: 7, allocations: { [SERVER_ID]: { resources: allocation().resources, consumer_generation: 3 } } });
    expect((await get(`/resource_providers/${AGGREGATE}`)).body).toMatchObject({ errors: [{ status: 404, title: 'Not Found', code: 'placement.resource_provider.not_found' }] });
    expect((await get(`/resource_providers/${HOST_ID}/traits`, 5)).status).toBe(404);
  });

  it.each<[string, z.ZodType]>([
    ['/', PlacementVersions], ['/resource_providers', ProviderList], [`/resource_providers/${HOST_ID}`, ProviderAnswer], [`/resource_providers/${HOST_ID}/inventories`, Inventories], [`/resource_providers/${HOST_ID}/inventories/VCPU`, InventoryAnswer],
    [`/resource_providers/${HOST_ID}/usages`, ProviderUsages], [`/resource_providers/${HOST_ID}/traits`, ProviderTraits], [`/resource_providers/${HOST_ID}/aggregates`, ProviderAggregates], [`/resource_providers/${HOST_ID}/allocations`, ProviderAllocations],
    [`/allocations/${SERVER_ID}`, ConsumerAllocations], [`/allocations/${OTHER}`, ConsumerAllocations], [`/usages?project_id=${PROJECT}`, ProjectUsages], ['/traits', TraitList], ['/resource_classes', ResourceClasses], ['/resource_classes/VCPU', ResourceClassAnswer],
    ['/allocation_candidates?resources=VCPU:1', Candidates],
  ])('answers %s as its document says', async (path, shape) => {
    const { status, body } = await get(path);
    expect([status, shape.safeParse(body).error?.issues ?? []]).toEqual([200, []]);
  });

  it.each<[string, string[]]>([
    ['', ['alpha', 'beta']], ['name=beta', ['beta']], [`uuid=${HOST_ID}`, ['alpha']], [`in_tree=${OTHER}`, ['beta']],
    ['resources=VCPU:8,MEMORY_MB:512', ['alpha']], ['resources=VCPU:9', []], ['resources=PCPU:1', []], ['resources=CUSTOM_FPGA:2', ['alpha']], ['resources=VCPU:2', ['alpha', 'beta']],
    ['required=CUSTOM_FAST', ['alpha']], ['required=COMPUTE_NODE,!CUSTOM_FAST', ['beta']], ['required=in:CUSTOM_FAST,HW_CPU_X86_AVX2', ['alpha']],
    [`member_of=in:${AGGREGATE},${OTHER}`, ['alpha']], [`member_of=!${AGGREGATE}`, ['beta']], [`member_of=${AGGREGATE}&member_of=${OTHER}`, []],
  ])('narrows providers by %s', async (query, expected) => {
    expect(await names(query)).toEqual(expected);
  });

  it.each<[string, number]>([
    ['/resource_providers?resources=VCPU', 39], ['/resource_providers?resources=VCPU:0', 39], ['/resource_providers?resources=CUSTOM_NOTHING:1', 39], ['/resource_providers?required=CUSTOM_NOWHERE', 39],
    ['/resource_providers?required=a', 39], ['/resource_providers?required=A,!A', 39], ['/resource_providers?member_of=x', 39], ['/resource_providers?in_tree=x', 39], ['/resource_providers?colour=red', 39],
    ['/resource_providers?resources=VCPU:1', 3], ['/resource_providers?required=!COMPUTE_NODE', 21], ['/resource_providers?required=COMPUTE_NODE', 17], ['/usages', 39], [`/usages?project_id=${PROJECT}&user_id=u`, 39],
    ['/allocation_candidates', 39], ['/allocation_candidates?resources=VCPU:1&limit=0', 39], ['/allocation_candidates?resources1=VCPU:1&resources2=VCPU:1', 39], ['/allocation_candidates?resources1=VCPU:1', 24],
    ['/traits?name=x', 39], ['/traits?associated=perhaps', 39],
  ])('%s at 1.%i: 400 in its words', async (path, minor) => {
    expect(await get(path, minor)).toMatchObject({ status: 400, body: { errors: [{ status: 400, title: 'Bad Request', detail: expect.any(String), code: expect.stringMatching(/^placement\./) }] } });
  });

  it('shows what a server holds, and a project', async () => {
    expect((await get(`/allocations/${SERVER_ID}`)).body).toEqual({
      allocations: { [HOST_ID]: { generation: 7, resources: allocation().resources } }, project_id: PROJECT, user_id: expect.any(String), consumer_generation: 3, consumer_type: 'INSTANCE',
    });
    expect(Object.keys((await get(`/allocations/${SERVER_ID}`, 11)).body)).toEqual(['allocations']);
    expect((await get(`/allocations/${OTHER}`)).body).toEqual({ allocations: {} });
    expect((await get('/allocations/nobody')).status).toBe(404);
    // Without dashes, as some clients write them; and what looks like an id and cannot be one.
    expect((await get(`/allocations/${SERVER_ID.replaceAll('-', '')}`)).body.allocations).toHaveProperty(HOST_ID);
    expect((await get('/allocations/11111111-1111-0111-1111-111111111111')).status).toBe(404);
    expect((await get('/resource_providers/11111111-1111-0111-1111-111111111111')).status).toBe(404);
    // A move holds two hosts, or one host twice.
    cloud.answer(listAllocations, () => ({ allocations: [allocation(), allocation({ purpose: 'move', generation: 4 }), allocation({ purpose: 'move', hostId: OTHER as never })] }));
    expect((await get(`/allocations/${SERVER_ID}`)).body).toMatchObject({ allocations: { [HOST_ID]: { resources: { VCPU: 4 } }, [OTHER]: { resources: { VCPU: 2 } } }, consumer_generation: 4 });
    expect((await get(`/usages?project_id=${PROJECT}`, 37)).body).toEqual({ usages: { VCPU: 2 } });
    expect((await get(`/usages?project_id=${PROJECT}`)).body).toEqual({ usages: { INSTANCE: { VCPU: 2, consumer_count: 1 } } });
  });

  it('answers candidates from the inventories', async () => {
    const { body } = await get('/allocation_candidates?resources=VCPU:2,MEMORY_MB:512&required=COMPUTE_NODE');
    expect(body.allocation_requests).toEqual([HOST_ID, OTHER].map((id) => ({ allocations: { [id]: { resources: { VCPU: 2, MEMORY_MB: 512 } } }, mappings: { '': [id] } })));
    expect(body.provider_summaries[HOST_ID]).toEqual({
      resources: { VCPU: { capacity: 32, used: 2 }, PCPU: { capacity: 4, used: 4 }, MEMORY_MB: { capacity: 7680, used: 1024 }, DISK_GB: { capacity: 100, used: 10 }, CUSTOM_FPGA: { capacity: 2, used: 0 } },
      traits: alpha.traits, parent_provider_uuid: null, root_provider_uuid: HOST_ID,
    });
    expect((await get('/allocation_candidates?resources=VCPU:2', 10)).body).toMatchObject({ allocation_requests: [{ allocations: [{ resource_provider: { uuid: HOST_ID }, resources: { VCPU: 2 } }] }, {}], provider_summaries: { [HOST_ID]: { resources: { VCPU: { capacity: 32, used: 2 } } } } });
    expect((await get('/allocation_candidates?resources=VCPU:2&limit=1')).body.allocation_requests).toHaveLength(1);
    // Groups together have to fit one host; on different ones of a tree there are none.
    expect((await get('/allocation_candidates?resources1=VCPU:2&resources2=VCPU:1&group_policy=none')).body.allocation_requests).toHaveLength(1);
    expect((await get('/allocation_candidates?resources1=VCPU:1&resources2=VCPU:1&group_policy=isolate')).body.allocation_requests).toEqual([]);
    expect((await get('/allocation_candidates?resources=VCPU:2', 9)).status).toBe(404);
    cloud.answer(listProviders, () => ({ providers: [{ ...alpha, takesNew: false }, { ...beta, takesNew: true }], next: null }));
    expect(Object.keys((await get('/allocation_candidates?resources=VCPU:1')).body.provider_summaries as object)).toEqual([OTHER]);
  });

  it('knows traits and classes by name', async () => {
    expect((await get('/traits?name=startswith:CUSTOM_')).body).toEqual({ traits: ['CUSTOM_FAST'] });
    expect((await get('/traits?associated=true')).body).toEqual({ traits: [...alpha.traits].sort() });
    expect((await get('/traits?name=in:COMPUTE_NODE,CUSTOM_FAST,NOPE')).body).toEqual({ traits: ['COMPUTE_NODE', 'CUSTOM_FAST'] });
    expect((await get('/traits/CUSTOM_FAST')).status).toBe(204);
    expect((await get('/traits/CUSTOM_SLOW')).status).toBe(404);
    expect((await get('/resource_classes')).body.resource_classes.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(['VCPU', 'PCPU', 'CUSTOM_FPGA']));
    expect((await get('/resource_classes/CUSTOM_FPGA')).body).toEqual({ name: 'CUSTOM_FPGA', links: [{ rel: 'self', href: '/placement/resource_classes/CUSTOM_FPGA' }] });
    expect((await get('/resource_classes/CUSTOM_NOTHING')).status).toBe(404);
  });

  it.each([['POST', '/resource_providers'], ['PUT', `/resource_providers/${HOST_ID}`], ['DELETE', `/resource_providers/${HOST_ID}`], ['PUT', `/resource_providers/${HOST_ID}/inventories`], ['PUT', `/resource_providers/${HOST_ID}/inventories/VCPU`], ['PUT', `/resource_providers/${HOST_ID}/traits`],
    ['PUT', `/resource_providers/${HOST_ID}/aggregates`], ['PUT', `/allocations/${SERVER_ID}`], ['DELETE', `/allocations/${SERVER_ID}`], ['POST', '/allocations'], ['PUT', '/traits/CUSTOM_X'], ['PUT', '/resource_classes/CUSTOM_X'], ['POST', '/reshaper']])('%s %s is not for anybody', async (method, path) => {
    const answer = await cloud.call(method, `/placement${path}`, { as: 'admin', body: method === 'DELETE' ? undefined : {} });
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET' }, body: { errors: [{ status: 405, detail: expect.stringContaining("Skylite's scheduler owns") }] } });
    expect((await cloud.call(method, `/placement${path}`, { body: method === 'DELETE' ? undefined : {} })).status).toBe(403);
  });

  it.each(['/resource_providers', `/resource_providers/${HOST_ID}`, `/resource_providers/${HOST_ID}/usages`, '/traits', '/resource_classes', '/usages?project_id=x', `/allocations/${SERVER_ID}`, '/allocation_candidates?resources=VCPU:1'])('%s is for admins', async (path) => {
    expect(await get(path, 39, 'member')).toMatchObject({ status: 403, body: { errors: [{ status: 403 }] } });
    expect((await get(path, 39, 'nobody')).status).toBe(401);
  });
});
