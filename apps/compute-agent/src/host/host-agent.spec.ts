import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageMark, inspectOnHost, readConsoleLog } from '#libs/contracts';
import { unavailable } from '#libs/errors';
import type { Step } from '../decide/facts.js';
import { desired, HOST_ID, instanceId, layout, layoutCell } from '../testing/builders.js';
import { itObeysTheLaws, type Disturb } from '../testing/laws.js';
import { PATIENT, TestHost, type TestHostOptions } from '../testing/test-host.js';

const ID = instanceId();
let host: TestHost;
afterEach(() => host.close());

async function started(options: TestHostOptions = {}): Promise<TestHost> {
  host = new TestHost(options);
  await host.start();
  return host;
}
async function running(options: TestHostOptions = {}): Promise<TestHost> {
  await started(options);
  host.plane.want(desired());
  await host.plane.settled(ID, 'running');
  host.steps.length = 0;
  return host;
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });
/** Waits for a state; whoever asks looks at it afterwards, which says more than a time that ran out. */
const until = async (holds: () => boolean): Promise<void> => { for (let wait = 0; !holds() && wait < 3_000; wait += 1) await pause(10); };

/** Nothing of any instance is left anywhere on the host. */
function expectNothingLeft(): void {
  expect(host.hypervisor.domains()).toEqual([]);
  expect(readdirSync(join(host.folder, 'files'))).toEqual(['boot-id']);
}
async function untilForgotten(): Promise<void> {
  await until(() => host.ledger.entries.size === 0);
  await host.ledger.flush();
  expect(readdirSync(join(host.folder, 'ledger', 'instances'))).toEqual([]);
}

