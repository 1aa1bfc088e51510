// The agent on a real compute host: real libvirtd and QEMU with a guest that boots, and as the bundled process that is
// installed, over a real nats-server, killed again and again.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostId, ImageId, InstanceId, readConsoleLog, type DesiredInstance } from '#libs/contracts';
import { FakeHypervisor, FakeLibvirtd } from '#libs/libvirt';
import { createUserNkey, credsFile, hostUserSigner, InMemoryBus, NatsBus, serviceInbox, signServiceUser } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { makeRealHost } from '../../apps/compute-agent/src/host/real-host.js';
import type { HostAgent } from '../../apps/compute-agent/src/host/host-agent.js';
import type { JoinedIdentity } from '../../apps/compute-agent/src/session/identity.js';
import { KillableBus, TestControlPlane } from '../../apps/compute-agent/src/testing/control-plane.js';
import { startTestNats, type TestNats } from '../support/nats-server.js';
import { SimulatedHost, tinyImage, until } from '../support/simulated-host.js';

const USER_DATA = '#!/bin/sh\necho "user data ran on $(hostname)"\n';
const CLOUD = randomUUID();

/** An image store of one image, which answers ranges. */
async function serveImage(path: string): Promise<{ server: Server; url: string; image: DesiredInstance['image'] }> {
  const bytes = readFileSync(path);
  const server = createServer((request, response) => {
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {});
    response.end(bytes.subarray(from));
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const image = { id: ImageId.parse(randomUUID()), sha512: createHash('sha512').update(bytes).digest('hex'), sizeBytes: bytes.length, virtualSizeBytes: null, format: 'qcow2' as const };
  return { server, image, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/image` };
}

const wanted = (image: DesiredInstance['image'], change: Partial<DesiredInstance> = {}): DesiredInstance => {
  const id = change.id ?? InstanceId.parse(randomUUID());
  return {
    id, projectId: 'p'.repeat(32), name: 'guest <1> & co', hostname: 'guest-1', generation: 1, specGeneration: 1, intent: 'running', rebootCount: 0, rebootType: 'soft',
    vcpus: 1, memoryMib: 128, diskGib: 1, image,
    configDrive: { 'openstack/latest/meta_data.json': JSON.stringify({ uuid: id, hostname: 'guest-1.novalocal', name: 'guest-1' }), 'openstack/latest/user_data': USER_DATA },
    diskGeneration: 1, powerOffTimeoutS: null, diskFrom: null, previous: null, diskLaunched: false, layout: null,
    ...change,
  };
};

describe('on a real compute host', () => {
  const hostId = HostId.parse(randomUUID());
  const plane = new TestControlPlane(new InMemoryBus(), hostId);
  let host: SimulatedHost;
  let images: Awaited<ReturnType<typeof serveImage>>;
  let stateDir: string;
  let agent: HostAgent;
  let bus: KillableBus;
  let want: DesiredInstance;
  const identity: JoinedIdentity = {
    hostId, name: 'host-a', simulated: false, publicNkey: 'U', seed: 'S',
    membership: { cellId: 'cell1', cloudId: CLOUD, natsUrls: ['nats://127.0.0.1:1'], natsUserJwt: 'J', availabilityZone: 'nova' },
  };
  const startAgent = async (): Promise<void> => {
    bus = new KillableBus(plane.bus);
    ({ agent } = await makeRealHost({
      identity, bus, stateDir, libvirtSocket: host.facts.socket, virtType: 'qemu', share: { vcpus: 1, memoryMib: 1024, diskGib: 10 }, reservedMemoryMib: 0,
      hostAddress: '127.0.0.1', bootId: host.facts.bootId, logger: createLogger('test', 'silent'), onFatal: (error) => { throw error; },
    }));
    agent.start();
  };
  const stopAgent = async (): Promise<void> => {
    bus.kill();
    await agent.stop();
  };
  const log = async (): Promise<string> => (await plane.bus.ask(readConsoleLog, { instanceId: want.id }, { hostId })).output;
  const change = (to: Partial<DesiredInstance>): void => {
    want = { ...want, generation: want.generation + 1, ...to };
    plane.want(want);
  };
  const times = (text: string, word: string): number => text.split(word).length - 1;
  const qemu = (): number | undefined => host.processId('qemu-system-x86_64');

  beforeAll(async () => {
    images = await serveImage(await tinyImage());
    plane.imageUrl = () => ({ url: images.url, expiresAtMs: 0, sha512: images.image.sha512, sizeBytes: images.image.sizeBytes });
    host = await SimulatedHost.start({ name: 'host-a' });
    // Guests run as another user: the way to their disks may be walked.
    chmodSync(host.hostDir, 0o711);
    stateDir = join(host.hostDir, 'agent');
    mkdirSync(stateDir, { mode: 0o711 });
    await startAgent();
  });
  afterAll(async () => {
    await stopAgent();
    await host?.dispose();
    images?.server.close();
  });

  it('says what the host is, and no more than its share', async () => {
    await until('inventory', 180_000, () => plane.inventories.length > 0);
    expect(plane.inventories[0]).toMatchObject({ bootId: host.facts.bootId, inventory: { vcpus: 1, memoryMib: 1024, diskGib: 10, cpuArch: 'x86_64', virtType: 'qemu', cells: [{ id: 0, cpus: [0] }] } });
    expect(plane.inventories[0]?.inventory.hypervisorVersion).toBeGreaterThan(5_000_000);
  });

  it('boots a guest that reads its config drive', async () => {
    want = wanted(images.image);
    plane.want(want);
    const seen = await plane.settled(want.id, 'running', 1, 180_000);
    expect(seen.frozen).toMatchObject({ machine: expect.stringMatching(/^pc-i440fx-\d/), virtType: 'qemu', cpuModel: 'Nehalem' });
    await until('ready', 180_000, async () => /tiny: ready/.test(await log()));
    expect(await log()).toContain('user data ran on guest-1');
    const xml = await host.virsh('dumpxml', want.id);
    expect(xml).toContain(`cloud="${CLOUD}"`);
    expect(times(xml, '<console')).toBe(1);
    for (const name of readdirSync(join(stateDir, 'instances', want.id))) expect(statSync(join(stateDir, 'instances', want.id, name)).mode & 0o077).toBe(0);
  });

  it('leaves a guest alone when it is killed, and knows it again', async () => {
    const before = qemu();
    await stopAgent();
    plane.reports.clear();
    await startAgent();
    await plane.settled(want.id, 'running', 1, 180_000);
    expect(qemu()).toBe(before);
  });

  it('reboots it softly', async () => {
    const before = qemu();
    change({ rebootCount: 1 });
    await plane.until(want.id, (seen) => seen.rebootCount === 1 && seen.state === 'running' && seen.doing === null, 180_000);
    expect(qemu()).not.toBe(before);
    expect(await log()).toMatch(/tiny: ready[\s\S]*tiny: going down/);
    await until('ready again', 180_000, async () => times(await log(), 'tiny: ready') === 2);
  });

  it('starts it again after a power loss', async () => {
    await stopAgent();
    await host.losePower();
    await host.powerOn();
    expect(qemu()).toBeUndefined();
    plane.reports.clear();
    await startAgent();
    await plane.settled(want.id, 'running', want.generation, 180_000);
    expect(qemu()).toBeDefined();
  });

  it('says so when the guest is destroyed behind its back', async () => {
    await host.virsh('destroy', want.id);
    await plane.settled(want.id, 'stopped', want.generation, 180_000);
    change({ intent: 'stopped' });
    await plane.settled(want.id, 'stopped', want.generation, 180_000);
    change({ intent: 'running', rebootCount: 2, rebootType: 'hard' });
    await plane.until(want.id, (seen) => seen.rebootCount === 2 && seen.state === 'running', 180_000);
  });

  it('deletes it without a trace', async () => {
    change({ intent: 'deleted' });
    await plane.settled(want.id, 'absent', want.generation, 180_000);
    expect(await host.virsh('list', '--all', '--name')).toBe('');
    expect(readdirSync(join(stateDir, 'instances'))).toEqual([]);
    expect(qemu()).toBeUndefined();
    await until('forgotten', 180_000, () => readdirSync(join(stateDir, 'ledger/instances')).length === 0);
    expect(readdirSync(join(stateDir, 'images'))).toEqual([images.image.sha512]);
  });
});

describe('as the installed process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sky-ag-'));
  const node = process.execPath;
  const bundle = join(folder, 'skylite-agent.mjs');
  const hypervisor = new FakeHypervisor({ shutdownMs: 30 });
  const libvirtd = new FakeLibvirtd(hypervisor, { socketPath: join(folder, 'lv.sock') });
  const processes = new Set<ChildProcess>();
  let nats: TestNats;
  let bus: NatsBus;
  let plane: TestControlPlane;
  let door: Server;
  let url: string;
  let hostId: string;
  let images: Awaited<ReturnType<typeof serveImage>>;
  const stateDir = join(folder, 'state');
  const env = { PATH: process.env.PATH, SKYLITE_STATE_DIR: stateDir, SKYLITE_LIBVIRT_SOCKET: libvirtd.socketPath, SKYLITE_VIRT_TYPE: 'qemu', SKYLITE_READY_FILE: join(folder, 'ready.json') };
  const agent = (words: string[], more: Record<string, string> = {}): { child: ChildProcess; ended: Promise<{ code: number | null; out: string }> } => {
    const child = spawn(node, ['--no-warnings', bundle, ...words], { env: { ...env, ...more }, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    processes.add(child);
    let out = '';
    child.stdout.on('data', (data) => { out += String(data); });
    child.stderr.on('data', (data) => { out += String(data); });
    return { child, ended: new Promise((resolve) => { child.once('close', (code) => { processes.delete(child); resolve({ code, out }); }); }) };
  };
  const refusals: { status: number; body: unknown }[] = [];

  beforeAll(async () => {
    // Away from the clone and its modules: what is installed is this one file.
    const { bundleAgent } = (await import('../../deploy/build/bundle-agent.mjs' as string)) as { bundleAgent(outfile: string): Promise<string> };
    await bundleAgent(bundle);
    const base = join(folder, 'base.qcow2');
    const { execFileSync } = await import('node:child_process');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', base, '16M']);
    images = await serveImage(base);
    await libvirtd.start();
    nats = await startTestNats();
    const user = createUserNkey();
    const jwt = await signServiceUser(nats.authority, user.publicNkey, 'test', ['api', 'scheduler', 'compute']);
    bus = new NatsBus({ servers: [nats.url], creds: credsFile(jwt, user.seed), name: 'test', inboxPrefix: serviceInbox('test'), cellId: 'cell1', incarnation: () => 1 });
    await bus.ready(60_000);
    door = createServer((request, response) => {
      void (async () => {
        let body = '';
        for await (const chunk of request) body += String(chunk);
        const asked = JSON.parse(body) as { hostId: string; publicNkey: string };
        const refusal = refusals.shift();
        response.writeHead(refusal?.status ?? 200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(refusal?.body ?? {
          hostId: asked.hostId, cellId: 'cell1', cloudId: CLOUD, natsUrls: [nats.url], availabilityZone: 'nova',
          natsUserJwt: await hostUserSigner(nats.authority).signHostUser(asked.publicNkey, asked.hostId),
        }));
      })();
    });
    await new Promise<void>((resolve) => { door.listen(0, '127.0.0.1', resolve); });
    url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    for (const child of processes) child.kill('SIGKILL');
    await bus?.close();
    await nats?.stop();
    await libvirtd.stop();
    door?.close();
    images?.server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('joins with the same identity after a refusal, and only once', async () => {
    refusals.push({ status: 403, body: { error: { kind: 'forbidden', message: 'This token is used up.' } } });
    expect(await agent(['join', url, 'tok', '--name', 'h1']).ended).toEqual({ code: 1, out: 'skylite-agent: the cloud refused this host (403): This token is used up.\n' });
    const before = JSON.parse(readFileSync(join(stateDir, 'identity.json'), 'utf8')) as { hostId: string; membership: unknown };
    expect(before.membership).toBeNull();
    expect(statSync(join(stateDir, 'identity.json')).mode & 0o777).toBe(0o600);
    expect((await agent(['join', url, 'tok', '--name', 'h1']).ended).out).toMatch(/^joined as h1 /);
    expect((await agent(['join', url, 'tok2', '--name', 'h1']).ended).out).toMatch(/is a host already: h1/);
    hostId = before.hostId;
    plane = new TestControlPlane(bus, HostId.parse(hostId));
    plane.imageUrl = () => ({ url: images.url, expiresAtMs: 0, sha512: images.image.sha512, sizeBytes: images.image.sizeBytes });
  });

  it('finishes creates and deletes through kills at any moment', async () => {
    let running = agent(['run']);
    await until('ready', 180_000, () => existsSync(join(folder, 'ready.json')));
    for (let round = 0; round < 6; round += 1) {
      const want = wanted(images.image);
      plane.want(want);
      await sleep(round * 12);
      running.child.kill('SIGKILL');
      await running.ended;
      running = agent(['run']);
      await plane.settled(want.id, 'running', 1, 180_000);
      expect(hypervisor.domain(want.id)).toMatchObject({ state: 'running', starts: 1 });
      plane.want({ ...want, generation: 2, intent: 'deleted' });
      await sleep(round * 8);
      running.child.kill('SIGKILL');
      await running.ended;
      rmSync(join(folder, 'ready.json'), { force: true });
      running = agent(['run']);
      await plane.settled(want.id, 'absent', 2, 180_000);
      await until('ready', 180_000, () => existsSync(join(folder, 'ready.json')));
    }
    expect(hypervisor.domains()).toEqual([]);
    expect(readdirSync(join(stateDir, 'instances'))).toEqual([]);
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });

  it('goes on after nats-server was killed, and keeps to its ledger meanwhile', async () => {
    const running = agent(['run']);
    const want = wanted(images.image);
    plane.want(want);
    await plane.settled(want.id, 'running', 1, 180_000);
    await nats.kill();
    hypervisor.guestPowerOff(want.id);
    plane.want({ ...want, generation: 2 }, false);
    await sleep(300);
    await nats.start();
    await plane.settled(want.id, 'running', 2, 180_000);
    running.child.kill('SIGTERM');
    await running.ended;
    expect(hypervisor.domain(want.id)).toMatchObject({ state: 'running', starts: 2 });
  });

  it('ends with its own code when another machine speaks for this host', async () => {
    plane.refuse = true;
    const { code, out } = await agent(['run']).ended;
    plane.refuse = false;
    expect(code).toBe(3);
    expect(out).toContain("the control plane refused this host's session");
  });

  it('runs twenty simulated hosts in one small process', async () => {
    const tokens = join(folder, 'tokens');
    writeFileSync(tokens, Array.from({ length: 20 }, (_, n) => `t${n}`).join('\n'));
    const fleetDir = join(folder, 'fleet');
    const more = { SKYLITE_STATE_DIR: fleetDir, SKYLITE_FLEET_SIZE: '20', SKYLITE_API_URL: url, SKYLITE_ENROL_TOKENS_FILE: tokens, SKYLITE_READY_FILE: join(folder, 'fleet.json') };
    /** Started as a supervisor does: their door is this process, too slow for so many on a slow machine, and who has joined stays so. */
    const started = async (): Promise<ReturnType<typeof agent>> => {
      for (;;) {
        plane.inventories.length = 0;
        const one = agent(['fleet'], more);
        let early: { code: number | null; out: string } | undefined;
        void one.ended.then((end) => { early = end; });
        await until('the fleet', 180_000, () => early !== undefined || existsSync(join(folder, 'fleet.json')));
        if (early === undefined) return one;
        if (!early.out.includes('may be repeated')) throw new Error(`it ended with ${early.code}: ${early.out}`);
      }
    };
    const fleet = await started();
    expect(new Set(plane.inventories.map(({ bootId }) => bootId)).size).toBe(20);
    expect(plane.inventories.every(({ simulated, inventory }) => simulated && inventory.virtType === 'simulated')).toBe(true);
    const rssMib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${fleet.child.pid}/status`, 'utf8'))?.[1]) / 1024;
    expect(rssMib).toBeLessThan(150);
    fleet.child.kill('SIGKILL');
    await fleet.ended;
    rmSync(join(folder, 'fleet.json'));
    writeFileSync(tokens, '');
    const again = await started();
    again.child.kill('SIGTERM');
    expect((await again.ended).code).toBe(0);
  });
});
