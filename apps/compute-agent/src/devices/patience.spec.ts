// What does not become as it is wanted by being done again, through an agent over the fake kernel: it is said, looked at ever more seldom, and noticed when it is over.
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { labShape, type PciAddress, type PciReading } from '#libs/pci';
import { desired, instanceId, layout } from '../testing/builders.js';
import { claimedDevice, holdWish, PF, poolWish as pool, vf } from '../testing/device-builders.js';
import { TestHost, type TestHostOptions } from '../testing/test-host.js';

jest.setTimeout(30_000); // a busy machine is no reason

let host: TestHost;
afterEach(() => host.close());

const state = (identity: string) => host.plane.devices.get(identity);
const isFree = (identity: string): boolean => state(identity)?.condition === null && state(identity)?.driver === 'vfio-pci';

async function hostWithVfs(options: TestHostOptions = {}): Promise<void> {
  host = new TestHost({ pci: labShape(), ...options });
  await host.start();
  host.plane.wish({ pools: [pool()] });
  await host.plane.untilSo(() => isFree(vf(0)) && isFree(vf(1)));
}

/** As on a real host: what fails is tried ever more seldom, and nothing else asks for a look. */
const PATIENT = { limits: { deviceLookEveryMs: 60_000, deviceLookPauseMs: 2, backoffMinMs: 10, deviceBackoffMaxMs: 60_000, deviceWishesEveryMs: 60_000, fullReportEveryMs: 600_000 } };
const SECOND_MS = 1_000;

/** Looks at the bus, and reports, within a second. */
async function counted(): Promise<{ looks: number; reports: number }> {
  const looks = jest.spyOn(host.kernel!, 'read');
  const reports = host.plane.deviceReports.length;
  await new Promise((resolve) => { setTimeout(resolve, SECOND_MS); });
  const found = { looks: looks.mock.calls.length, reports: host.plane.deviceReports.length - reports };
  looks.mockRestore();
  return found;
}

describe('a cable that is out', () => {
  it('is said once, and no reason to try all the time', async () => {
    await hostWithVfs();
    host.kernel!.link(state(PF)!.address as never, false);
    await host.plane.untilSo(() => state(vf(0))?.condition?.code === 'link-down' && host.plane.deviceProblems.some(({ code, sentence }) => code === 'link-down' && sentence.includes('cable')));
    expect(host.kernel!.log.filter(({ write }) => write.op === 'link')).toHaveLength(1);
    host.kernel!.link(state(PF)!.address as never, true);
    await host.plane.untilSo(() => isFree(vf(0)) && host.plane.deviceProblems.length === 0);
  });

  it('makes no storm of looks and reports, and is noticed when it is in again', async () => {
    await hostWithVfs(PATIENT);
    host.kernel!.link(state(PF)!.address as never, false);
    await host.plane.untilSo(() => host.plane.deviceProblems.some(({ code }) => code === 'link-down'));
    const { looks, reports } = await counted();
    expect([looks, reports].map((count) => count <= 12)).toEqual([true, true]);
    const one = host.kernel!.state.at(state(PF)!.address as never)!;
    // Nobody tells of it.
    one.carrier = true;
    await host.plane.untilSo(() => isFree(vf(0)) && host.plane.deviceProblems.length === 0);
  });
});

describe('a change that is done, and looks as if it had not been', () => {
  it('is said, and done again ever more seldom', async () => {
    await hostWithVfs(PATIENT);
    const { address } = state(vf(0))!;
    const read = host.kernel!.read.bind(host.kernel);
    host.kernel!.read = async (): Promise<PciReading> => {
      const reading = await read();
      return { ...reading, functions: new Map([...reading.functions].map(([at, fn]) => [at, at === address ? { ...fn, driver: null } : fn])) };
    };
    host.kernel!.aer(address as never, 'correctable');
    await host.plane.untilSo(() => host.plane.deviceProblems.some(({ sentence }) => sentence.includes('as if it had not been')));
    const { looks, reports } = await counted();
    expect([looks <= 30, reports <= 4]).toEqual([true, true]);
  });
});

describe('a server whose VFs can not be made', () => {
  it('is told why, of its own card', async () => {
    host = new TestHost({ pci: labShape() });
    const [own, other] = ['0000:01:00.0', '0000:41:00.0'] as PciAddress[];
    for (let at = 0; at < 200; at += 1) {
      host.kernel!.failNext('numvfs', 'EIO', other);
      host.kernel!.failNext('numvfs', 'ENOSPC', own);
    }
    await host.start();
    host.plane.wish({ pools: [pool(2, { identity: 'mac:52:54:00:aa:00:02' }), pool()], holds: [holdWish(vf(0), 1, instanceId())] });
    await host.plane.untilSo(() => host.plane.deviceProblems.length === 2 && host.kernel!.log.filter(({ errno }) => errno === 'EIO').length > 4);
    host.plane.want(desired({ layout: layout({ devices: [claimedDevice(vf(0), 1)] }) }));
    expect((await host.plane.until(instanceId(), (seen) => seen.error?.code === 'device-missing')).error?.message).toMatch(/still to be made\. .*0000:01:00\.0 .*no room/);
  });
});
