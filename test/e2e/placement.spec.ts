/** Placement, aggregates, zones, groups and hints with the distribution's own client (osc-placement). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, eventually, openstack, openstackJson, type Api } from '../support/cloud.js';

interface Host { id: string; name: string; availabilityZone: string; enabled: boolean; alive: boolean }
interface Scheduling { placed: { host?: string; availabilityZone: string; at: string | null; resources: Record<string, number> } | null; explanation: { filters: { name: string; refused: number; reason: string; hosts?: unknown }[] } | null }

describe('placement with osc-placement', () => {
  let cloud: Api;
  let hosts: Host[];
  let zone: string;
  let image: string;
  const made: string[] = [];
  beforeAll(async () => {
    cloud = await api();
    const all = (await cloud.call('GET', '/v1/hosts')).body.hosts as Host[];
    // The zone with most hosts: what is tried needs two.
    const of = (name: string): Host[] => all.filter(({ availabilityZone, alive, enabled }) => availabilityZone === name && alive && enabled);
    zone = [...new Set(all.map(({ availabilityZone }) => availabilityZone))].sort((a, b) => of(b).length - of(a).length)[0]!;
    hosts = of(zone);
    image = ((await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).body.images as { id: string }[])[0]!.id;
    expect(hosts.length).toBeGreaterThan(1);
  });
  afterAll(async () => { for (const id of made) await cloud.call('DELETE', `/compute/v2.1/servers/${id}`); });

  const create = async (name: string, hints: string[] = []): Promise<string> => {
    const words = ['server', 'create', name, '--image', image, '--flavor', '42', '--availability-zone', zone, ...hints.flatMap((hint) => ['--hint', hint])];
    const { id } = await openstackJson<{ id: string }>(words);
    made.push(id);
    return id;
  };
  const scheduling = async (id: string, as: Api = cloud): Promise<Scheduling> => (await as.call('GET', `/v1/servers/${id}/scheduling`)).body as unknown as Scheduling;
  const hostOf = (id: string): Promise<string> => eventually('a host', 180_000, async () => (await scheduling(id)).placed?.host);
  const refusalOf = (id: string): Promise<NonNullable<Scheduling['explanation']>> => eventually('a refusal', 180_000, async () => {
    const { placed, explanation } = await scheduling(id);
    return placed === null && explanation !== null && explanation;
  });

  it('lists hosts as providers, what they have and what is used', async () => {
    const providers = await openstackJson<{ uuid: string; name: string; generation: number }[]>(['resource', 'provider', 'list']);
    for (const { id, name } of hosts) expect(providers).toContainEqual(expect.objectContaining({ uuid: id, name }));
    const { id, name } = hosts[0]!;
    expect(await openstackJson(['resource', 'provider', 'show', id, '--allocations'])).toMatchObject({ uuid: id, name, root_provider_uuid: id, parent_provider_uuid: null });
    expect(await openstackJson<{ name: string }[]>(['resource', 'provider', 'list', '--name', name])).toHaveLength(1);
    const inventory = await openstackJson<{ resource_class: string; total: number; allocation_ratio: number }[]>(['resource', 'provider', 'inventory', 'list', id]);
    expect(inventory.map((row) => row.resource_class)).toEqual(expect.arrayContaining(['VCPU', 'MEMORY_MB', 'DISK_GB']));
    const usage = await openstackJson<{ resource_class: string; usage: number }[]>(['resource', 'provider', 'usage', 'show', id]);
    expect(usage.map((row) => row.resource_class)).toEqual(inventory.map((row) => row.resource_class));
    const traits = await openstackJson<{ name: string }[]>(['resource', 'provider', 'trait', 'list', id]);
    expect((await openstackJson<{ name: string }[]>(['trait', 'list', '--associated'])).map((trait) => trait.name)).toEqual(expect.arrayContaining(traits.map((trait) => trait.name)));
    expect(await openstackJson<{ name: string }[]>(['resource', 'class', 'list'])).toContainEqual({ name: 'PCPU' });
    const candidates = await openstackJson<{ 'resource provider': string }[]>(['allocation', 'candidate', 'list', '--resource', 'VCPU=1', '--resource', 'MEMORY_MB=64', '--required', traits[0]!.name]);
    expect(candidates.map((row) => row['resource provider'])).toContain(id);
    await expect(openstack(['resource', 'provider', 'create', 'mine'])).rejects.toThrow(/read-only here/);
    await expect(openstack(['resource', 'provider', 'list'], { as: 'demo-openrc' })).rejects.toThrow(/not authorized/i);
  });

  it('makes aggregates and zones', async () => {
    const V = ['--os-compute-api-version', '2.41'];
    const { name, id } = hosts[0]!;
    const aggregate = await openstackJson<{ id: number; uuid: string }>([...V, 'aggregate', 'create', 'conformance']);
    try {
      await openstack([...V, 'aggregate', 'set', '--property', 'ssd=true', 'conformance']);
      expect(await openstackJson([...V, 'aggregate', 'add', 'host', 'conformance', name])).toMatchObject({ hosts: [name] });
      expect(await openstackJson([...V, 'aggregate', 'show', 'conformance'])).toMatchObject({ name: 'conformance', properties: { ssd: 'true' }, hosts: [name] });
      expect(await openstackJson([...V, 'aggregate', 'list', '--long'])).toContainEqual(expect.objectContaining({ Name: 'conformance' }));
      expect(await openstackJson(['resource', 'provider', 'aggregate', 'list', id])).toEqual([{ uuid: aggregate.uuid }]);
      expect(await openstackJson<{ name: string }[]>(['resource', 'provider', 'list', '--member-of', aggregate.uuid])).toMatchObject([{ name }]);
      await openstack([...V, 'aggregate', 'remove', 'host', 'conformance', name]);
    } finally {
      await openstack([...V, 'aggregate', 'delete', 'conformance']);
    }
    expect(await openstackJson(['availability', 'zone', 'list', '--compute'])).toContainEqual({ 'Zone Name': zone, 'Zone Status': 'available' });
  });

  it('keeps servers together and apart: groups and hints; refusals say why', async () => {
    const V = ['--os-compute-api-version', '2.64'];
    const group = async (policy: string): Promise<string> => (await openstackJson<{ id: string }>([...V, 'server', 'group', 'create', '--policy', policy, `conformance-${policy}`])).id;
    const [apart, together] = [await group('anti-affinity'), await group('affinity')];
    const first = await create('apart-1', [`group=${apart}`]);
    const second = await create('apart-2', [`group=${apart}`]);
    expect(await hostOf(first)).not.toBe(await hostOf(second));
    const pair = [await create('together-1', [`group=${together}`]), await create('together-2', [`group=${together}`])] as const;
    expect(await hostOf(pair[0])).toBe(await hostOf(pair[1]));
    expect(await hostOf(await create('beside', [`same_host=${first}`]))).toBe(await hostOf(first));
    expect(await hostOf(await create('away', [`different_host=${first}`]))).not.toBe(await hostOf(first));

    // As many as there are hosts are placed, one more is not; the question said so before.
    const fit = await cloud.call('POST', '/v1/placement/fit', { flavor: '42', image, count: 50, availability_zone: zone, group: apart });
    expect(fit.body).toMatchObject({ asked: 50, fits: hosts.length - 2, explanation: { filters: expect.arrayContaining([expect.objectContaining({ name: 'anti-affinity' })]) } });
    for (let n = 2; n < hosts.length; n += 1) await hostOf(await create(`apart-${n + 1}`, [`group=${apart}`]));
    const refused = await refusalOf(await create('one-too-many', [`group=${apart}`]));
    expect(refused.filters).toContainEqual(expect.objectContaining({ name: 'anti-affinity', hosts: expect.any(Array) }));

    // What is claimed shows in Placement's words, and to its own project alone.
    expect(await openstackJson(['resource', 'provider', 'allocation', 'show', first])).toMatchObject([{ resources: expect.objectContaining({ VCPU: 1 }) }]);
    expect((await scheduling(first)).placed).toMatchObject({ availabilityZone: zone, at: expect.any(String), resources: { VCPU: 1 } });
    const demo = await api('demo-openrc');
    expect((await demo.call('GET', `/v1/servers/${first}/scheduling`)).status).toBe(404);
    const capacity = await demo.call('GET', '/v1/placement/capacity');
    expect(capacity.body.flavors).toContainEqual(expect.objectContaining({ id: '42', zones: expect.arrayContaining([{ name: zone, fits: expect.any(Number) }]) }));
    const policy = await cloud.call('GET', '/v1/placement/policy');
    expect(policy.body).toMatchObject({ policy: { filters: expect.arrayContaining([{ name: 'anti-affinity' }]), weighers: expect.arrayContaining([expect.objectContaining({ name: 'ram' })]) } });

    for (const id of made.splice(0)) await cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
    for (const id of [apart, together]) await openstack([...V, 'server', 'group', 'delete', id]);
  });
});
