/** Servers of an empty image: real domains of real QEMU whose firmware finds nothing to boot and stands still, so that many cost little. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { api, domains, eventually, home, instanceFolders, root, settings, type Api } from './cloud.js';

const run = promisify(execFile);
const V = { 'openstack-api-version': 'compute 2.79' };

export interface Server { id: string; status: string; 'OS-EXT-SRV-ATTR:host': string | null; fault?: { message: string; details?: string }; flavor: { original_name: string } }
export interface HostNow {
  id: string; name: string; alive: boolean; enabled: boolean; fenced?: boolean; epoch: number; condition?: { state: string; since: string | null; reason: string };
  used: { instances: number; vcpus: number; memoryMib: number; diskGib: number };
}
export interface Details {
  host: HostNow; alarms: string[]; returnedAt: string | null; fence: { phase: string } | null;
  servers: { id: string; observedState: string | null }[]; leftovers: { id: string; observedState: string | null }[];
}

export class LightServers {
  #cloud!: Api;
  #imageRef = '';
  readonly made = new Set<string>();

  constructor(private readonly prefix: string, private readonly dir = home) {}

  /** A new token; before the first use, and after whatever took longer than one lasts. */
  async login(): Promise<void> {
    this.#cloud = await eventually('a token', 60_000, () => api('openrc', this.dir));
  }

  async begin(): Promise<void> {
    await this.login();
    const { body } = await this.call('POST', '/image/v2/images', { name: `${this.prefix}-empty`, disk_format: 'raw', container_format: 'bare', os_shutdown_timeout: '1' });
    this.#imageRef = String(body.id);
    const put = await this.#cloud.call('PUT', `/image/v2/images/${this.#imageRef}/file`, '\0'.repeat(2 ** 20), { 'content-type': 'application/octet-stream' });
    if (put.status !== 204) throw new Error(`image: ${put.status} ${put.text}`);
    for (const [id, ram] of [['a', 64], ['b', 80]] as const) await this.call('POST', '/compute/v2.1/flavors', { flavor: { id: this.flavor(id), name: this.flavor(id), vcpus: 1, ram, disk: 1 } });
  }

  async end(): Promise<void> {
    await this.login();
    await this.clear();
    await this.call('DELETE', `/image/v2/images/${this.#imageRef}`);
    for (const id of ['a', 'b']) await this.call('DELETE', `/compute/v2.1/flavors/${this.flavor(id)}`);
  }

  flavor(size: string): string { return `${this.prefix}-${size}`; }

  call(method: string, path: string, body?: unknown): ReturnType<Api['call']> {
    return this.#cloud.call(method, path, body, path.startsWith('/compute') ? V : {});
  }

  async ask(name: string, host?: string): Promise<{ status: number; id: string; text: string }> {
    const { status, body, text } = await this.call('POST', '/compute/v2.1/servers', { server: { name: `${this.prefix}-${name}`, imageRef: this.#imageRef, flavorRef: this.flavor('a'), networks: 'none', ...(host !== undefined && { availability_zone: `nova:${host}` }) } });
    const id = (body.server as { id?: string } | undefined)?.id ?? '';
    if (id !== '') this.made.add(id);
    return { status, id, text };
  }

  async create(name: string, host?: string): Promise<string> {
    const { status, id, text } = await this.ask(name, host);
    if (status !== 202) throw new Error(`create ${name}: ${status} ${text}`);
    return id;
  }

  async get(id: string): Promise<Server | undefined> {
    const { status, body, text } = await this.call('GET', `/compute/v2.1/servers/${id}`);
    if (status !== 200 && status !== 404) throw new Error(`${status} ${text}`);
    return status === 404 ? undefined : body.server as Server;
  }

  async reaches(id: string, word: string, timeoutMs = 180_000): Promise<Server> {
    let failed: Error | undefined;
    const server = await eventually(`${id} is ${word}`, timeoutMs, async () => {
      const now = await this.get(id);
      if (now?.status === 'ERROR' && word !== 'ERROR') failed = new Error(`${id} is ERROR, not ${word}: ${now.fault?.message ?? ''} ${now.fault?.details ?? ''}`);
      return failed ? { } as Server : now?.status === word && now;
    });
    if (failed) throw failed;
    return server;
  }

  async act(id: string, action: object): Promise<void> {
    const { status, text } = await this.call('POST', `/compute/v2.1/servers/${id}/action`, action);
    if (status >= 300) throw new Error(`${JSON.stringify(action)}: ${status} ${text}`);
  }

  async remove(id: string): Promise<void> {
    const { status, text } = await this.call('DELETE', `/compute/v2.1/servers/${id}`);
    if (status !== 204) throw new Error(`delete ${id}: ${status} ${text}`);
  }

  async gone(id: string, timeoutMs = 180_000): Promise<void> {
    await eventually(`${id} is gone`, timeoutMs, async () => (await this.get(id)) === undefined);
    this.made.delete(id);
  }

  async host(name: string): Promise<HostNow> {
    const { hosts } = (await this.call('GET', '/v1/hosts')).body as unknown as { hosts: HostNow[] };
    return hosts.find((host) => host.name === name) as HostNow;
  }
  async details(name: string): Promise<Details> {
    const { body, status, text } = await this.call('GET', `/v1/hosts/${name}/details`);
    if (status !== 200) throw new Error(`${status} ${text}`);
    return body as unknown as Details;
  }

  /** Every server that was made and is there still. */
  async clear(): Promise<void> {
    for (const id of this.made) await this.call('DELETE', `/compute/v2.1/servers/${id}`);
    for (const id of [...this.made]) await this.gone(id);
  }

  /** No domain, file or claim anywhere, and nothing differs. */
  async nothingLeft(): Promise<void> {
    for (const { name } of settings(this.dir).hosts) {
      await eventually(`no domain on ${name}`, 60_000, () => domains(name, this.dir).length === 0);
      await eventually(`no files on ${name}`, 60_000, () => instanceFolders(name, this.dir).length === 0);
      await eventually(`no claim on ${name}`, 60_000, async () => Object.values((await this.host(name)).used).every((used) => used === 0));
    }
    await eventually('no drift', 60_000, async () => {
      const { drift } = (await this.call('GET', '/v1/drift')).body as { drift: unknown[] };
      if (drift.length > 0) throw new Error(JSON.stringify(drift));
      return true;
    });
  }
}

/** The operator's command as a person runs it, without holding this process up. */
export async function skylite(words: string[], dir = home): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OS_') && !name.startsWith('NODE_')));
  try {
    const { stdout, stderr } = await run(process.execPath, [join(root, 'deploy/one-machine/skylite.mjs'), ...words], { cwd: root, env: { ...env, SKYLITE_HOME: dir }, timeout: 300_000 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: Number(code ?? 1), stdout: stdout ?? '', stderr: stderr ?? String(error) };
  }
}
