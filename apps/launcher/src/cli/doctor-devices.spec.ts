import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { DevicePoolView, DeviceView } from '#libs/contracts';
import { findings, kernelParts, type KernelParts } from './doctor-devices.js';
import { serverDevicesText } from './server-devices.js';

const pool = (change: Partial<DevicePoolView> = {}): DevicePoolView => ({ id: 'p', name: 'net1', driver: 'vfio-pci', problems: [], ...change } as DevicePoolView);
const seen = (kind: 'pf' | 'vf', change: Partial<DeviceView> = {}, device: Partial<DeviceView['device']> = {}): DeviceView => ({
  id: 'd', host: { id: 'h', name: 'node1' }, state: 'available', reason: null, pool: { id: 'p', name: 'net1' }, holder: null, device: { kind, address: '0000:01:00.0', network: null, condition: null, ...device }, ...change,
} as DeviceView);
const all = (): KernelParts => ({ iommu: true, vfio: 'loaded' });

describe('what the doctor says of devices', () => {
  it('says that all is well, and looks at this machine only when its own devices are passed', () => {
    const looked = (): never => { throw new Error('nobody asked'); };
    expect(findings([pool()], [seen('vf')], ['other'], looked)).toEqual([{ part: 'devices', ok: true, detail: '1 in 1 pools, none in quarantine' }]);
    expect(findings([pool({ driver: 'kernel' })], [seen('vf')], ['node1'], looked)).toHaveLength(1);
    expect(findings([pool()], [seen('vf')], ['node1'], all).map(({ part, ok }) => [part, ok])).toEqual([['IOMMU', true], ['vfio-pci', true], ['devices', true]]);
  });

  it('says what is wrong with its cure', () => {
    const found = findings([pool({ problems: [{ hostName: 'node1', identity: 'mac:01', code: 'no-driver', sentence: 'It has no driver.' }] })], [
      seen('vf'), seen('pf', {}, { network: { name: 'enp1s0', permanentMac: null, link: 'down' } }), seen('vf', { state: 'quarantined' }), seen('vf', { state: 'unusable' }, { condition: { code: 'hung-writer', sentence: 'x' } }), seen('vf', { state: 'missing' }),
      seen('vf', { state: 'unusable' }, { condition: { code: 'no-iommu', sentence: 'x' } }),
    ], ['node1'], () => ({ iommu: false, vfio: 'missing' }));
    expect(found.every(({ ok, cure }) => !ok && cure !== undefined)).toBe(true);
    expect(found.map(({ part }) => part)).toEqual(['IOMMU', 'vfio-pci', 'PFs', 'IOMMU of hosts', 'hung writers', 'quarantine', 'missing', 'device pools']);
    expect(found[2]!.detail).toBe('1 without a link: node1 enp1s0');
    expect(found.at(-1)!.detail).toBe('1 not applied: net1 on node1: It has no driver.');
  });

  it('reads what a kernel has', () => {
    const root = mkdtempSync(join(tmpdir(), 'doctor-'));
    expect(kernelParts(root, '6.1')).toEqual({ iommu: false, vfio: 'missing' });
    mkdirSync(join(root, 'sys/kernel/iommu_groups/0'), { recursive: true });
    mkdirSync(join(root, 'lib/modules/6.1'), { recursive: true });
    writeFileSync(join(root, 'lib/modules/6.1/modules.dep'), 'kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/pci/vfio-pci-core.ko.xz\n');
    expect(kernelParts(root, '6.1')).toEqual({ iommu: true, vfio: 'not loaded' });
    mkdirSync(join(root, 'sys/bus/pci/drivers/vfio-pci'), { recursive: true });
    expect(kernelParts(root, '6.1')).toEqual({ iommu: true, vfio: 'loaded' });
    rmSync(root, { recursive: true });
  });
});

it('shows the devices of a server', () => {
  expect(serverDevicesText([{ class: 'fast-net', tag: null, mac: 'fa:16:3e:00:00:07', vlan: 100, physicalNetwork: 'lan1', attachment: 'a1', state: 'detaching', reason: 'needs guest stop: it does not let go', on: { id: 'd', identity: 'mac:01/vf:2', generation: 3, numaNode: 0, attach: 'interface', address: '0000:01:10.4', state: 'in-use', reason: 'Its link is down. (link-down)' } }]).split('\n')).toEqual([
    '  CLASS     STATE      ATTACHMENT  TAG  MAC                VLAN  NETWORK  IDENTITY     ADDRESS       NUMA  ATTACHED AS  GENERATION  DEVICE',
    expect.stringMatching(/^ {2}---/),
    '  fast-net  detaching  a1          -    fa:16:3e:00:00:07  100   lan1     mac:01/vf:2  0000:01:10.4  0     interface    3           in-use',
    '  mac:01/vf:2: needs guest stop: it does not let go',
    '  mac:01/vf:2: Its link is down. (link-down)',
  ]);
});