describe('one instance on one host', () => {
  it('is built, started and said so in one report', async () => {
    await started({ latencyMs: 0, limits: { reportTransientAfterMs: 60_000 } });
    host.plane.want(desired());
    const seen = await host.plane.settled(ID, 'running');
    expect(seen).toMatchObject({ rebootCount: 0, error: null, frozen: { machine: 'pc', cpuModel: 'Nehalem', virtType: 'qemu' } });
    expect(host.steps).toEqual(['fetch-image', 'make-disk', 'make-config-drive', 'define', 'start', ...host.steps.slice(5)]);
    await pause(100);
    expect(host.plane.history.length).toBeLessThanOrEqual(2);
    expect(host.plane.inventories[0]).toMatchObject({ simulated: false, protocol: { min: 1, max: 1 }, inventory: { generation: 1, vcpus: 4, cells: [{ id: 0 }], virtType: 'qemu', hypervisorVersion: 7_002_022, libvirtVersion: 9_000_000 } });
    expect(host.plane.beats.at(-1)).toMatchObject({ hypervisorUp: true });
    // The image is named in a beat soon after it came.
    const said = (): string[][] => host.plane.beats.flatMap(({ images }) => (images ? [images] : []));
    while (said().at(-1)?.length !== 1) await pause(10);
    expect(said().at(-1)).toEqual([imageMark(desired().image.sha512)]);
  });

  it('stands on a host that says how its CPUs are divided, and what its guests get', async () => {
    host = new TestHost({ numaNodes: 2, placement: { cpus: { shared: [0], dedicated: [2, 3] }, reservedPages: [], traits: ['CUSTOM_LAB'], resources: { CUSTOM_LICENCE: 3 } } });
    await host.start();
    host.plane.want(desired({ layout: layout({ cells: [layoutCell({ hostCell: 1, pins: [[0, 3]] })] }) }));
    await host.plane.settled(ID, 'running');
    expect(host.plane.inventories[0]?.inventory).toMatchObject({
      vcpus: 3, sharedCpus: [0], dedicatedCpus: [2, 3], resources: { CUSTOM_LICENCE: 3 }, cpuFlags: ['cx16', 'hypervisor', 'pni', 'sse', 'sse2'],
      traits: expect.arrayContaining(['CUSTOM_LAB', 'HW_CPU_X86_SSE3']), cells: [{ id: 0, cpus: [0], cores: [[0]] }, { id: 1, cpus: [2, 3], socket: 1, distances: [20, 10] }],
    });
    expect(host.hypervisor.domain(ID)?.xml).toContain("<vcpupin vcpu='0' cpuset='3'/>");
  });

  it('is given up at once where its layout cannot be, in words', async () => {
    await started({});
    host.plane.want(desired({ layout: layout({ cells: [layoutCell({ pins: [[0, 1]] })] }) }));
    const seen = await host.plane.settled(ID, 'failed');
    expect(seen.error).toMatchObject({ code: 'layout-impossible', final: true, attempts: 1 });
    expect(host.hypervisor.domain(ID)).toBeUndefined();
  });

  it('is stopped by its power button and started again', async () => {
    await running({ limits: PATIENT });
    host.plane.want(desired({ generation: 2, intent: 'stopped' }));
    await host.plane.settled(ID, 'stopped', 2);
    expect(host.steps).toEqual(['press-power-button']);
    host.plane.want(desired({ generation: 3 }));
    await host.plane.settled(ID, 'running', 3);
    expect(host.hypervisor.domain(ID)).toMatchObject({ starts: 2 });
  });

  it('has its plug pulled when it does not obey', async () => {
    await running({ shutdownMs: null });
    host.plane.want(desired({ generation: 2, intent: 'stopped' }));
    await host.plane.settled(ID, 'stopped', 2);
    expect(host.steps.at(-1)).toBe('destroy');
    expect(host.steps.filter((step) => step === 'press-power-button').length).toBeGreaterThan(1);
  });

  it.each(['soft', 'hard'] as const)('is rebooted once for a %s reboot', async (rebootType) => {
    await running({ shutdownMs: 5 });
    host.plane.want(desired({ generation: 2, rebootCount: 1, rebootType }));
    await host.plane.until(ID, (seen) => seen.rebootCount === 1 && seen.state === 'running' && seen.doing === null);
    host.plane.want(desired({ generation: 3, rebootCount: 1, rebootType }));
    await host.plane.settled(ID, 'running', 3);
    expect(host.hypervisor.domain(ID)).toMatchObject({ starts: 2, state: 'running' });
  });

  it('is deleted without a trace, and forgotten', async () => {
    await running();
    host.plane.want(desired({ generation: 2, intent: 'deleted' }));
    await host.plane.settled(ID, 'absent', 2);
    expectNothingLeft();
    await untilForgotten();
  });

  it('that ends by itself is said, not restarted; after a boot of the host it is', async () => {
    await running();
    host.hypervisor.guestPowerOff(ID);
    await host.plane.settled(ID, 'stopped');
    host.plane.want(desired({ generation: 2 }));
    await host.plane.settled(ID, 'running', 2);
    host.hypervisor.guestCrash(ID);
    await host.plane.settled(ID, 'crashed', 2);
    await pause(150);
    expect(host.hypervisor.domain(ID)).toMatchObject({ starts: 2 });
    host.bootId = 'boot-2';
    await host.restart();
    await host.plane.settled(ID, 'running', 2);
  });

  it('is started again after it was taken down to be built anew, also under a number that was used before', async () => {
    await running();
    // A restored database counts from where it was, and may give a number twice.
    host.plane.want(desired({ specGeneration: 2, diskGeneration: 2 }));
    await until(() => host.plane.reports.get(ID)?.built?.diskGeneration === 2 && host.plane.reports.get(ID)?.doing === null);
    expect(host.plane.reports.get(ID)).toMatchObject({ state: 'running', generation: 1, built: { specGeneration: 2, diskGeneration: 2 } });
  });

  it('comes back after a power loss with the control plane down', async () => {
    await running();
    host.bus.setConnected(false);
    void host.kill();
    host.hypervisor.powerLoss();
    host.bootId = 'boot-2';
    await host.start();
    await until(() => host.hypervisor.domain(ID)?.state === 'running');
    expect(host.hypervisor.domain(ID)).toMatchObject({ state: 'running', starts: 2 });
  });
});

