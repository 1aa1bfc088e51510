/** Flavors with specs and access, keypairs, server groups and usage, against PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  addFlavorAccess, createFlavor, createKeypair, createServerGroup, createServers, deleteFlavor, deleteFlavorExtraSpec, deleteServerGroup, getFlavor, getServerGroup, getUsage, listFlavorAccess,
  listFlavors, listKeypairs, listServerGroups, listServerUsages, removeFlavorAccess, setFlavorExtraSpecs, updateFlavor, type Flavor, type FlavorSortKey, type InputOf,
} from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, ComputeUnderTest, request } from '../support/compute-service.js';
import { callerOf, ComputeWorld } from '../support/compute-world.js';

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest;
const p1 = callerOf('p1');
const p2 = callerOf('p2');
const admin = callerOf('p1', { isAdmin: true });

beforeAll(async () => {
  t = await startTestDatabase('compute');
  world = new ComputeWorld(1, 100);
  compute = await new ComputeUnderTest(world, t.db).start();
});
afterAll(async () => {
  await compute.stop();
  await world.close();
  await t.stop();
});

const flavor = (change: Partial<Flavor> & { id: string }): Flavor => ({
  name: `n-${change.id}`, vcpus: 1, ramMib: 64, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: {}, ...change,
});
const make = (change: Partial<Flavor> & { id: string }): Promise<Flavor> => world.bus.ask(createFlavor, { caller: admin, flavor: flavor(change) });
const ids = async (change: Partial<InputOf<typeof listFlavors>> = {}): Promise<string[]> =>
  (await world.bus.ask(listFlavors, { caller: p1, isPublic: true, limit: 1000, ...change })).flavors.map(({ id }) => id);

describe('flavors', () => {
  it('have so many extra specs at most, and so long, however they come', async () => {
    const many = (count: number): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 'v']));
    await make({ id: 'many', extraSpecs: many(256) });
    await expect(make({ id: 'more', extraSpecs: many(257) })).rejects.toThrow('A flavor has at most 256 extra specs; flavor more would have more.');
    await expect(world.bus.ask(setFlavorExtraSpecs, { caller: admin, flavorId: 'many', extraSpecs: { one: 'more' } })).rejects.toThrow('A flavor has at most 256 extra specs; flavor many would have more.');
    for (const extraSpecs of [{ a: 'v'.repeat(256) }, { ['k'.repeat(256)]: 'v' }, { '': 'v' }] as Record<string, string>[]) await expect(make({ id: 'long', extraSpecs })).rejects.toMatchObject({ kind: 'bad-request' });
    await world.bus.ask(deleteFlavor, { caller: admin, flavorId: 'many' });
  });

  it('are not written with device classes of which nobody can say that they are there', async () => {
    world.deviceClasses = { gpu: { total: 2, available: 2, mostPerHost: 1, mostAvailablePerHost: 1 } };
    const specs = (classes: string): Record<string, string> => ({ 'pci_passthrough:alias': classes });
    await expect(make({ id: 'devices', extraSpecs: specs('gpu:1,fpga:1') })).rejects.toThrow('PCI alias fpga is not defined. What to do: name a device class (there are gpu), or make one: skylite device class create fpga ….');
    world.schedulerAway = true;
    await expect(make({ id: 'devices', extraSpecs: specs('gpu:1') })).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining('Nothing was written. What to do: try again when it is back.') });
    await make({ id: 'devices' });
    await expect(world.bus.ask(setFlavorExtraSpecs, { caller: admin, flavorId: 'devices', extraSpecs: specs('gpu:1') })).rejects.toMatchObject({ kind: 'unavailable' });
    // What names none is nobody's question.
    await world.bus.ask(setFlavorExtraSpecs, { caller: admin, flavorId: 'devices', extraSpecs: { a: 'b' } });
    world.schedulerAway = false;
    await world.bus.ask(setFlavorExtraSpecs, { caller: admin, flavorId: 'devices', extraSpecs: specs('gpu:1') });
    await world.bus.ask(deleteFlavor, { caller: admin, flavorId: 'devices' });
    world.deviceClasses = {};
  });

  it('that are not public are seen by admins and by projects with access', async () => {
    await make({ id: 'hidden', isPublic: false });
    const access = { caller: admin, flavorId: 'hidden', projectId: 'p2' };
    expect(await ids({ caller: p2 })).not.toContain('hidden');
    await expect(world.bus.ask(getFlavor, { caller: p2, flavorId: 'hidden' })).rejects.toThrow('Flavor hidden could not be found.');
    expect((await world.bus.ask(addFlavorAccess, { ...access, privateOnly: true })).projectIds).toEqual(['p2']);
    await expect(world.bus.ask(addFlavorAccess, { ...access, privateOnly: true })).rejects.toThrow('Flavor access already exists for flavor hidden and project p2 combination.');
    expect(await ids({ caller: p2 })).toContain('hidden');
    expect(await ids({ caller: p1 })).not.toContain('hidden');
    expect(await ids({ caller: p2, limit: 1000, marker: 'hidden' })).not.toContain('hidden');
    await expect(ids({ caller: p1, marker: 'hidden' })).rejects.toThrow('marker [hidden] not found');
    expect((await world.bus.ask(getFlavor, { caller: p2, flavorId: 'hidden' })).id).toBe('hidden');
    expect(await ids({ caller: admin })).not.toContain('hidden');
    expect(await ids({ caller: admin, isPublic: false })).toEqual(['hidden']);
    expect(await ids({ caller: admin, isPublic: null })).toContain('hidden');
    // A server of it: for those who see it.
    await expect(new Client(world, p1).create({ flavorId: 'hidden' })).rejects.toThrow('Flavor hidden could not be found.');
    expect((await new Client(world, p2).create({ flavorId: 'hidden' })).flavor.id).toBe('hidden');
    expect((await world.bus.ask(removeFlavorAccess, access)).projectIds).toEqual([]);
    await expect(world.bus.ask(removeFlavorAccess, access)).rejects.toThrow('Flavor access not found for hidden / p2 combination.');
    await expect(world.bus.ask(addFlavorAccess, { ...access, flavorId: '42', privateOnly: true })).rejects.toThrow('Can not add access to a public flavor.');
    await expect(world.bus.ask(listFlavorAccess, { caller: admin, flavorId: '42' })).rejects.toThrow('Access list not available for public flavors.');
    await world.bus.ask(addFlavorAccess, { ...access, privateOnly: false });
    await world.bus.ask(deleteFlavor, { caller: admin, flavorId: 'hidden' });
    await make({ id: 'hidden', isPublic: false });
    expect((await world.bus.ask(listFlavorAccess, { caller: admin, flavorId: 'hidden' })).projectIds).toEqual([]);
  });

  it('are sorted by any key, and pages miss and repeat nothing', async () => {
    for (const [index, ramMib] of [300, 100, 200, 100].entries()) await make({ id: `s${index}`, ramMib, description: index === 0 ? 'a' : null, disabled: index === 3 });
    const keys: FlavorSortKey[] = ['created_at', 'description', 'disabled', 'ephemeral_gb', 'flavorid', 'id', 'is_public', 'memory_mb', 'name', 'root_gb', 'rxtx_factor', 'swap', 'updated_at', 'vcpu_weight', 'vcpus'];
    for (const sortKey of keys) {
      for (const sortDirection of ['asc', 'desc'] as const) {
        const all = await ids({ caller: admin, isPublic: null, sortKey, sortDirection });
        const paged: string[] = [];
        for (let page = await ids({ caller: admin, isPublic: null, sortKey, sortDirection, limit: 3 }); page.length > 0;) {
          paged.push(...page);
          page = await ids({ caller: admin, isPublic: null, sortKey, sortDirection, limit: 3, marker: page.at(-1) as string });
        }
        expect([sortKey, sortDirection, paged]).toEqual([sortKey, sortDirection, all]);
        expect(new Set(all).size).toBe(all.length);
      }
    }
    const made = (found: string[]) => found.filter((id) => id.startsWith('s'));
    expect(made(await ids({ caller: admin, isPublic: null, sortKey: 'memory_mb' }))).toEqual(['s1', 's3', 's2', 's0']);
    expect(made(await ids({ caller: admin, isPublic: null, sortKey: 'memory_mb', sortDirection: 'desc' }))).toEqual(['s0', 's2', 's3', 's1']);
    expect(made(await ids())).toEqual(['s0', 's1', 's2']);
    expect(made(await ids({ caller: admin, minRamMib: 200 }))).toEqual(['s0', 's2']);
  });

  it('have extra specs that are added, replaced and deleted', async () => {
    await make({ id: 'specs' });
    const set = (extraSpecs: Record<string, string>) => world.bus.ask(setFlavorExtraSpecs, { caller: admin, flavorId: 'specs', extraSpecs });
    await Promise.all([set({ a: '1' }), set({ b: '2' }), set({ c: '3' })]);
    expect((await set({ a: '9' })).extraSpecs).toEqual({ a: '9', b: '2', c: '3' });
    await world.bus.ask(deleteFlavorExtraSpec, { caller: admin, flavorId: 'specs', key: 'b' });
    await expect(world.bus.ask(deleteFlavorExtraSpec, { caller: admin, flavorId: 'specs', key: 'b' })).rejects.toThrow('Flavor specs has no extra specs with key b.');
    await expect(set(Object.fromEntries(Array.from({ length: 256 }, (_, index) => [`k${index}`, 'v'])))).rejects.toThrow('at most 256 extra specs');
    expect((await world.bus.ask(getFlavor, { caller: p1, flavorId: 'specs' })).extraSpecs).toEqual({ a: '9', c: '3' });
    expect((await world.bus.ask(updateFlavor, { caller: admin, flavorId: 'specs', description: 'd' })).description).toBe('d');
  });

  it('are changed by admins only, and only where they are', async () => {
    const gone = { caller: admin, flavorId: 'gone' };
    const asks = (who: object) => [
      world.bus.ask(updateFlavor, { ...gone, ...who, description: null }), world.bus.ask(setFlavorExtraSpecs, { ...gone, ...who, extraSpecs: { a: '1' } }),
      world.bus.ask(deleteFlavorExtraSpec, { ...gone, ...who, key: 'a' }), world.bus.ask(listFlavorAccess, { ...gone, ...who }),
      world.bus.ask(addFlavorAccess, { ...gone, ...who, projectId: 'p', privateOnly: true }), world.bus.ask(removeFlavorAccess, { ...gone, ...who, projectId: 'p' }),
    ];
    for (const ask of asks({})) await expect(ask).rejects.toMatchObject({ kind: 'not-found', message: 'Flavor gone could not be found.' });
    for (const ask of asks({ caller: p1 })) await expect(ask).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(make({ id: 'specs' })).rejects.toMatchObject({ kind: 'conflict', message: 'Flavor with ID specs already exists.' });
    await expect(make({ id: 'new', name: 'n-specs' })).rejects.toMatchObject({ kind: 'conflict', message: 'Flavor with name n-specs already exists.' });
  });
});

// Self-signed, CN=demo, for tests.
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUSImuBegEJC9JZWLztvx5++ZIO24wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEZGVtbzAgFw0yNjExMjEwNTUxMTFaGA8yMTI2MTAyODA1NTEx
MVowDzENMAsGA1UEAwwEZGVtbzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJFS
FMtFZcb5RzPaCCi5gnrvmlhA5qj7CgQWMQt6CBOUSQMeyYIWALFwMiZIoWOjefMB
qMNdW385OT/oz+9jS0SjUzBRMB0GA1UdDgQWBBSISzfNxqvj1oumxgRq9VhDLMbL
HzAfBgNVHSMEGDAWgBSISzfNxqvj1oumxgRq9VhDLMbLHzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCID3hE2RWb5JsCfGAvippF8VUMe7X6qXbxtd+
Cvis82jSAiB4J5ViBBpcpitjzOJ0IN4SmcOdxhhTS3K1u6ZVKbJqjg==
-----END CERTIFICATE-----`;

describe('keypairs', () => {
  it('are made for another user by admins', async () => {
    const made = { name: 'theirs', type: 'ssh' as const, publicKey: null, userId: 'somebody' };
    await expect(world.bus.ask(createKeypair, { caller: p1, ...made })).rejects.toMatchObject({ kind: 'forbidden' });
    expect((await world.bus.ask(createKeypair, { caller: admin, ...made })).keypair.userId).toBe('somebody');
    expect((await world.bus.ask(listKeypairs, { caller: admin, userId: 'somebody', limit: 10 })).keypairs).toHaveLength(1);
    await expect(world.bus.ask(listKeypairs, { caller: admin, userId: 'somebody', limit: 10, marker: 'nope' })).rejects.toThrow('Marker nope could not be found.');
  });
  it('certificates are brought, not made', async () => {
    await expect(world.bus.ask(createKeypair, { caller: p1, name: 'c', type: 'x509', publicKey: null })).rejects.toMatchObject({ kind: 'unsupported' });
    const made = await world.bus.ask(createKeypair, { caller: p1, name: 'cert', type: 'x509', publicKey: CERTIFICATE });
    expect([made.privateKey, made.keypair.type, made.keypair.fingerprint]).toEqual([null, 'x509', '1f:0b:3f:78:40:07:92:19:81:2e:6a:cf:83:8c:11:a0:7a:a7:dc:a6']);
    for (const publicKey of ['ssh-ed25519 AAAA', CERTIFICATE.replace('MIIB', 'NIIB')]) await expect(world.bus.ask(createKeypair, { caller: p1, name: 'c', type: 'x509', publicKey })).rejects.toThrow('Keypair data is invalid: failed to generate X509 fingerprint.');
  });
});

describe('server groups', () => {
  const group = (change: Partial<InputOf<typeof createServerGroup>> = {}) =>
    world.bus.ask(createServerGroup, { caller: p1, groupId: randomUUID(), name: 'g', policy: 'anti-affinity', maxServerPerHost: null, ...change });
  const joining = (groupId: string, count = 1, caller = p1) =>
    world.bus.ask(createServers, { ...request(caller, { caller: { ...caller, requestId: `req-${randomUUID()}` } }), instanceIds: Array.from({ length: count }, () => randomUUID()) as never, minCount: count, groupId });

  it('the same id again is the same group', async () => {
    const groupId = randomUUID();
    expect(await group({ groupId, maxServerPerHost: 2 })).toEqual({ id: groupId, projectId: 'p1', userId: p1.userId, name: 'g', policy: 'anti-affinity', maxServerPerHost: 2, members: [] });
    expect((await group({ groupId, name: 'other' })).name).toBe('g');
    await expect(group({ groupId, caller: p2 })).rejects.toMatchObject({ kind: 'conflict' });
    await expect(group({ policy: 'affinity', maxServerPerHost: 2 })).rejects.toThrow('Only anti-affinity policy supports rules.');
  });

  it.each(['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'] as const)('with %s', async (policy) => expect((await group({ policy })).policy).toBe(policy));

  it('have the servers that joined and are not deleted; deleting a group leaves them', async () => {
    const { id: groupId } = await group();
    const client = new Client(world, p1);
    const { instances: [first, second] } = await joining(groupId, 2);
    const third = await client.create({ groupId });
    expect((await world.bus.ask(getServerGroup, { caller: p1, groupId })).members).toEqual([first?.id, second?.id, third.id]);
    expect((await client.get(third.id)).groupId).toBe(groupId);
    await client.delete(third.id);
    expect((await world.bus.ask(listServerGroups, { caller: p1, projectId: 'p1', offset: 0, limit: 1000 })).groups.find(({ id }) => id === groupId)?.members).toEqual([first?.id, second?.id]);
    await world.bus.ask(deleteServerGroup, { caller: p1, groupId });
    expect((await client.get(first?.id as string)).groupId).toBeNull();
    await expect(world.bus.ask(deleteServerGroup, { caller: p1, groupId })).rejects.toMatchObject({ kind: 'not-found', message: `Instance group ${groupId} could not be found.` });
  });

  it('are their project’s', async () => {
    const { id: groupId } = await group();
    await expect(world.bus.ask(getServerGroup, { caller: p2, groupId })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(world.bus.ask(deleteServerGroup, { caller: p2, groupId })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(joining(groupId, 1, p2)).rejects.toMatchObject({ kind: 'bad-request', message: `Instance group ${groupId} could not be found.` });
    await expect(world.bus.ask(listServerGroups, { caller: p2, projectId: null, offset: 0, limit: 10 })).rejects.toMatchObject({ kind: 'forbidden' });
    expect((await world.bus.ask(getServerGroup, { caller: admin, groupId })).id).toBe(groupId);
    const all = await world.bus.ask(listServerGroups, { caller: admin, projectId: null, offset: 0, limit: 1000 });
    const rest = await world.bus.ask(listServerGroups, { caller: admin, projectId: null, offset: 1, limit: 1 });
    expect(rest.groups).toEqual(all.groups.slice(1, 2));
  });

  it('and their members are limited, however many ask at once', async () => {
    world.limits = { ...world.limits, serverGroups: 3, serverGroupMembers: 3 };
    const p3 = callerOf('p3');
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, () => group({ caller: p3 })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(outcomes.find((each) => each.status === 'rejected')?.reason).toMatchObject({ kind: 'over-quota', message: 'Quota exceeded, too many server groups.' });
    const groupId = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value.id] : []))[0] as string;
    const joins = await Promise.allSettled(Array.from({ length: 5 }, () => joining(groupId, 1, p3)));
    expect(joins.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(joins.find((each) => each.status === 'rejected')?.reason).toMatchObject({ kind: 'over-quota', message: 'Quota exceeded, too many servers in group' });
    expect((await world.bus.ask(getServerGroup, { caller: p3, groupId })).members).toHaveLength(3);
    expect((await world.bus.ask(getUsage, { caller: p3, projectId: 'p3' })).serverGroups).toBe(3);
  });
});

describe('usage', () => {
  it('knows servers that ran in the period, gone or not, by project and id', async () => {
    const p4 = callerOf('p4');
    const client = new Client(world, p4);
    const [one, two] = [await client.create({ name: 'one' }), await client.create({ name: 'two' })];
    await client.reaches(one.id, 'ACTIVE');
    await client.reaches(two.id, 'ACTIVE');
    await client.delete(two.id);
    await client.finished(two.id);
    const period = { caller: p4, projectId: 'p4', from: '2020-01-01T00:00:00.000Z', to: new Date(Date.now() + 60_000).toISOString(), limit: 1000 };
    const { usages } = await world.bus.ask(listServerUsages, period);
    expect(usages.map(({ id }) => id)).toEqual([one.id, two.id].sort());
    expect(usages.find(({ id }) => id === one.id)).toMatchObject({ projectId: 'p4', name: 'one', flavorName: 'm1.nano', vcpus: 1, ramMib: 128, diskGib: 1, vmState: 'active', terminatedAt: null });
    expect(usages.find(({ id }) => id === two.id)?.terminatedAt).not.toBeNull();
    expect((await world.bus.ask(listServerUsages, { ...period, limit: 1, marker: usages[0]?.id as string })).usages.map(({ id }) => id)).toEqual([usages[1]?.id]);
    expect((await world.bus.ask(listServerUsages, { ...period, to: '2020-01-02T00:00:00.000Z' })).usages).toEqual([]);
    await expect(world.bus.ask(listServerUsages, { ...period, marker: 'nope' })).rejects.toMatchObject({ kind: 'bad-request', message: 'Marker nope could not be found.' });
    await expect(world.bus.ask(listServerUsages, { ...period, projectId: null })).rejects.toMatchObject({ kind: 'forbidden' });
    const all = (await world.bus.ask(listServerUsages, { ...period, caller: admin, projectId: null })).usages;
    expect(all.map(({ projectId }) => projectId)).toEqual(all.map(({ projectId }) => projectId).sort());
  });
});
