// What was claimed of a host, on a real one: a guest pinned to a CPU of its own, one that floats beside it, one with cells of its own
// on huge pages; seen in libvirt, in the kernel's view of QEMU's threads, and inside the guest. Needs two CPUs.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { HostId, ImageId, InstanceId, Layout, readConsoleLog, type DesiredInstance } from '#libs/contracts';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import type { HostAgent } from '../../apps/compute-agent/src/host/host-agent.js';
import { makeRealHost } from '../../apps/compute-agent/src/host/real-host.js';
import type { JoinedIdentity } from '../../apps/compute-agent/src/session/identity.js';
import { TestControlPlane } from '../../apps/compute-agent/src/testing/control-plane.js';
import { SimulatedHost, tinyImage, until } from '../support/simulated-host.js';

/** CPU 0 for guests that float and QEMU's own threads, CPU 1 for a guest of its own. */
const PLACEMENT = { cpus: { shared: [0], dedicated: [1] }, reservedPages: [{ cell: 0, kib: 2048, count: 8 }], traits: ['CUSTOM_LAB'], resources: { CUSTOM_LICENCE: 2 } };
const POOL = '/proc/sys/vm/nr_hugepages';
const PAGES = 160;
/** The guest tells what it sees of its cells and CPUs. */
const USER_DATA = `#!/bin/sh
for node in /sys/devices/system/node/node[0-9]*; do echo "seen \${node##*/} cpus=$(cat $node/cpulist) mib=$(awk '/MemTotal/ { print int($4 / 1024) }' $node/meminfo)"; done
echo "seen cpus $(cat /sys/devices/system/cpu/online) socket=$(cat /sys/devices/system/cpu/cpu1/topology/physical_package_id 2>/dev/null)"
`;
const layoutOf = (layout: Partial<Layout>): Layout => Layout.parse({ cells: [], emulatorCpu: null, emulatorThreads: null, guestTopology: null, numa: false, ...layout });
const pool = (): number => Number(readFileSync(POOL, 'utf8'));
const freePages = (): number => Number(readFileSync('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages', 'utf8'));

