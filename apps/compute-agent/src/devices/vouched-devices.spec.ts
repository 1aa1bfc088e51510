// A device that somebody has, and of which its host is not sure: it is kept from its guest until an operator vouches for it, and his word
// says nothing else.
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { labShape } from '#libs/pci';
import { desired, instanceId, layout } from '../testing/builders.js';
import { claimedDevice as claimed, holdWish as hold, poolWish as pool } from '../testing/device-builders.js';
import { TestHost } from '../testing/test-host.js';

jest.setTimeout(30_000); // a busy machine is no reason

const ID = instanceId();
const CARD = { address: '0000:02:00.0', parent: '0000:00:05.0', vendor: '1234', product: '2222', pciClass: '038000', kernelDriver: null };

let host: TestHost;
afterEach(() => host.close());

/** A host whose GPU, which has nothing but its slot to tell it from another, a guest runs with. */
async function hostWithGpu(): Promise<string> {
  host = new TestHost({ pci: labShape() });
  await host.start();
  await host.plane.untilSo(() => host.plane.devices.size > 4 && [...host.plane.devices.values()].every(({ cleanAt }) => cleanAt === 0));
  const gpu = [...host.plane.devices.values()].find(({ vendor, product }) => vendor === '1234' && product === '1111')!.identity;
  expect(state(gpu)).toMatchObject({ identity: expect.stringMatching(/^slot:/), identityStrength: 'weak' });
  host.plane.wish({ pools: [pool(0, { identity: gpu, mode: 'functions', vfs: null })], holds: [hold(gpu, 1, ID)] });
  host.plane.want(desired({ layout: layout({ devices: [claimed(gpu, 1)] }) }));
  await host.plane.settled(ID, 'running');
  return gpu;
}
const state = (identity: string) => host.plane.devices.get(identity);
const record = (identity: string): unknown => (JSON.parse(readFileSync(join(host.folder, 'ledger', 'devices.json'), 'utf8')) as { body: { devices: Record<string, unknown> } }).body.devices[identity];

describe('a device in doubt that a server has', () => {
  it('is the one it is taken for when an operator vouches for it, and the server starts with it; it is not clean by that', async () => {
    const gpu = await hostWithGpu();
    void host.kill();
    await host.ledger.flush();
    host.hypervisor.powerLoss();
    host.kernel!.renumber([CARD]);
    host.bootId = 'boot-2';
    host.plane.devices.clear();
    await host.start();
    expect(await host.plane.until(ID, (seen) => seen.error?.code === 'device-unusable')).toMatchObject({ error: { message: expect.stringContaining('Only its slot says that it is') } });
    expect(state(gpu)).toMatchObject({ condition: { code: 'changed-identity' }, usedBy: null });
    host.plane.wish({ holds: [hold(gpu, 1, ID, { vouched: 7 })] });
    await host.plane.untilSo(() => state(gpu)?.usedBy === ID && state(gpu)?.condition === null);
    expect(record(gpu)).toMatchObject({ vouched: 7, releasedAt: 0, cleanAt: 0, used: 1 });
    expect(state(gpu)).toMatchObject({ cleanAt: null });
    expect(host.kernel!.harms).toEqual([]);
  });

  it('or whose card has counted errors; the next ones are news again, and the same word clears nothing twice', async () => {
    const gpu = await hostWithGpu();
    const at = state(gpu)!.address as never;
    host.kernel!.aer(at, 'fatal', 2);
    await host.plane.untilSo(() => state(gpu)?.condition?.code === 'aer-errors');
    host.plane.wish({ holds: [hold(gpu, 1, ID, { vouched: 1 })] });
    await host.plane.untilSo(() => state(gpu)?.condition === null);
    expect(record(gpu)).toMatchObject({ vouched: 1, aerFatal: 2, releasedAt: 0 });
    host.kernel!.aer(at, 'fatal', 1);
    await host.plane.untilSo(() => state(gpu)?.condition?.code === 'aer-errors');
    host.plane.wish({ holds: [hold(gpu, 1, ID, { vouched: 2 })] });
    await host.plane.untilSo(() => state(gpu)?.condition === null);
  });
});