describe('what goes wrong', () => {
  it('nothing is done while libvirt does not answer, and beats say so', async () => {
    await running();
    host.libvirt.disconnect();
    host.plane.want(desired({ generation: 2, intent: 'deleted' }));
    const beats = host.plane.beats.length;
    await until(() => host.plane.beats.length >= beats + 5);
    expect(host.steps).toEqual([]);
    expect(host.hypervisor.domain(ID)?.state).toBe('running');
    expect(host.plane.beats.at(-1)).toMatchObject({ hypervisorUp: false });
    host.libvirt.start();
    await host.plane.settled(ID, 'absent', 2);
  });

  it('what its CPU can do is asked once: a libvirt that is busy holds up no announcement, and takes no trait away', async () => {
    await running();
    const [first] = host.plane.inventories;
    const before = host.plane.inventories.length;
    expect(first?.inventory.cpuFlags).not.toEqual([]);
    host.hypervisor.faults.on('CONNECT_BASELINE_HYPERVISOR_CPU', { kind: 'error', code: 1, message: 'busy' });
    host.bus.setConnected(false);
    host.bus.setConnected(true);
    await until(() => host.plane.inventories.length > before);
    expect(host.plane.inventories.at(-1)?.inventory).toEqual(first?.inventory);
    expect(host.plane.inventories.length).toBeGreaterThan(before);
  });

  it('a start that fails is tried again; one that always fails is final for its generation', async () => {
    await started();
    host.hypervisor.faults.on('DOMAIN_CREATE_WITH_FLAGS', { kind: 'error', code: 1, message: 'no luck' }, { times: 4 });
    host.plane.want(desired());
    const failed = await host.plane.until(ID, (seen) => seen.error?.final === true);
    expect(failed).toMatchObject({ state: 'failed', doing: null, error: { code: 'libvirt-start', message: 'no luck', attempts: 3 } });
    await pause(100);
    expect(host.hypervisor.callCount('DOMAIN_CREATE_WITH_FLAGS')).toBe(3);
    host.plane.want(desired({ generation: 2 }));
    expect(await host.plane.settled(ID, 'running', 2)).toMatchObject({ error: null });
  });

  it('an unreachable image store is waited for, a wrong image is final at once', async () => {
    await started();
    const good = host.plane.imageUrl;
    host.plane.imageUrl = () => { throw unavailable('The image store sleeps.'); };
    host.plane.want(desired());
    const wait = { state: 'building', doing: 'fetch-image', error: { code: 'image-unreachable', attempts: 0, final: false } };
    await host.plane.until(ID, (seen) => seen.error?.code === 'image-unreachable' && seen.doing !== null);
    await pause(150);
    expect(host.plane.reports.get(ID)).toMatchObject(wait);
    host.plane.imageUrl = good;
    await host.plane.settled(ID, 'running');
    const other = desired({ id: instanceId(2), image: { ...desired().image, sha512: 'cd'.repeat(64) } });
    host.plane.want(other);
    await host.plane.until(other.id, (seen) => seen.state === 'failed' && seen.error?.code === 'image-changed' && seen.error.attempts === 1);
    host.plane.want({ ...other, generation: 2, intent: 'deleted' });
    await host.plane.settled(other.id, 'absent', 2);
  });

  it('a lost hint costs a pull interval, no more', async () => {
    await started();
    host.plane.want(desired(), false);
    await host.plane.settled(ID, 'running');
  });

  it('what another made with our notes is an orphan; what is foreign is nothing; neither is touched', async () => {
    await running();
    const xml = host.hypervisor.domain(ID)!.xml;
    const [orphan, foreign, sameId] = [instanceId(7), instanceId(8), instanceId(9)];
    const libvirt = host.libvirt;
    await libvirt.domainDefineXml(xml.replaceAll(ID, orphan).replace(/<name>.*<\/name>/, '<name>orphan</name>'));
    for (const id of [foreign, sameId]) await libvirt.domainCreate(await libvirt.domainDefineXml(`<domain type='qemu'><name>${id}</name><uuid>${id}</uuid><memory>1024</memory></domain>`));
    host.plane.want(desired({ id: sameId, intent: 'deleted' }));
    expect(await host.plane.until(sameId, (seen) => seen.error !== null)).toMatchObject({ state: 'running', error: { code: 'foreign-domain', final: true } });
    expect(host.plane.orphans).toEqual([{ uuid: orphan, name: 'orphan' }]);
    await pause(100);
    expect(host.hypervisor.domain(foreign)?.state).toBe('running');
    expect(host.hypervisor.domain(sameId)?.state).toBe('running');
    expect(host.hypervisor.domain(orphan)).toBeDefined();
  });

  it('a lost ledger is filled again and takes the guests over as they are', async () => {
    await running();
    void host.kill();
    await host.ledger.flush();
    writeFileSync(join(host.folder, 'ledger', 'instances', `${ID}.json`), 'spoiled');
    await host.start();
    await host.plane.settled(ID, 'running');
    await until(() => Boolean(host.ledger.entries.get(ID)?.progress.started));
    expect(host.hypervisor.domain(ID)).toMatchObject({ starts: 1 });
    expect(host.ledger.entries.get(ID)?.progress).toMatchObject({ built: 1, frozen: { machine: 'pc' } });
    expect(existsSync(join(host.folder, 'ledger', 'quarantine'))).toBe(true);
  });

  it('a control plane restored from an older state destroys nothing', async () => {
    await running();
    host.plane.incarnation = 2;
    host.plane.reportOnly = true;
    host.plane.lose(ID);
    host.plane.want(desired({ id: instanceId(2), intent: 'running' }));
    await until(() => host.ledger.entries.get(ID)?.listed === false);
    await pause(100);
    expect(host.hypervisor.domains()).toHaveLength(1);
    expect(host.ledger.entries.get(ID)).toMatchObject({ listed: false });
    host.plane.reportOnly = false;
    await host.plane.settled(instanceId(2), 'running');
    expect(host.hypervisor.domain(ID)?.state).toBe('running');
    expect(host.plane.inventories.length).toBeGreaterThan(1);
  });

  it('a refused session ends the agent with its own code', async () => {
    host = new TestHost();
    host.plane.refuse = true;
    await host.start();
    await until(() => host.fatal !== undefined);
    expect(host.fatal).toMatchObject({ exitCode: 3, message: expect.stringContaining('refused this host') });
    expect(host.plane.pulls).toBe(0);
  });

  it('a copy of a host is refused before it starts the same guests again', async () => {
    await running({ limits: { firstWordMs: 60_000 } });
    void host.kill();
    host.hypervisor.powerLoss();
    host.bootId = 'boot-of-the-copy';
    host.plane.refuse = true;
    await host.start();
    await until(() => host.fatal !== undefined);
    await pause(100);
    expect(host.fatal).toMatchObject({ exitCode: 3 });
    expect(host.hypervisor.domain(ID)).toMatchObject({ state: 'shutoff', starts: 1 });
  });

  it('a delete breaks off a download', async () => {
    await started();
    host.plane.imageUrl = () => { throw unavailable('never'); };
    host.plane.want(desired());
    await pause(50);
    host.plane.want(desired({ generation: 2, intent: 'deleted' }));
    await host.plane.settled(ID, 'absent', 2);
    await untilForgotten();
    expectNothingLeft();
  });
});

