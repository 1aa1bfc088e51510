// Guests that are paused, suspended, rebuilt, resized and moved by real agents over real libvirt and QEMU, on two hosts, with the
// real door between them: what the guest saw counts, not what the agent said.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { HostId, ImageId, InstanceId, openDiskTransfer, readConsoleLog, sendDisk, type DesiredInstance } from '#libs/contracts';
import { createDoor } from '#libs/http';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { ApiHttpModule } from '../../apps/api/src/api.module.js';
import type { HostAgent } from '../../apps/compute-agent/src/host/host-agent.js';
import { makeRealHost } from '../../apps/compute-agent/src/host/real-host.js';
import { LIMITS } from '../../apps/compute-agent/src/limits.js';
import { KillableBus, TestControlPlane } from '../../apps/compute-agent/src/testing/control-plane.js';
import { SimulatedHost, tinyImage, until } from '../support/simulated-host.js';

const CLOUD = randomUUID();
const logger = createLogger('test', 'silent');
/** Runs at the first boot of a disk only. It beats on the serial line as long as this very boot lasts. */
const USER_DATA = '#!/bin/sh\necho "first boot of this disk on $(hostname)"\n(i=0; while :; do i=$((i+1)); echo "beat $i" > /dev/ttyS0; sleep 0.5; done) >/dev/null 2>&1 &\n';

/** A real host with its agent, and the control plane as it sees it. */
class AgentHost {
  readonly hostId = HostId.parse(randomUUID());
  readonly plane = new TestControlPlane(new InMemoryBus(), this.hostId);
  host!: SimulatedHost;
  stateDir!: string;
  agent!: HostAgent;
  bus!: KillableBus;

  constructor(readonly name: string) {}

  async start(): Promise<void> {
    this.host = await SimulatedHost.start({ name: this.name });
    chmodSync(this.host.hostDir, 0o711);
    this.stateDir = join(this.host.hostDir, 'agent');
    mkdirSync(this.stateDir, { mode: 0o711 });
    await this.startAgent();
  }

  async startAgent(): Promise<void> {
    this.bus = new KillableBus(this.plane.bus);
    ({ agent: this.agent } = await makeRealHost({
      identity: {
        hostId: this.hostId, name: this.name, simulated: false, publicNkey: 'U', seed: 'S',
        membership: { cellId: 'cell1', cloudId: CLOUD, natsUrls: ['nats://127.0.0.1:1'], natsUserJwt: 'J', availabilityZone: 'nova' },
      },
      bus: this.bus, stateDir: this.stateDir, libvirtSocket: this.host.facts.socket, virtType: 'qemu', share: { vcpus: 2, memoryMib: 2048, diskGib: 20 }, reservedMemoryMib: 0,
      hostAddress: '127.0.0.1', bootId: this.host.facts.bootId, logger, limits: { ...LIMITS, backoffMaxMs: 2_000 }, onFatal: (error) => { throw error; },
    }));
    this.agent.start();
  }

  async stopAgent(): Promise<void> {
    this.bus.kill();
    await this.agent.stop();
  }

  async stop(): Promise<void> {
    await this.stopAgent();
    await this.host.dispose();
  }

  log = async (id: InstanceId): Promise<string> => (await this.plane.bus.ask(readConsoleLog, { instanceId: id }, { hostId: this.hostId })).output;
  files = (id: string): string[] => readdirSync(join(this.stateDir, 'instances', id)).sort();
}

const [a, b] = [new AgentHost('host-a'), new AgentHost('host-b')];
let door: NestFastifyApplication;
let front: Server;
let image: DesiredInstance['image'];
let want: DesiredInstance;
const port = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
const change = (to: Partial<DesiredInstance>, on: AgentHost = a): void => {
  want = { ...want, generation: want.generation + 1, ...to };
  on.plane.want(want);
};
const isBuilt = (on: AgentHost, state: string, ms = 180_000) => on.plane.until(want.id, (seen) => seen.state === state && seen.generation === want.generation && seen.doing === null && seen.error === null
  && seen.built?.specGeneration === want.specGeneration && seen.built.diskGeneration === want.diskGeneration, ms);
