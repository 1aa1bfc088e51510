import { describe, expect, it } from '@jest/globals';
import type { DeviceMatch } from '#libs/contracts';
import { fn, pf, PF0, PF1, vf, vfName } from '../testing/devices.js';
import { fits, saysNothing, type HostFacts, type Matchable } from './match.js';

const host: HostFacts = { id: 'h', name: 'node-12.rack3', labels: new Map([['rack', new Set(['3', 'spare'])]]) };
const parent = pf(PF0);
const of = (device: Matchable['device'], nativeDriver: string | null = null): Matchable => ({ device, nativeDriver, pf: device.pf === null ? null : parent });

describe('a match', () => {
  const child = of(vf(PF0, 1));
  it.each<[DeviceMatch, boolean]>([
    [{ vendor: ['8086'] }, true], [{ vendor: ['1af4', '8086'], product: ['10ca'] }, true], [{ product: ['10c9'] }, false],
    [{ pciClass: ['02'] }, true], [{ pciClass: ['0200'] }, true], [{ pciClass: ['03', '0106'] }, false],
    [{ kind: ['vf'] }, true], [{ kind: ['pf', 'function'] }, false], [{ driver: ['vfio-pci'] }, true], [{ driver: ['igbvf'] }, false],
    [{ pf: [PF0] }, true], [{ pf: ['enp1s0'] }, true], [{ pf: ['0000:01:00.0'] }, true], [{ pf: [PF1, 'enp65s0'] }, false],
    [{ slot: [vfName(PF0, 1)] }, true], [{ slot: ['0000:01:10.1'] }, true], [{ slot: ['0000:01:*'] }, true], [{ slot: ['0000:41:*'] }, false], [{ slot: ['*:10.1'] }, false],
    [{ numaNode: [0, 1] }, true], [{ numaNode: [1] }, false],
    [{ hosts: ['node-12.rack3'] }, true], [{ hosts: ['node-*'] }, true], [{ hosts: ['*.rack3'] }, true], [{ hosts: ['n*1*.rack3'] }, true], [{ hosts: ['node-12'] }, false], [{ hosts: ['*rack3*rack3'] }, false], [{ hosts: ['*'] }, true],
    [{ hostLabels: { rack: 'spare' } }, true], [{ hostLabels: { rack: '4' } }, false], [{ hostLabels: { row: '1' } }, false],
    [{ vendor: ['8086'], numaNode: [1] }, false], [{}, true],
  ])('%j: %s', (match, fit) => { expect(fits(match, child, host)).toBe(fit); });

  it('knows a function by the driver it had, and a PF as its own PF', () => {
    const bound = fn('slot:1', { driver: 'vfio-pci' });
    expect(fits({ driver: ['nouveau'] }, of(bound), host)).toBe(false);
    expect(fits({ driver: ['nouveau'] }, of(bound, 'nouveau'), host)).toBe(true);
    expect(fits({ pf: ['enp1s0'] }, of(parent), host)).toBe(true);
    // Its PF is out of sight: its identity is known all the same.
    expect(fits({ pf: [PF0] }, { device: vf(PF0, 0), nativeDriver: null, pf: null }, host)).toBe(true);
    expect(fits({ pf: ['enp1s0'] }, { device: vf(PF0, 0), nativeDriver: null, pf: null }, host)).toBe(false);
    expect(fits({ numaNode: [0] }, of(fn('slot:1', { numaNode: null })), host)).toBe(false);
  });

  it('of hosts alone says nothing of functions', () => {
    expect(saysNothing({ hosts: ['a'], hostLabels: { rack: '1' } })).toBe(true);
    expect(saysNothing({ kind: ['pf'] })).toBe(false);
  });
});
