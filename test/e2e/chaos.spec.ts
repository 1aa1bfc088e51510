/**
 * Random SIGKILLs and SIGSTOPs of every process over a mixed load of real guests; and the bus wiped during a storm. Afterwards
 * every server is what was asked of it, and nothing differs anywhere. `npm run soak` asks for 200 faults, `npm test` for a few.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, domains, eventually, instanceFolders, script, settings, type Api } from '../support/cloud.js';
import { freeze, kill } from '../support/kill.js';

const FAULTS = Number(process.env.SKYLITE_SOAK_FAULTS ?? 6);
const VERSION = { 'openstack-api-version': 'compute 2.79' };
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
/** Reproducible as far as processes are: the seed is printed. */
const SEED = Number(process.env.SKYLITE_SOAK_SEED ?? Date.now() % 1_000_000);
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Answer { status: number; body: Record<string, unknown>; text: string }

/** A client that does not give up: what cannot be reached now is asked again, with the same Idempotency-Key. */
class Patient {
  constructor(private cloud: Api) {}
  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { ...VERSION, ...(method === 'POST' && { 'idempotency-key': randomUUID() }) };
    for (const end = Date.now() + 180_000; ;) {
      const answer = await this.cloud.call(method, path, body, headers).catch(() => undefined);
      if (answer && answer.status < 500 && answer.status !== 429 && answer.status !== 401) return answer;
      if (answer?.status === 401) this.cloud = await api().catch(() => this.cloud);
      if (Date.now() > end) throw new Error(`${method} ${path}: ${answer?.status ?? 'no answer'} ${answer?.text ?? ''}`);
      await pause(300);
    }
  }
  async server(id: string): Promise<{ status: string; fault?: { message: string } } | undefined> {
    const { status, body } = await this.call('GET', `/compute/v2.1/servers/${id}`);
    return status === 404 ? undefined : (body.server as { status: string });
  }
  reaches(id: string, ...words: string[]): Promise<string> {
    return eventually(`${id} is ${words.join(' or ')}`, 400_000, async () => {
      const server = await this.server(id);
      if (server === undefined) return words.includes('gone') && 'gone';
      if (server.status === 'ERROR' && !words.includes('ERROR')) throw new Error(`ERROR: ${server.fault?.message ?? ''}`);
      return words.includes(server.status) && server.status;
    });
  }
}

describe(`faults over a mixed load (seed ${SEED})`, () => {
  let client: Patient;
  let imageRef = '';
  const random = randomOf(SEED);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const made = new Set<string>();
  const log: string[] = [];
  let over = false;

  beforeAll(async () => {
    const cloud = await api();
    client = new Patient(cloud);
    imageRef = ((await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).body.images as { id: string }[])[0]?.id ?? '';
    for (const [id, ram] of [['chaos-a', 112], ['chaos-b', 120]] as const) await cloud.call('POST', '/compute/v2.1/flavors', { flavor: { id, name: id, vcpus: 1, ram, disk: 1 } });
  });
  afterAll(async () => {
    for (const id of made) await client.call('DELETE', `/compute/v2.1/servers/${id}`);
    for (const id of ['chaos-a', 'chaos-b']) await client.call('DELETE', `/compute/v2.1/flavors/${id}`);
  });

  const act = async (id: string, action: object): Promise<boolean> => {
    const { status, text } = await client.call('POST', `/compute/v2.1/servers/${id}/action`, action);
    log.push(`${JSON.stringify(action)} ${status}`);
    if (status >= 400 && status !== 409) throw new Error(`${JSON.stringify(action)}: ${status} ${text}`);
    return status < 300;
  };

  /** One server's life, again and again, until the faults are over. */
  async function life(worker: number): Promise<void> {
    for (let round = 0; !over; round += 1) {
      const { status, body, text } = await client.call('POST', '/compute/v2.1/servers', { server: { name: `chaos-${worker}-${round}`, imageRef, flavorRef: 'chaos-a', networks: 'none' } });
      if (status !== 202) throw new Error(`create: ${status} ${text}`);
      const { id } = body.server as { id: string };
      made.add(id);
      if (random() < 0.15) { // deleted while it is built
        await client.call('DELETE', `/compute/v2.1/servers/${id}`);
      } else {
        await client.reaches(id, 'ACTIVE');
        for (let step = Math.floor(random() * 4); step > 0 && !over; step -= 1) {
          const what = pick(['rebuild', 'resize-confirm', 'resize-revert', 'stop-start', 'reboot', 'pause']);
          if (what === 'rebuild' && await act(id, { rebuild: { imageRef } })) await client.reaches(id, 'ACTIVE');
          if (what === 'stop-start' && await act(id, { 'os-stop': null })) {
            await client.reaches(id, 'SHUTOFF');
            await act(id, { 'os-start': null });
            await client.reaches(id, 'ACTIVE');
          }
          if (what === 'reboot' && await act(id, { reboot: { type: 'HARD' } })) await client.reaches(id, 'ACTIVE');
          if (what === 'pause' && await act(id, { pause: null })) {
            await client.reaches(id, 'PAUSED');
            await act(id, { unpause: null });
            await client.reaches(id, 'ACTIVE');
          }
          if (what.startsWith('resize')) {
            const now = (await client.call('GET', `/compute/v2.1/servers/${id}`)).body.server as { flavor: { original_name: string } };
            if (!await act(id, { resize: { flavorRef: now.flavor.original_name === 'chaos-a' ? 'chaos-b' : 'chaos-a' } })) continue;
            // A destination that cannot (its bus was cut at the wrong moment) sends it back: ACTIVE then.
            if (await client.reaches(id, 'VERIFY_RESIZE', 'ACTIVE') === 'VERIFY_RESIZE') {
              await act(id, what === 'resize-confirm' ? { confirmResize: null } : { revertResize: null });
              await client.reaches(id, 'ACTIVE');
            }
          }
        }
        if (over && random() < 0.5) return; // some stay, to be looked at
        await client.call('DELETE', `/compute/v2.1/servers/${id}`);
      }
      await client.reaches(id, 'gone');
      made.delete(id);
    }
  }

  it(`${FAULTS} faults: every server reaches its intent`, async () => {
    const hosts = settings().hosts.map(({ name }) => name);
    const victims = ['launcher', 'postgres', 'nats-server', ...hosts.flatMap((host) => [`agent-${host}`, `libvirtd@${host}`])];
    let failed: unknown;
    const lives = [0, 1, 2].map((worker) => life(worker).catch((error: unknown) => { failed ??= error; }));
    for (let fault = 0; fault < FAULTS && failed === undefined; fault += 1) {
      await pause(1_000 + random() * 4_000);
      const victim = pick(victims);
      const still = random() < 0.4;
      log.push(`${still ? 'SIGSTOP' : 'SIGKILL'} ${victim}`);
      try {
        if (still) await freeze(victim, 500 + random() * 7_000);
        else kill(victim);
      } catch { /* it was just being started again */ }
    }
    over = true;
    await Promise.all(lives);
    if (failed !== undefined) throw new Error(`${String(failed)}\nlast: ${log.slice(-30).join('\n')}`);
  }, 600_000 + FAULTS * 15_000);

  it('each runs once and only where it should, and nothing drifts', async () => {
    const { servers } = (await client.call('GET', '/compute/v2.1/servers/detail?name=^chaos-')).body as { servers: { id: string; status: string; fault?: unknown; 'OS-EXT-SRV-ATTR:host': string }[] };
    expect(servers.filter(({ status }) => status === 'ERROR')).toEqual([]);
    for (const { id, status, 'OS-EXT-SRV-ATTR:host': host } of servers) {
      const where = settings().hosts.filter(({ name }) => domains(name).some((domain) => domain.uuid === id && domain.running)).map(({ name }) => name);
      expect([id, where]).toEqual([id, status === 'ACTIVE' ? [host] : []]);
    }
    await eventually('no drift', 180_000, async () => {
      const { drift } = (await client.call('GET', '/v1/drift')).body as { drift: unknown[] };
      if (drift.length > 0) throw new Error(JSON.stringify(drift));
      return true;
    });
    for (const { id } of servers) await client.call('DELETE', `/compute/v2.1/servers/${id}`);
    for (const { name } of settings().hosts) {
      await eventually(`no domain on ${name}`, 180_000, () => domains(name).length === 0);
      await eventually(`no files on ${name}`, 180_000, () => instanceFolders(name).length === 0);
    }
    await eventually('no claim', 180_000, async () => ((await client.call('GET', '/v1/hosts')).body as { hosts: { used: { instances: number } }[] }).hosts.every(({ used }) => used.instances === 0));
  });
});