const times = (text: string, word: string): number => text.split(word).length - 1;
const lastBeat = async (on: AgentHost): Promise<number> => Math.max(0, ...[...(await on.log(want.id)).matchAll(/beat (\d+)/g)].map((found) => Number(found[1])));
const virtualSize = (path: string): number => (JSON.parse(execFileSync('qemu-img', ['info', '-U', '--output=json', path], { encoding: 'utf8' })) as { 'virtual-size': number })['virtual-size'];

beforeAll(async () => {
  const bytes = readFileSync(await tinyImage());
  image = { id: ImageId.parse(randomUUID()), sha512: createHash('sha512').update(bytes).digest('hex'), sizeBytes: bytes.length, virtualSizeBytes: null, format: 'qcow2' };
  const bus = new InMemoryBus();
  bus.handle(openDiskTransfer, async () => ({ sourceHostId: a.hostId, instanceId: want.id }), { group: 'compute' });
  bus.handle(sendDisk, (ask) => a.plane.bus.ask(sendDisk, ask, { hostId: a.hostId }), { group: 'agent', hostId: a.hostId });
  door = await createDoor(ApiHttpModule.register({ bus, logger, config: { region: 'RegionOne', consoles: { get dialUrl() { return `http://127.0.0.1:${port(door.getHttpServer())}`; }, allowedOrigins: [] } } }), { logger });
  await door.listen(0, '127.0.0.1');
  // One address for images and disks, as hosts see it.
  front = createServer((asked, answer) => {
    if (asked.url === '/image') return void answer.end(bytes);
    const passed = request({ host: '127.0.0.1', port: port(door.getHttpServer()), path: asked.url, method: asked.method, headers: asked.headers }, (response) => {
      answer.writeHead(response.statusCode ?? 500, response.headers);
      response.pipe(answer);
    });
    passed.once('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => { front.listen(0, '127.0.0.1', resolve); });
  for (const { plane } of [a, b]) plane.imageUrl = () => ({ url: `http://127.0.0.1:${port(front)}/image`, expiresAtMs: 0, sha512: image.sha512, sizeBytes: image.sizeBytes });
  await a.start();
});
afterAll(async () => {
  await a.stop();
  await b.stop().catch(() => undefined);
  front?.close();
  await door?.close();
});

describe('a guest and its memory', () => {
  it('boots, and beats', async () => {
    const id = InstanceId.parse(randomUUID());
    want = {
      id, projectId: 'p'.repeat(32), name: 'guest', hostname: 'guest-1', generation: 1, specGeneration: 1, intent: 'running', rebootCount: 0, rebootType: 'soft',
      vcpus: 1, memoryMib: 128, diskGib: 1, image, diskGeneration: 1, powerOffTimeoutS: null, diskFrom: null, previous: null, diskLaunched: false, layout: null,
      configDrive: { 'openstack/latest/meta_data.json': JSON.stringify({ uuid: id, hostname: 'guest-1.novalocal', name: 'guest-1' }), 'openstack/latest/user_data': USER_DATA },
    };
    a.plane.want(want);
    await isBuilt(a, 'running');
    await until('beats', 180_000, async () => (await lastBeat(a)) > 2);
  });

  it('stands still while it is paused, and goes on', async () => {
    change({ intent: 'paused' });
    await isBuilt(a, 'paused');
    let at = await lastBeat(a);
    // What it said before may be on its way to the log still.
    for (let before = -1; before !== at; at = await lastBeat(a)) {
      before = at;
      await sleep(500);
    }
    await sleep(1_500);
    expect(await lastBeat(a)).toBe(at);
    change({ intent: 'running' });
    await isBuilt(a, 'running');
    await until('beats go on', 180_000, async () => (await lastBeat(a)) > at + 1);
  });

  it('is paused again when somebody lets it run, and runs again when somebody halts it', async () => {
    await a.host.virsh('suspend', want.id);
    await until('corrected', 180_000, async () => (await a.host.virsh('domstate', want.id)) === 'running');
    change({ intent: 'paused' });
    await isBuilt(a, 'paused');
    await a.host.virsh('resume', want.id);
    await until('corrected', 180_000, async () => (await a.host.virsh('domstate', want.id)) === 'paused');
    change({ intent: 'running' });
    await isBuilt(a, 'running');
  });

  it('is saved by a suspend, over a restart of the agent and a power loss, and goes on where it was', async () => {
    change({ intent: 'suspended' });
    await isBuilt(a, 'suspended');
    expect(a.host.processId('qemu-system-x86_64')).toBeUndefined();
    const at = await lastBeat(a);
    await a.stopAgent();
    await a.host.losePower();
    await a.host.powerOn();
    a.plane.reports.clear();
    await a.startAgent();
    await isBuilt(a, 'suspended');
    change({ intent: 'running' });
    await isBuilt(a, 'running');
    await until('beats go on', 180_000, async () => (await lastBeat(a)) > at + 1);
    const log = await a.log(want.id);
    expect(times(log, 'first boot of this disk')).toBe(1);
    expect(times(log, 'tiny: ready')).toBe(1);
    expect(a.plane.drift).toEqual([]); // its definition is still the one it was given
  });

  it('says that somebody edited its definition, and when it is as it was', async () => {
    const edit = async (from: RegExp, to: string): Promise<void> => {
      const path = join(a.host.hostDir, 'edited.xml');
      const xml = await a.host.virsh('dumpxml', '--inactive', want.id);
      writeFileSync(path, xml.replace(from, to));
      await a.host.virsh('define', path);
    };
    await edit(/<boot dev='hd'\/>/, "<boot dev='network'/>");
    await until('said', 180_000, () => a.plane.drift.some(({ kind, id }) => kind === 'changed-definition' && id === want.id));
    await edit(/<boot dev='network'\/>/, "<boot dev='hd'/>");
    await until('over', 180_000, () => a.plane.drift.length === 0);
    expect(await a.host.virsh('domstate', want.id)).toBe('running');
  });

  it('says that saved memory is damaged, and boots after a hard reboot only', async () => {
    change({ intent: 'suspended' });
    await isBuilt(a, 'suspended');
    const saved = (await a.host.exec('sh', '-c', 'ls /var/lib/libvirt/qemu/save/*.save')).trim();
    await a.host.exec('sh', '-c', `printf 'garbage-garbage-garbage' | dd of='${saved}' bs=1 conv=notrunc 2>/dev/null`);
    change({ intent: 'running' });
    expect(await a.plane.until(want.id, (seen) => seen.generation === want.generation && seen.error?.final === true, 180_000)).toMatchObject({ state: 'failed', error: { code: 'memory-unreadable' } });
    change({ rebootCount: 1, rebootType: 'hard' });
    await isBuilt(a, 'running');
    await until('a fresh boot', 180_000, async () => times(await a.log(want.id), 'tiny: ready') === 2);
  });
});

describe('a guest and its disk', () => {
  it('is rebuilt onto a new disk, and the old one is gone', async () => {
    expect(a.files(want.id)).toContain('disk.qcow2');
    change({ specGeneration: 2, diskGeneration: 2, rebootType: 'soft' });
    await isBuilt(a, 'running', 90_000);
    expect(a.files(want.id).filter((name) => name.endsWith('.qcow2'))).toEqual(['disk.g2.qcow2']);
    await until('first boot of the new disk', 180_000, async () => times(await a.log(want.id), 'first boot of this disk') === 2);
  });

  it('is resized in place, keeps what it was, and goes back to it', async () => {
    const disk = join(a.stateDir, 'instances', want.id, 'disk.g2.qcow2');
    change({ specGeneration: 3, vcpus: 2, memoryMib: 160, diskGib: 2, previous: { specGeneration: 2, then: 'keep' } });
    await isBuilt(a, 'running', 90_000);
    expect(virtualSize(disk)).toBe(2 * 1024 ** 3);
    expect(a.files(want.id)).toContain('previous-2.qcow2');
    expect(await a.host.virsh('dominfo', want.id)).toMatch(/CPU\(s\): +2[\s\S]*Max memory: +163840 KiB/);
    await until('same disk', 180_000, async () => times(await a.log(want.id), 'user data ran at') >= 1 || times(await a.log(want.id), 'not again') >= 1);
    change({ specGeneration: 4, vcpus: 1, memoryMib: 128, diskGib: 1, previous: { specGeneration: 2, then: 'restore' } });
    await isBuilt(a, 'running', 90_000);
    expect(virtualSize(disk)).toBe(1024 ** 3);
    expect(a.files(want.id).filter((name) => name.endsWith('.qcow2'))).toEqual(['disk.g2.qcow2']);
    expect(await a.host.virsh('dominfo', want.id)).toMatch(/CPU\(s\): +1/);
    expect(times(await a.log(want.id), 'first boot of this disk')).toBe(2);
  });

  it('goes to another host through the door, once its source is there and off', async () => {
    await b.start();
    const transferId = randomUUID();
    const moved = { ...want, generation: want.generation + 1, specGeneration: 5, memoryMib: 192, diskGib: 2, previous: null, diskFrom: { transferId, key: 'k' } };
    await a.stopAgent(); // the source is away
    b.plane.want(moved);
    expect(await b.plane.until(want.id, (seen) => seen.error !== null, 180_000)).toMatchObject({ error: { code: 'disk-source-away', final: false, attempts: 0 } });
    await a.startAgent(); // and back, its guest still on
    expect(await b.plane.until(want.id, (seen) => seen.error?.message.includes('not off') === true, 180_000)).toMatchObject({ error: { final: false, attempts: 0 } });
    change({ intent: 'stopped', powerOffTimeoutS: 20 });
    await isBuilt(a, 'stopped');
    const stopped = want;
    want = moved;
    await isBuilt(b, 'running', 120_000);
    const disk = join(b.stateDir, 'instances', want.id, 'disk.g2.qcow2');
    expect(virtualSize(disk)).toBe(2 * 1024 ** 3);
    await until('the same disk boots', 180_000, async () => /not again/.test(await b.log(want.id)) && /tiny: ready/.test(await b.log(want.id)));
    expect(await b.log(want.id)).not.toContain('first boot of this disk');
    expect(await b.host.virsh('dumpxml', want.id)).not.toContain(transferId);
    want = { ...stopped };
    change({ intent: 'deleted' });
    await a.plane.settled(want.id, 'absent', want.generation, 180_000);
    want = moved;
  });
});

describe('what somebody does behind its back', () => {
  it('virsh destroy: said within a second, and left', async () => {
    await b.host.virsh('destroy', want.id);
    const began = performance.now();
    await b.plane.settled(want.id, 'stopped', want.generation, 180_000);
    expect(performance.now() - began).toBeLessThan(LIMITS.tickEveryMs); // it was told, and did not look by chance
    await until('drift', 180_000, () => b.plane.drift.some(({ kind }) => kind === 'ended-by-itself'));
    change({ intent: 'running', diskFrom: null }, b);
    await isBuilt(b, 'running');
  });

  it('virsh undefine of what runs and of what is off: defined again', async () => {
    await b.host.virsh('undefine', want.id); // transient now
    change({ intent: 'stopped', powerOffTimeoutS: 0 }, b);
    await isBuilt(b, 'stopped');
    await until('defined', 180_000, async () => (await b.host.virsh('list', '--all', '--name')).includes(want.id));
    await b.host.virsh('undefine', want.id);
    await until('defined again', 180_000, async () => (await b.host.virsh('list', '--all', '--name')).includes(want.id));
    expect(await b.plane.until(want.id, (seen) => seen.built !== null)).toMatchObject({ built: { specGeneration: 5, diskGeneration: 2 } });
  });

  it('a disk that vanished: said, never replaced by an empty one', async () => {
    const disk = join(b.stateDir, 'instances', want.id, 'disk.g2.qcow2');
    renameSync(disk, `${disk}.away`);
    change({ intent: 'running' }, b);
    expect(await b.plane.until(want.id, (seen) => seen.generation === want.generation && seen.error?.final === true, 180_000)).toMatchObject({ state: 'failed', error: { code: 'disk-lost' } });
    expect(existsSync(disk)).toBe(false);
    renameSync(`${disk}.away`, disk);
    change({ intent: 'running' }, b);
    await isBuilt(b, 'running');
    writeFileSync(join(b.stateDir, 'instances', want.id, 'note'), 'x');
    change({ intent: 'deleted' }, b);
    await b.plane.settled(want.id, 'absent', want.generation, 180_000);
    expect(readdirSync(join(b.stateDir, 'instances'))).toEqual([]);
  });
});
