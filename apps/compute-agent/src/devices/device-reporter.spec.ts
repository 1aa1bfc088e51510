import { expect, it } from '@jest/globals';
import { HostDevice, reportDevices } from '#libs/contracts';
import { pagesOf } from './device-reporter.js';

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
