import { expect, it } from '@jest/globals';
import { HostDevice, reportDevices } from '#libs/contracts';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { systemClock } from '../clock.js';
import type { Ledger } from '../reconcile/ledger.js';
import { HOST_ID } from '../testing/builders.js';
import { FAST } from '../testing/test-host.js';
import { DeviceReporter, pagesOf } from './device-reporter.js';

const device = (at: number, mates = 0): HostDevice => HostDevice.parse({
  identity: `serial:${String(at).padStart(4, '0')}`, identityStrength: 'strong', address: '0000:01:00.0', kind: 'vf', vendor: '8086', product: '10ca', pciClass: '020000', driver: 'vfio-pci', numaNode: 0, iommuGroup: 1,
  mates: Array.from({ length: mates }, (_, mate) => `serial:${'x'.repeat(190)}${mate}`), pf: null, sriov: null, network: null,
});

it('pages cover everything, and each fits its contract and a message', () => {
  const problem = { poolId: '77777777-7777-4777-8777-777777777777', code: 'no-device', sentence: 's'.repeat(900) };
  for (const [devices, size, least] of [[[], 250, 1], [[device(1)], 250, 1], [Array.from({ length: 501 }, (_, at) => device(at)), 250, 3], [Array.from({ length: 250 }, (_, at) => device(at, 64)), 250, 8]] as const) {
    const pages = pagesOf([...devices].reverse(), devices.map(({ identity }) => ({ ...problem, identity })), 'v', size);
    expect(pages.length).toBeGreaterThanOrEqual(least);
    expect(pages.flatMap((page) => page.devices)).toEqual(devices);
    expect(pages.map(({ range }) => range.after)).toEqual([null, ...pages.slice(0, -1).map(({ range }) => range.upTo)]);
    expect(pages.at(-1)!.range.upTo).toBeNull();
    for (const page of pages) {
      expect(reportDevices.input.safeParse({ bootId: 'b', epoch: 1, incarnation: 1, reading: 1, ...page }).success).toBe(true);
      expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(900_000);
    }
  }
});

it('a page that the contract does not allow keeps no other from being told, and is said in the log once', async () => {
  const bus = new InMemoryBus();
  const told = new Set<string>();
  let answers = 0;
  bus.handle(reportDevices, async ({ devices }) => {
    for (const { identity } of devices) told.add(identity);
    answers += 1;
    return await Promise.resolve({ wishes: 'v' });
  }, { group: 'test', hostId: HOST_ID });
  const logger = createLogger('test', 'silent');
  const errors: unknown[] = [];
  Object.assign(logger, { error: (error: unknown) => { errors.push(error); } });
  const reporter = new DeviceReporter({
    hostId: HOST_ID, bootId: 'b', bus, ledger: { host: { epoch: 1, incarnation: 1 } } as Ledger, clock: systemClock, random: () => 0.5, logger, limits: { ...FAST, reportBatch: 2 }, onAnswered: () => undefined, onRefused: () => undefined,
  });
  const wrong: HostDevice = { ...device(0), network: { name: 'ib0', permanentMac: '80:00:02:08:fe:80:00:00', link: 'up' } };
  reporter.open();
  reporter.see([wrong, device(1), device(2), device(3), device(4)], [], 'v');
  for (let turn = 0; answers < 2 && turn < 400; turn += 1) await new Promise((resolve) => { setTimeout(resolve, 5); });
  reporter.see([wrong, device(1), device(2), device(3), device(4)], [], 'v');
  await reporter.stop();
  expect([[...told], errors.length]).toEqual([['serial:0002', 'serial:0003', 'serial:0004'], 1]);
});
