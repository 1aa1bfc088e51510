import { describe, expect, it } from '@jest/globals';
import type { DevicePlan, DeviceView } from '#libs/contracts';
import { devicesText, deviceText, historyText, planText, releaseText, stateText } from './device-text.js';

const WEB = '6a1b5f10-5b1e-4a0e-8f0e-2c7f6a9d1e01' as NonNullable<DeviceView['holder']>;
const HOST = { id: '0d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as DeviceView['host']['id'], name: 'node1' };
const nameOf = (id: string): string | undefined => (id === WEB ? 'web' : undefined);
const vf = (index: number, change: Partial<DeviceView> = {}, device: Partial<DeviceView['device']> = {}): DeviceView => ({
  id: `5b0f6a53-8a1e-5c9b-9d3f-00000000000${index}`, host: HOST, state: 'available', reason: null, className: 'fast-net', pool: { id: 'c3c1b7f4-52d9-4c0e-9a51-6f4f3f2f1f0f', name: 'net1' }, generation: 3, holder: null, seenAt: '2026-11-21T01:02:03.400Z',
  device: {
    identity: `mac:01/vf:${index}`, identityStrength: 'strong', address: `0000:01:10.${index * 2}`, kind: 'vf', vendor: '8086', product: '10ca', pciClass: '020000', subsystemVendor: null, subsystemProduct: null, driver: 'vfio-pci', numaNode: 0, iommuGroup: 20,
    mates: [], pf: { identity: 'mac:01', vf: index }, sriov: null, resetMethods: ['flr'], network: null, protectedBy: null, condition: null, usedBy: null, cleanAt: 3, dirty: null, ...device,
  }, ...change,
});
const pf = (numVfs: number, device: Partial<DeviceView['device']> = {}): DeviceView => vf(9, { state: 'unusable', reason: 'It keeps VFs.' }, { kind: 'pf', identity: 'mac:01', pf: null, sriov: { totalVfs: 7, numVfs }, network: { name: 'enp1s0', permanentMac: '01:02:03:04:05:06', link: 'up' }, ...device });

describe('devices as text', () => {
  it('lists them', () => {
    expect(devicesText([pf(1), vf(0, { state: 'in-use', holder: WEB, className: null, pool: null }, { numaNode: null })], nameOf).split('\n')).toEqual([
      'HOST   ADDRESS        KIND  ID         CLASS     POOL  NUMA  GROUP  STATE      HOLDER                                    IDENTITY',
      expect.stringMatching(/^----- {2}-/),
      'node1  0000:01:10.18  pf    8086:10ca  fast-net  net1  0     20     keeps VFs  -                                         mac:01',
      `node1  0000:01:10.0   vf    8086:10ca  -         -     -     20     in-use     web ${WEB}  mac:01/vf:0`,
    ]);
  });

  it('shows one in full, and says of a PF what it is good for', () => {
    const text = deviceText(vf(1, { state: 'quarantined', reason: 'It did not come back from its reset. (reset-failed, at generation 3) When it is in order: skylite device release.' }, { identityStrength: 'weak', mates: ['slot:a'] }), nameOf);
    expect(text).toContain('identity      weak: only its slot tells it from another');
    expect(text).toContain('VF            1 of mac:01');
    expect(text).toContain('IOMMU group   20 with slot:a');
    expect(text).toContain('why           It did not come back');
    expect(text).toContain('generation    3, clean at 3');
    expect(deviceText(pf(2), nameOf)).toMatch(/VFs +2 of at most 7[^]*interface +enp1s0, link up, 01:02:03:04:05:06[^]*state +keeps VFs/);
    expect(stateText(pf(2, { condition: { code: 'hung-writer', sentence: 'x' } }))).toBe('unusable');
    expect(stateText(pf(0))).toBe('unusable');
  });

  it('says what a word of an operator did', () => {
    expect(releaseText({ device: vf(1, { state: 'scrubbing', reason: null }) })).toBe('mac:01/vf:1 on node1 is released; it is scrubbing now.');
    expect(releaseText({ device: vf(1), did: 'vouched' })).toContain('stays with its server');
    expect(releaseText({ device: vf(1, { state: 'missing' }), did: 'forgotten' })).toContain('Should it come back, it is made clean first');
  });

  it('tells who had it', () => {
    const at = '2026-11-21T01:02:03.400Z';
    expect(historyText({ events: [], holders: [] }, nameOf)).toBe('No server has had it.');
    const text = historyText({
      holders: [{ deviceId: 'd', instanceId: WEB, generation: 3, since: at, until: null }],
      events: [{ at, deviceId: 'd', hostId: HOST.id, identity: 'mac:01/vf:0', kind: 'operator-released', generation: 2, instanceId: null, message: 'card replaced', userId: 'u', userName: 'admin', requestId: 'r' }],
    }, nameOf);
    expect(text).toContain(`3           web ${WEB}  ${at}  has it`);
    expect(text).toContain('operator-released  2           card replaced  by admin');
  });

  it('says what a change would do, what stands against it, and whom it would hit', () => {
    const effect = { hostId: HOST.id, hostName: 'node1', deviceId: 'd', identity: 'mac:01', address: '0000:01:00.0' };
    const plan = {
      hosts: 1, counts: { 'make-vfs': 1, leaves: 60 }, more: false, effects: [{ ...effect, does: 'make-vfs', sentence: '0000:01:00.0 on node1 gets 4 VFs.' }],
      warnings: [{ code: 'protected', sentence: 'The host lives on it.' }], refusals: [{ code: 'vf-in-use', sentence: 'VFs in use would vanish.', servers: [{ id: WEB, hostName: 'node1', identity: 'mac:01/vf:0' }] }],
    } as DevicePlan;
    expect(planText(plan, nameOf).split('\n')).toEqual([
      'On 1 host: 1 to get VFs, 60 to leave.', '  0000:01:00.0 on node1 gets 4 VFs.', '  … and 60 more.', 'WARNING  The host lives on it. (protected)', 'REFUSED  VFs in use would vanish. (vf-in-use)', `           web ${WEB} on node1: mac:01/vf:0`,
    ]);
    expect(planText({ ...plan, counts: {}, effects: [], warnings: [], refusals: [] })).toBe('Nothing changes on any host.');
  });
});
