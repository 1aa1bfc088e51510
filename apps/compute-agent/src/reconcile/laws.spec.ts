// The laws of the host loop on ways that take several steps: killed before and after every step, and with every step taken
// twice, each ends the same, and nothing is left behind. The hypervisor is the fake one; files are simulated.
import { afterEach, describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DesiredInstance, ObservedInstance } from '#libs/contracts';
import type { Step } from '../decide/facts.js';
import { desired, instanceId } from '../testing/builders.js';
import { itObeysTheLaws, type Disturb } from '../testing/laws.js';
import { TestHost, type TestHostOptions } from '../testing/test-host.js';

const ID = instanceId();
let host: TestHost;
afterEach(() => host.close());
const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

interface Way {
  readonly name: string;
  readonly options?: TestHostOptions;
  /** Reached one after the other, undisturbed. */
  readonly before: readonly DesiredInstance[];
  readonly want: DesiredInstance;
  readonly end: ObservedInstance['state'];
  /** Fresh boots of the guest, restores not counted. */
  readonly starts: number;
  readonly files?: { disks: number[]; previous: number[] };
}

const larger = { specGeneration: 2, vcpus: 2, diskGib: 2 };
const resized = desired({ ...larger, generation: 2, previous: { specGeneration: 1, then: 'keep' } });
const suspended = desired({ generation: 2, intent: 'suspended' });
const WAYS: readonly Way[] = [
  { name: 'pause', before: [desired()], want: desired({ generation: 2, intent: 'paused' }), end: 'paused', starts: 1 },
  { name: 'create paused', before: [], want: desired({ intent: 'paused' }), end: 'paused', starts: 1 },
  { name: 'unpause', before: [desired(), desired({ generation: 2, intent: 'paused' })], want: desired({ generation: 3 }), end: 'running', starts: 1 },
  { name: 'stop from paused', before: [desired({ intent: 'paused' })], want: desired({ generation: 2, intent: 'stopped' }), end: 'stopped', starts: 1 },
  { name: 'suspend', before: [desired()], want: suspended, end: 'suspended', starts: 1 },
  { name: 'suspend from paused', before: [desired({ intent: 'paused' })], want: suspended, end: 'suspended', starts: 1 },
  { name: 'resume', before: [desired(), suspended], want: desired({ generation: 3 }), end: 'running', starts: 1 },
  { name: 'resume and reboot softly', before: [desired(), suspended], want: desired({ generation: 3, rebootCount: 1 }), end: 'running', starts: 2 },
  { name: 'reboot hard from suspended', before: [desired(), suspended], want: desired({ generation: 3, rebootCount: 1, rebootType: 'hard' }), end: 'running', starts: 2 },
  { name: 'delete from suspended', before: [desired(), suspended], want: desired({ generation: 3, intent: 'deleted' }), end: 'absent', starts: 0 },
  { name: 'rebuild', before: [desired()], want: desired({ generation: 2, specGeneration: 2, diskGeneration: 2 }), end: 'running', starts: 2, files: { disks: [2], previous: [] } },
  { name: 'rebuild by the plug', options: { shutdownMs: null }, before: [desired()], want: desired({ generation: 2, specGeneration: 2, diskGeneration: 2 }), end: 'running', starts: 2, files: { disks: [2], previous: [] } },
  { name: 'rebuild of a stopped one', before: [desired({ intent: 'stopped' })], want: desired({ generation: 2, specGeneration: 2, diskGeneration: 2, intent: 'stopped' }), end: 'stopped', starts: 0, files: { disks: [2], previous: [] } },
  { name: 'rebuild from suspended', before: [desired(), suspended], want: desired({ generation: 3, specGeneration: 2, diskGeneration: 2 }), end: 'running', starts: 2, files: { disks: [2], previous: [] } },
  { name: 'resize in place', before: [desired()], want: resized, end: 'running', starts: 2, files: { disks: [1], previous: [1] } },
  { name: 'confirm', before: [desired(), resized], want: desired({ ...larger, generation: 3 }), end: 'running', starts: 2, files: { disks: [1], previous: [] } },
  { name: 'revert', before: [desired(), resized], want: desired({ generation: 3, specGeneration: 3, previous: { specGeneration: 1, then: 'restore' } }), end: 'running', starts: 3, files: { disks: [1], previous: [] } },
  { name: 'only a number rises', before: [desired()], want: desired({ generation: 2, specGeneration: 2 }), end: 'running', starts: 1, files: { disks: [1], previous: [] } },
];

