import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runOpenstack } from './openstack-client.js';

export const root = resolve(import.meta.dirname, '../..');

/** The cloud that the end-to-end tests share (test/support/e2e-setup.mjs). */
export const home = process.env.SKYLITE_E2E_HOME ?? '';

interface Settings { id: string; port: number; hosts: { name: string; uuid: string }[] }
export const settings = (dir = home): Settings => JSON.parse(readFileSync(join(dir, 'settings.json'), 'utf8')) as Settings;

/** What `. openrc` would set. */
export function credentials(dir = home, file = 'openrc'): Record<string, string> {
  const text = readFileSync(join(dir, file), 'utf8');
  return Object.fromEntries([...text.matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)].map((match) => [match[1] as string, match[2] as string]));
}

const clean = (): Record<string, string> => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OS_') && !name.startsWith('NODE_') && name !== 'SKYLITE_HOME')) as Record<string, string>;

/** The distribution's unmodified openstack client; throws with its own words when it fails. */
export async function openstack(words: string[], options: { as?: string; dir?: string; timeoutMs?: number } = {}): Promise<string> {
  const { code, stdout, stderr } = await runOpenstack(words, { ...clean(), ...credentials(options.dir ?? home, options.as ?? 'openrc') }, options.timeoutMs ?? 180_000);
  if (code !== 0) throw new Error(`openstack ${words.join(' ')}: ${stderr}${stdout} (exit code ${code})`);
  return stdout;
}

export const openstackJson = async <T>(words: string[], options?: { as?: string; dir?: string; timeoutMs?: number }): Promise<T> => JSON.parse(await openstack([...words, '-f', 'json'], options)) as T;

/** One of the repository's scripts, as a person would run it. */
export function script(name: 'up' | 'down' | 'skylite', words: string[], options: { dir?: string; timeoutMs?: number; asUser?: number; env?: Record<string, string> } = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [join(root, `deploy/one-machine/${name}.mjs`), ...words], {
    cwd: root, env: { ...clean(), ...options.env, SKYLITE_HOME: options.dir ?? home }, encoding: 'utf8', timeout: options.timeoutMs ?? 180_000, ...(options.asUser !== undefined && { uid: options.asUser, gid: options.asUser }),
  });
}

export interface Api { token: string; call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<{ status: number; headers: Headers; body: Record<string, unknown>; text: string }> }

/** The public API without any client's help. */
export async function api(file = 'openrc', dir = home): Promise<Api> {
  const env = credentials(dir, file);
  const base = `http://127.0.0.1:${settings(dir).port}`;
  const response = await fetch(`${env.OS_AUTH_URL}/auth/tokens`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user: { name: env.OS_USERNAME, domain: { id: 'default' }, password: env.OS_PASSWORD } } }, scope: { project: { name: env.OS_PROJECT_NAME, domain: { id: 'default' } } } } }),
  });
  if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
  const token = response.headers.get('x-subject-token') ?? '';
  return {
    token,
    call: async (method, path, body, headers = {}) => {
      const answer = await fetch(base + path, { method, headers: { 'x-auth-token': token, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers }, ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }) });
      const text = await answer.text();
      let parsed: Record<string, unknown> = {};
      try { parsed = JSON.parse(text) as Record<string, unknown>; } catch { /* not every answer has a JSON body */ }
      return { status: answer.status, headers: answer.headers, body: parsed, text };
    },
  };
}

/** Polls until `test` gives a value. */
export async function eventually<T>(what: string, timeoutMs: number, test: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const end = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await test();
      if (value !== undefined && value !== false) return value as T;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms${last ? ` (${String(last)})` : ''}`);
    await new Promise((done) => setTimeout(done, 250));
  }
}

export interface Child { name: string; process: { pid: number; startTime: string } | null; restarts: number }
export const children = (dir = home): Child[] => readdirSync(join(dir, 'run/state')).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(join(dir, 'run/state', name), 'utf8')) as Child);

/** Where one host's own libvirt listens. */
export function libvirtUri(hostName: string, dir = home): string {
  const known = settings(dir);
  const index = known.hosts.findIndex((host) => host.name === hostName);
  return `qemu+unix:///system?socket=/run/skylite/${known.id}/h${index}/libvirt-sock`;
}

/** UUIDs of the domains that one host's own libvirt knows, with their states. */
export function domains(hostName: string, dir = home): { uuid: string; running: boolean }[] {
  const uri = libvirtUri(hostName, dir);
  const list = (flag: string): string[] => {
    const { stdout, status, stderr } = spawnSync('virsh', ['-c', uri, 'list', '--uuid', flag], { encoding: 'utf8', timeout: 120_000 });
    if (status !== 0) throw new Error(`virsh on ${hostName}: ${stderr}`);
    return stdout.split('\n').map((line) => line.trim()).filter(Boolean);
  };
  const running = new Set(list('--state-running'));
  return list('--all').map((uuid) => ({ uuid, running: running.has(uuid) }));
}

/** Folders with files of instances on one host. */
export function instanceFolders(hostName: string, dir = home): string[] {
  try {
    return readdirSync(join(dir, 'hosts', hostName, 'lib/skylite/agent/instances'));
  } catch {
    return [];
  }
}