describe('the bus', () => {
  const STORM = 200;
  let dir = '';
  beforeAll(async () => {
    dir = mkdtempSync('/var/tmp/skylite-storm-');
    const port = await new Promise<number>((done) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port: free } = probe.address() as { port: number };
        probe.close(() => done(free));
      });
    });
    const { status, stdout, stderr } = script('up', ['--detach', '--port', String(port), '--fleet', '20', '--no-local-host'], { dir });
    if (status !== 0) throw new Error(`up: ${stdout}${stderr}`);
  });
  afterAll(() => { script('down', ['--purge', '--yes'], { dir }); });

  it.each([
    ['wiped: killed, its data removed, started again', async (): Promise<void> => {
      rmSync(join(dir, 'nats/jetstream'), { recursive: true, force: true });
      kill('nats-server', dir);
    }],
    ['cut off from everyone for ten seconds', async (): Promise<void> => { await freeze('nats-server', 10_000, dir); }],
  ])(`${STORM} creates finish when it is %s`, async (_name, fault) => {
    const cloud = await api('openrc', dir);
    const imageRef = ((await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).body.images as { id: string }[])[0]?.id;
    let broken = false;
    const left = Array.from({ length: STORM }, (_, n) => n);
    const creating = Promise.all(Array.from({ length: 8 }, async () => {
      for (let n = left.shift(); n !== undefined; n = left.shift()) {
        if (n === STORM / 4 && !broken) { broken = true; void fault(); }
        const key = randomUUID();
        await eventually(`create ${n}`, 180_000, async () => (await cloud.call('POST', '/compute/v2.1/servers', { server: { name: `storm-${n}`, imageRef, flavorRef: '42', networks: 'none' } }, { ...VERSION, 'idempotency-key': key })).status === 202);
      }
    }));
    await creating;
    expect(broken).toBe(true);
    const states = async (): Promise<string[]> => ((await cloud.call('GET', '/compute/v2.1/servers/detail?limit=1000')).body.servers as { status: string }[]).map(({ status }) => status);
    await eventually('all ACTIVE', 180_000, async () => {
      const now = await states();
      if (now.includes('ERROR')) throw new Error(`${now.filter((each) => each === 'ERROR').length} in ERROR`);
      return now.length === STORM && now.every((each) => each === 'ACTIVE');
    });
    const { servers } = (await cloud.call('GET', '/compute/v2.1/servers?limit=1000')).body as { servers: { id: string }[] };
    for (const { id } of servers) await cloud.call('DELETE', `/compute/v2.1/servers/${id}`);
    await eventually('no claim', 180_000, async () => ((await cloud.call('GET', '/v1/hosts')).body as { hosts: { used: { instances: number } }[] }).hosts.every(({ used }) => used.instances === 0));
  });
});
