import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, domains, eventually, home, instanceFolders, script, settings, type Api } from '../support/cloud.js';
import { anyHost, kill, victims } from '../support/kill.js';

/** SIGKILL at any moment loses nothing: the create that was under way finishes. */
describe('a process killed during a create', () => {
  let cloud: Api;
  let imageRef: string;
  const made: string[] = [];

  const create = async (name: string, host: string): Promise<string> => {
    const { status, body, text } = await cloud.call('POST', '/compute/v2.1/servers', { server: { name, imageRef, flavorRef: '42', networks: 'none', availability_zone: `nova:${host}` } }, { 'openstack-api-version': 'compute 2.37' });
    if (status !== 202) throw new Error(`create: ${status} ${text}`);
    const { id } = body.server as { id: string };
    made.push(id);
    return id;
  };
  const status = async (id: string): Promise<string | undefined> => {
    const answer = await cloud.call('GET', `/compute/v2.1/servers/${id}`);
    return answer.status === 404 ? 'gone' : (answer.body.server as { status?: string } | undefined)?.status;
  };
  const untilActive = (id: string): Promise<unknown> => eventually(`${id} is ACTIVE`, 180_000, async () => {
    const now = await status(id);
    if (now === 'ERROR') throw new Error('ERROR');
    return now === 'ACTIVE';
  });

  beforeAll(async () => {
    cloud = await api();
    const images = (await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).body.images as { id: string }[];
    imageRef = images[0]?.id ?? '';
  });
  afterAll(async () => {
    for (const id of made) await cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
  });

  /** Once each here; `npm run soak` repeats. */
  const rounds = Number(process.env.SKYLITE_SOAK_ROUNDS ?? 1);
  const plan = Array.from({ length: rounds }, (_, round) => victims(anyHost()).map((victim): [string, number] => [victim, round + 1])).flat();

  it.each(plan)('%s (round %i): the server becomes ACTIVE', async (victim) => {
    const host = anyHost();
    const id = await create(`kill-${victim.replace(/[^a-z0-9]/g, '-')}`, host);
    await new Promise((done) => setTimeout(done, 20 + Math.random() * 300));
    expect(kill(victim)).toBeGreaterThan(0);
    await untilActive(id);
    await eventually(`the domain of ${id} runs`, 180_000, () => domains(host).some((domain) => domain.uuid === id && domain.running));
    expect((await cloud.call('DELETE', `/compute/v2.1/servers/${id}`)).status).toBe(204);
    await eventually('its domain is gone', 180_000, () => !domains(host).some((domain) => domain.uuid === id));
  });

  const all = Array.from({ length: rounds }, (_, round) => [round + 1]);

  it.each(all)('the supervisor (round %i): the server becomes ACTIVE, and the next up adopts what runs', async () => {
    const host = anyHost();
    const id = await create('kill-supervisor', host);
    kill('supervisor');
    await untilActive(id);
    const { status: code, stderr } = script('up', ['--detach']);
    expect([code, stderr]).toEqual([0, '']);
    expect(await status(id)).toBe('ACTIVE');
    await cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
  });

  it.each(all)('the launcher during a delete (round %i): the server is gone', async () => {
    const host = anyHost();
    const id = await create('kill-delete', host);
    await untilActive(id);
    await cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
    kill('launcher');
    await eventually('the domain is gone', 180_000, () => !domains(host).some((domain) => domain.uuid === id));
    await eventually('the API answers', 180_000, async () => (await status(id)) === 'gone');
  });

  it('leaves no domain, disk or claim without an owner', async () => {
    cloud = await api();
    for (const { name } of settings().hosts) {
      await eventually(`no domain on ${name}`, 180_000, () => domains(name).length === 0);
      await eventually(`no files on ${name}`, 180_000, () => instanceFolders(name).length === 0);
    }
    await eventually('no claim', 180_000, async () => {
      const { hosts } = (await cloud.call('GET', '/v1/hosts')).body as { hosts: { used: { instances: number; vcpus: number; memoryMib: number; diskGib: number } }[] };
      return hosts.every(({ used }) => used.instances === 0 && used.vcpus === 0 && used.memoryMib === 0 && used.diskGib === 0);
    });
    expect(readdirSync(join(home, 'run/children')).length).toBeGreaterThan(0);
  });
});
