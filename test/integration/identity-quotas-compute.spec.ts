/** What compute counts, against limits as identity tells them, on a real PostgreSQL: whatever many do at once. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createKeypair, createServerGroup, getUsage, resizeServer, type Caller, type ProjectLimits } from '#libs/contracts';
import { unavailable } from '#libs/errors';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { Client, ComputeUnderTest, eventually } from '../support/compute-service.js';
import { callerOf, ComputeWorld } from '../support/compute-world.js';

let t: TestDatabase;
let world: ComputeWorld;
let compute: ComputeUnderTest;
let identityIsAway = false;
const projects = new Map<string, Partial<ProjectLimits>>();
let generation = 1;
const NONE: ProjectLimits = { instances: -1, cores: -1, ramMib: -1, keypairs: -1, metadataItems: -1, serverGroups: -1, serverGroupMembers: -1 };

beforeAll(async () => {
  t = await startTestDatabase('compute');
  world = new ComputeWorld(1, 100);
  world.limitsOf = (projectId) => {
    if (identityIsAway) throw unavailable('identity is away');
    return { limits: { ...NONE, ...projects.get(projectId) }, generation };
  };
  compute = await new ComputeUnderTest(world, t.db).start();
});
afterAll(async () => {
  await compute.stop();
  await world.close();
  await t.stop();
});

/** A project of its own with these limits. */
function projectWith(limits: Partial<ProjectLimits>): { id: string; client: Client; caller: Caller } {
  const id = randomUUID().replaceAll('-', '');
  projects.set(id, limits);
  const caller = callerOf(id, { userId: `u${id.slice(1)}` });
  return { id, caller, client: new Client(world, caller) };
}
async function sixtyFour(make: (index: number) => Promise<unknown>): Promise<{ made: number; refused: string[] }> {
  const outcomes = await Promise.allSettled(Array.from({ length: 64 }, (_, index) => make(index)));
  const reasons = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason as { kind: string; message: string }] : []));
  const others = reasons.filter(({ kind }) => kind !== 'over-quota');
  expect(others.map((error) => (error as { internal?: string }).internal ?? error.message).slice(0, 1)).toEqual([]);
  return { made: outcomes.length - reasons.length, refused: [...new Set(reasons.map(({ message }) => message))] };
}
const fresh = (caller: Caller): Caller => ({ ...caller, requestId: `req-${randomUUID()}` });

describe('64 at once against a limit of ten', () => {
  it.each<[string, Partial<ProjectLimits>, string]>([
    ['servers', { instances: 10 }, 'Quota exceeded for instances: Requested 1, but already used 10 of 10 instances'],
    ['cores', { cores: 10 }, 'Quota exceeded for cores: Requested 1, but already used 10 of 10 cores'],
    ['memory', { ramMib: 10 * 128 + 127 }, 'Quota exceeded for ram: Requested 128, but already used 1280 of 1407 ram'],
  ])('%s: exactly ten servers', async (_, limits, message) => {
    const { id, client, caller } = projectWith(limits);
    expect(await sixtyFour(() => client.create())).toEqual({ made: 10, refused: [message] });
    expect(await world.bus.ask(getUsage, { caller, projectId: id })).toMatchObject({ instances: 10, cores: 10, ramMib: 1280 });
  });

  it('key pairs: exactly ten', async () => {
    const { client, caller, id } = projectWith({ keypairs: 10 });
    expect(await sixtyFour((index) => world.bus.ask(createKeypair, { caller: client.as, name: `k${index}`, type: 'ssh', publicKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUZ1jXKQVvMl0a2LWvMKG6oAWnCLkNvbQ8RRIL7n3h7 x' })))
      .toEqual({ made: 10, refused: ['Quota exceeded, too many key pairs: 10 are allowed.'] });
    expect(await world.bus.ask(getUsage, { caller, projectId: id })).toMatchObject({ keypairs: 10 });
  });

  it('server groups: exactly ten; and members of one', async () => {
    const { client, caller, id } = projectWith({ serverGroups: 10, serverGroupMembers: 10 });
    const ids = Array.from({ length: 64 }, () => randomUUID());
    expect(await sixtyFour((index) => world.bus.ask(createServerGroup, { caller: client.as, groupId: ids[index] as string, name: 'g', policy: 'soft-affinity', maxServerPerHost: null })))
      .toEqual({ made: 10, refused: ['Quota exceeded, too many server groups.'] });
    expect(await world.bus.ask(getUsage, { caller, projectId: id })).toMatchObject({ serverGroups: 10 });
    const { rows: [group] } = await t.admin.query<{ id: string }>('SELECT id FROM compute.server_groups WHERE project_id = $1 LIMIT 1', [id]);
    expect(await sixtyFour(() => client.create({ groupId: group?.id as string }))).toEqual({ made: 10, refused: ['Quota exceeded, too many servers in group'] });
  });
});

it('resizes at once count what each adds: as many as there is room for', async () => {
  const { id, client, caller } = projectWith({ ramMib: 16 * 128 + 4 * 64 + 63 });
  const servers = await Promise.all(Array.from({ length: 16 }, () => client.create()));
  await Promise.all(servers.map((server) => client.reaches(server.id, 'ACTIVE', 60_000)));
  const outcomes = await Promise.allSettled(servers.map((server) => world.bus.ask(resizeServer, { caller: client.as, instanceId: server.id, flavorId: '84' })));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
  for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ kind: 'over-quota', message: 'Quota exceeded for ram: Requested 64, but already used 2304 of 2367 ram' });
  expect(await world.bus.ask(getUsage, { caller, projectId: id })).toMatchObject({ ramMib: 2304 });
});

describe('a changed limit', () => {
  it('acts without a word to compute, and takes nothing away when it is below what is used', async () => {
    const { id, client, caller } = projectWith({ instances: 3 });
    for (let made = 0; made < 3; made += 1) await client.create();
    await expect(client.create()).rejects.toMatchObject({ kind: 'over-quota' });
    projects.set(id, { instances: 4 });
    generation += 1;
    await eventually(() => client.create().then(() => true, () => false), () => 'a raised limit does not act');
    projects.set(id, { instances: 1 });
    generation += 1;
    await eventually(() => client.create().then(() => false, ({ message }: Error) => message === 'Quota exceeded for instances: Requested 1, but already used 4 of 1 instances'), () => 'a lowered limit does not act');
    expect(await world.bus.ask(getUsage, { caller: fresh(caller), projectId: id })).toMatchObject({ instances: 4 });
  });

  it('is counted by from a copy while identity is away, and a project nobody knows waits for it', async () => {
    const known = projectWith({ instances: 2 });
    await known.client.create();
    identityIsAway = true;
    try {
      await new Promise((done) => setTimeout(done, 1_600));
      await known.client.create();
      await expect(known.client.create()).rejects.toMatchObject({ kind: 'over-quota' });
      await expect(projectWith({}).client.create()).rejects.toMatchObject({ kind: 'unavailable' });
    } finally {
      identityIsAway = false;
    }
  });
});