describe('many instances', () => {
  it('are built side by side, over pages, and deleted', async () => {
    await started();
    host.plane.pageSize = 7;
    const ids = Array.from({ length: 40 }, (_, n) => instanceId(n + 1));
    ids.forEach((id, n) => host.plane.want(desired({ id }), n === 39));
    await Promise.all(ids.map((id) => host.plane.settled(id, 'running')));
    ids.forEach((id) => host.plane.want(desired({ id, generation: 2, intent: 'deleted' })));
    await Promise.all(ids.map((id) => host.plane.settled(id, 'absent', 2)));
    await untilForgotten();
    expectNothingLeft();
  });
});

describe('what may be asked of it', () => {
  it('the console log and the inside view', async () => {
    await running();
    await expect(host.plane.bus.ask(readConsoleLog, { instanceId: instanceId(5) }, { hostId: HOST_ID })).rejects.toMatchObject({ kind: 'not-found' });
    expect(await host.plane.bus.ask(readConsoleLog, { instanceId: ID, lines: 10 }, { hostId: HOST_ID })).toEqual({ output: '' });
    const inside = await host.plane.bus.ask(inspectOnHost, { instanceId: ID }, { hostId: HOST_ID });
    expect(inside).toMatchObject({ hostname: 'h1', virtType: 'qemu', simulated: false, ledger: { desired: { configDrive: ['openstack/latest/meta_data.json'] } }, observed: { plan: { state: 'running' } } });
    expect(inside.domainXml).toContain('<skylite:instance');
  });
});