const isThere = (want: DesiredInstance, end: Way['end']) => (seen: ObservedInstance): boolean =>
  seen.state === end && seen.generation === want.generation && seen.doing === null && seen.error === null && (end === 'absent' || (
    seen.built?.specGeneration === want.specGeneration && seen.built.diskGeneration === want.diskGeneration && (want.intent !== 'running' || seen.rebootCount >= want.rebootCount)));
const END: Readonly<Record<string, ObservedInstance['state']>> = { deleted: 'absent' };

describe.each(WAYS)('$name', ({ options, before, want, end, starts, files }) => {
  async function walk(disturb: Disturb): Promise<Step[]> {
    host = new TestHost(options);
    await host.start();
    for (const each of before) {
      host.plane.want(each);
      await host.plane.until(ID, isThere(each, END[each.intent] ?? (each.intent as Way['end'])));
      await pause(30);
    }
    host.steps.length = 0;
    let nth = 0;
    host.around = (step, run) => disturb(step, run, nth++);
    host.plane.want(want);
    await host.plane.until(ID, isThere(want, end));
    await pause(40);
    const steps = [...host.steps];
    expect(host.hypervisor.domain(ID)?.starts ?? 0).toBe(starts);
    if (files) expect(await host.agent.reconciler.last(ID)?.facts.files).toMatchObject(files);
    host.around = (_, run) => run();
    host.plane.want(desired({ generation: 9, specGeneration: 9, diskGeneration: 9, intent: 'deleted' }));
    if (end !== 'absent') await host.plane.settled(ID, 'absent', 9);
    expect(host.hypervisor.domains()).toEqual([]);
    expect(readdirSync(join(host.folder, 'files'))).toEqual(['boot-id']);
    return steps;
  }

  itObeysTheLaws(() => host, walk);
});

/** A guest that runs on a fresh host. */
async function runningGuest(): Promise<void> {
  host = new TestHost();
  await host.start();
  host.plane.want(desired());
  await host.plane.settled(ID, 'running');
}

/** One whose memory was saved since. */
async function suspendedGuest(): Promise<void> {
  await runningGuest();
  host.plane.want(suspended);
  await host.plane.settled(ID, 'suspended', 2);
}

describe('saved memory that cannot be read back', () => {
  it('is said, kept, and given up for a hard reboot only', async () => {
    await suspendedGuest();
    host.hypervisor.spoilSaved(ID);
    host.plane.want(desired({ generation: 3 }));
    expect(await host.plane.until(ID, (seen) => seen.error?.final === true)).toMatchObject({ state: 'failed', error: { code: 'memory-unreadable', message: expect.stringContaining('hard reboot') } });
    host.plane.want(desired({ generation: 4 }));
    await host.plane.until(ID, (seen) => seen.generation === 4 && seen.error?.final === true);
    expect(host.hypervisor.domain(ID)).toMatchObject({ saved: true, starts: 1 });
    host.plane.want(desired({ generation: 5, rebootCount: 1, rebootType: 'hard' }));
    await host.plane.settled(ID, 'running', 5);
    expect(host.hypervisor.domain(ID)).toMatchObject({ saved: false, starts: 2 });
  });
});

describe('saved memory that a guest has gone on from', () => {
  it('is never gone on from again, when it is still there and when a power cut brings it back', async () => {
    await suspendedGuest();
    host.plane.want(desired({ generation: 3 }));
    await host.plane.settled(ID, 'running', 3);
    expect(host.hypervisor.domain(ID)).toMatchObject({ saved: false, starts: 1 });
    host.hypervisor.leaveSaved(ID);
    for (let wait = 0; wait < 3_000 && host.hypervisor.domain(ID)?.saved; wait += 1) await pause(10);
    expect(host.hypervisor.domain(ID)).toMatchObject({ saved: false, starts: 1 });

    void host.kill();
    await host.ledger.flush();
    host.hypervisor.powerLoss();
    host.hypervisor.leaveSaved(ID);
    host.bootId = 'boot-2';
    await host.start();
    for (let wait = 0; wait < 3_000 && host.hypervisor.domain(ID)?.starts !== 2; wait += 1) await pause(10);
    expect(host.hypervisor.domain(ID)).toMatchObject({ saved: false, starts: 2, state: 'running' });
  });
});

describe('a guest that its hypervisor halts', () => {
  it('is said, and goes on when it is asked to', async () => {
    await runningGuest();
    await pause(30);
    host.hypervisor.guestIoError(ID);
    expect(await host.plane.until(ID, (seen) => seen.error !== null)).toMatchObject({ state: 'paused', error: { code: 'guest-halted', final: true } });
    host.steps.length = 0;
    await pause(100);
    expect(host.steps).toEqual([]);
    host.plane.want(desired({ generation: 2 }));
    await host.plane.settled(ID, 'running', 2);
  });
});