describe('placement on a real compute host', () => {
  const hostId = HostId.parse(randomUUID());
  const plane = new TestControlPlane(new InMemoryBus(), hostId);
  const poolBefore = readFileSync(POOL, 'utf8').trim();
  const identity: JoinedIdentity = {
    hostId, name: 'host-p', simulated: false, publicNkey: 'U', seed: 'S',
    membership: { cellId: 'cell1', cloudId: randomUUID(), natsUrls: ['nats://127.0.0.1:1'], natsUserJwt: 'J', availabilityZone: 'nova' },
  };
  let host: SimulatedHost;
  let agent: HostAgent | undefined;
  let images: Server;
  let image: DesiredInstance['image'];
  let pinned: DesiredInstance;
  let floating: DesiredInstance;

  const options = () => ({
    identity, bus: plane.bus, stateDir: join(host.hostDir, 'agent'), libvirtSocket: host.facts.socket, virtType: 'qemu' as const, share: { diskGib: 10 }, placement: PLACEMENT, reservedMemoryMib: 0,
    hostAddress: '127.0.0.1', bootId: host.facts.bootId, logger: createLogger('test', 'silent'), onFatal: (error: Error) => { throw error; },
  });
  const wanted = (change: Partial<DesiredInstance>): DesiredInstance => {
    const id = InstanceId.parse(randomUUID());
    return {
      id, projectId: 'p'.repeat(32), name: 'placed', hostname: 'placed', generation: 1, specGeneration: 1, intent: 'running', rebootCount: 0, rebootType: 'soft', vcpus: 1, memoryMib: 128, diskGib: 1, image,
      configDrive: { 'openstack/latest/meta_data.json': JSON.stringify({ uuid: id, hostname: 'placed.novalocal', name: 'placed' }), 'openstack/latest/user_data': USER_DATA },
      diskGeneration: 1, powerOffTimeoutS: 0, diskFrom: null, previous: null, diskLaunched: false, layout: null, ...change,
    };
  };
  const start = async (change: Partial<DesiredInstance>): Promise<DesiredInstance> => {
    const want = wanted(change);
    plane.want(want);
    await plane.settled(want.id, 'running', 1, 180_000);
    return want;
  };
  const log = async (id: InstanceId): Promise<string> => (await plane.bus.ask(readConsoleLog, { instanceId: id }, { hostId })).output;
  /** Which CPUs the kernel lets each thread of a guest's QEMU run on. */
  const threads = (id: string): { name: string; cpus: string }[] => {
    const pid = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).find((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`instance-${id}`) && readFileSync(`/proc/${name}/comm`, 'utf8').startsWith('qemu-system');
      } catch {
        return false;
      }
    });
    if (pid === undefined) throw new Error(`no QEMU of ${id}`);
    return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
      try {
        const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
        return [{ name: /Name:\s+(.*)/.exec(status)![1]!, cpus: /Cpus_allowed_list:\s+(.*)/.exec(status)![1]! }];
      } catch {
        return []; // it ended just now
      }
    });
  };
  const isGuestCpu = ({ name }: { name: string }): boolean => /^CPU \d+\//.test(name);

  beforeAll(async () => {
    const bytes = readFileSync(await tinyImage());
    images = createServer((_, response) => response.end(bytes));
    await new Promise<void>((resolve) => { images.listen(0, '127.0.0.1', resolve); });
    image = { id: ImageId.parse(randomUUID()), sha512: createHash('sha512').update(bytes).digest('hex'), sizeBytes: bytes.length, virtualSizeBytes: null, format: 'qcow2' };
    plane.imageUrl = () => ({ url: `http://127.0.0.1:${(images.address() as AddressInfo).port}/image`, expiresAtMs: 0, sha512: image.sha512, sizeBytes: image.sizeBytes });
    writeFileSync(POOL, String(Number(poolBefore) + PAGES));
    host = await SimulatedHost.start({ name: 'host-p' });
    chmodSync(host.hostDir, 0o711);
    mkdirSync(join(host.hostDir, 'agent'), { mode: 0o711 });
    ({ agent } = await makeRealHost(options()));
    agent.start();
  });
  afterAll(async () => {
    await agent?.stop();
    await host?.dispose();
    images?.close();
    writeFileSync(POOL, poolBefore);
  });

  it('reports cells, cores, pages, CPU sets and traits', async () => {
    await until('inventory', 180_000, () => plane.inventories.length > 0);
    const { inventory, capabilities } = plane.inventories[0]!;
    expect(pool()).toBeGreaterThanOrEqual(PAGES);
    expect(inventory).toMatchObject({ vcpus: 2, sharedCpus: [0], dedicatedCpus: [1], resources: { CUSTOM_LICENCE: 2 } });
    expect(inventory.cells[0]).toMatchObject({ id: 0, cpus: [0, 1], cores: [[0], [1]], pages: expect.arrayContaining([{ kib: 2048, total: pool() - 8 }]), distances: [10] });
    // What an emulated guest gets, whatever the machine has.
    expect(inventory.cpuFlags).toEqual(expect.arrayContaining(['sse2', 'ssse3', 'sse4.2']));
    expect(inventory.cpuFlags).not.toContain('avx2');
    expect(inventory.traits).toEqual(expect.arrayContaining(['HW_CPU_X86_SSE42', 'HW_ARCH_X86_64', 'COMPUTE_NODE', 'CUSTOM_LAB']));
    expect(inventory.traits).not.toContain('HW_CPU_HYPERTHREADING');
    expect(capabilities).toContain('LAYOUT');
  });

  it('pins a guest to the CPU that was claimed for it, and its emulator to the shared ones', async () => {
    pinned = await start({ layout: layoutOf({ cells: [{ hostCell: 0, memoryMib: 128, pageKib: null, pins: [{ guest: 0, host: 1 }], floating: [] }], emulatorThreads: 'share' }) });
    expect(await host.virsh('vcpupin', pinned.id)).toMatch(/0\s+1\s*$/);
    expect(await host.virsh('emulatorpin', pinned.id)).toMatch(/(^|\s)0$/);
    expect(await host.virsh('vcpuinfo', pinned.id)).toMatch(/CPU Affinity:\s+-y$/);
    expect(await host.virsh('dumpxml', pinned.id)).toMatch(/<memory mode='strict' nodeset='0'\/>/);
    const all = threads(pinned.id);
    expect(all.filter(isGuestCpu).map(({ cpus }) => cpus)).toEqual(['1']);
    expect(new Set(all.filter((thread) => !isGuestCpu(thread)).map(({ cpus }) => cpus))).toEqual(new Set(['0']));
  });

  it('keeps a guest that floats off the dedicated CPU', async () => {
    floating = await start({});
    expect(await host.virsh('dumpxml', floating.id)).toContain("<vcpu placement='static' cpuset='0'>1</vcpu>");
    expect(new Set(threads(floating.id).map(({ cpus }) => cpus))).toEqual(new Set(['0']));
  });

  it('says that somebody pinned it elsewhere, at once, and when it is back', async () => {
    await until('no drift', 180_000, () => plane.drift.length === 0);
    await host.virsh('vcpupin', pinned.id, '0', '0', '--live');
    await until('drift', 180_000, () => plane.drift.some(({ kind, id }) => kind === 'changed-definition' && id === pinned.id));
    expect(plane.drift[0]?.what).toMatch(/runs on other CPUs/);
    await host.virsh('vcpupin', pinned.id, '0', '1', '--live');
    await until('no drift again', 180_000, () => plane.drift.length === 0);
  });

  it('moves a guest to other CPUs by a new spec generation only, with the guest off in between', async () => {
    const before = (await host.virsh('domid', pinned.id)).trim();
    pinned = { ...pinned, generation: 2, specGeneration: 2, layout: null };
    plane.want(pinned);
    await plane.settled(pinned.id, 'running', 2, 180_000);
    expect((await host.virsh('domid', pinned.id)).trim()).not.toBe(before);
    expect(new Set(threads(pinned.id).map(({ cpus }) => cpus))).toEqual(new Set(['0']));
    for (const { id } of [pinned, floating]) {
      plane.want(wanted({ id, generation: 9, intent: 'deleted' }));
      await plane.settled(id, 'absent', 9, 180_000);
    }
  });

  it('gives a guest cells of its own on huge pages, which it sees', async () => {
    const guest = await start({
      vcpus: 2, memoryMib: 256, layout: layoutOf({
        numa: true, guestTopology: { sockets: 2, cores: 1, threads: 1 },
        cells: [{ hostCell: 0, memoryMib: 128, pageKib: 2048, pins: [], floating: [0] }, { hostCell: 0, memoryMib: 128, pageKib: 2048, pins: [{ guest: 1, host: 1 }], floating: [] }],
      }),
    });
    await until('pages taken', 180_000, () => pool() - freePages() >= 128);
    expect(threads(guest.id).filter(isGuestCpu).map(({ cpus }) => cpus).sort()).toEqual(['0', '1']);
    expect(await host.virsh('dumpxml', guest.id)).toMatch(/<page size='2048' unit='KiB' nodeset='0-1'\/>/);
    await until('ready', 180_000, async () => /tiny: ready/.test(await log(guest.id)));
    const said = await log(guest.id);
    expect(said).toMatch(/seen node0 cpus=0 mib=\d+/);
    expect(said).toMatch(/seen node1 cpus=1 mib=\d+/);
    expect(said).toMatch(/seen cpus 0-1 socket=1/);
    plane.want(wanted({ id: guest.id, generation: 2, intent: 'deleted' }));
    await plane.settled(guest.id, 'absent', 2, 180_000);
    await until('pages given back', 180_000, () => pool() - freePages() < 128); // a moment after the process is gone
  });

  it('refuses a layout that is not of this host, for good and in words', async () => {
    const guest = wanted({ layout: layoutOf({ cells: [{ hostCell: 0, memoryMib: 128, pageKib: null, pins: [{ guest: 0, host: 0 }], floating: [] }] }) });
    plane.want(guest);
    const seen = await plane.settled(guest.id, 'failed', 1, 180_000);
    expect(seen.error).toMatchObject({ code: 'layout-impossible', final: true, message: expect.stringContaining('CPU 0 was claimed for this guest alone') });
  });

  it('does not start with CPUs that the machine does not have', async () => {
    await expect(makeRealHost({ ...options(), stateDir: join(host.hostDir, 'other'), placement: { ...PLACEMENT, cpus: { shared: [0], dedicated: [1, 4000] } } })).rejects.toThrow(/^SKYLITE_CPU_DEDICATED names CPU 4000, which this machine does not have/);
    expect(existsSync(join(host.hostDir, 'other'))).toBe(false);
  });
});