// The laws: kill before and after every step of every way, do every step twice; always the same end, nothing left behind.
const WAYS: { name: string; options?: TestHostOptions; from: 'nothing' | 'running'; want: ReturnType<typeof desired>; end: [state: 'running' | 'stopped' | 'absent', starts: number | null] }[] = [
  { name: 'create', from: 'nothing', want: desired(), end: ['running', 1] },
  { name: 'create stopped', from: 'nothing', want: desired({ intent: 'stopped' }), end: ['stopped', 0] },
  { name: 'stop', from: 'running', want: desired({ generation: 2, intent: 'stopped' }), end: ['stopped', 1] },
  { name: 'stop by the plug', options: { shutdownMs: null }, from: 'running', want: desired({ generation: 2, intent: 'stopped' }), end: ['stopped', 1] },
  { name: 'soft reboot', from: 'running', want: desired({ generation: 2, rebootCount: 1 }), end: ['running', 2] },
  { name: 'soft reboot by the plug', options: { shutdownMs: null }, from: 'running', want: desired({ generation: 2, rebootCount: 1 }), end: ['running', 2] },
  { name: 'hard reboot', from: 'running', want: desired({ generation: 2, rebootCount: 1, rebootType: 'hard' }), end: ['running', 2] },
  { name: 'delete', from: 'running', want: desired({ generation: 2, intent: 'deleted' }), end: ['absent', null] },
];

describe.each(WAYS)('$name', ({ options, from, want, end: [state, starts] }) => {
  async function walk(disturb: Disturb): Promise<Step[]> {
    host = new TestHost(options);
    await host.start();
    if (from === 'running') {
      host.plane.want(desired());
      await host.plane.settled(ID, 'running');
      await until(() => Boolean(host.ledger.entries.get(ID)?.progress.started));
    }
    host.steps.length = 0;
    let nth = 0;
    host.around = (step, run) => disturb(step, run, nth++);
    host.plane.want(want);
    await host.plane.until(ID, (seen) => seen.state === state && seen.generation === want.generation && seen.doing === null && seen.rebootCount >= want.rebootCount);
    await pause(40);
    const steps = [...host.steps];
    expect(host.hypervisor.domain(ID)?.starts ?? null).toBe(starts);
    host.around = (_, run) => run();
    host.plane.want(desired({ generation: 9, intent: 'deleted' }));
    if (state !== 'absent') await host.plane.settled(ID, 'absent', 9);
    expectNothingLeft();
    return steps;
  }

  itObeysTheLaws(() => host, walk);
});
