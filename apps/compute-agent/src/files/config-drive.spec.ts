import { describe, expect, it } from '@jest/globals';
import { desired, layout, layoutCell } from '../testing/builders.js';
import { claimedDevice, vf } from '../testing/device-builders.js';
import { configDriveDigest, configDriveFiles } from './config-drive.js';

const META = 'openstack/latest/meta_data.json';
const drive = { [META]: '{"uuid":"u","devices":[]}', 'openstack/latest/user_data': '{"devices":1}' };
const devices = [
  claimedDevice(vf(0), 1, { attach: 'interface', mac: 'fa:16:3e:00:00:01', vlan: 42, tag: 'fast' }), claimedDevice(vf(1), 1),
  claimedDevice(vf(2), 1, { tag: 'gpu' }), claimedDevice(vf(3), 1, { mac: 'fa:16:3e:00:00:02', vlan: 7 }),
];

describe('the config drive', () => {
  it('names tagged devices and network cards on VLANs, where the guest finds them', () => {
    const files = configDriveFiles(desired({ configDrive: drive, layout: layout({ devices }) }));
    expect(JSON.parse(files[META]!)).toEqual({ uuid: 'u', devices: [
      { type: 'nic', mac: 'fa:16:3e:00:00:01', vlan: 42, bus: 'pci', address: '0000:00:10.0', tags: ['fast'] },
      { type: 'hostdev', bus: 'pci', address: '0000:00:12.0', tags: ['gpu'] },
      { type: 'nic', mac: 'fa:16:3e:00:00:02', vlan: 7, bus: 'pci', address: '0000:00:13.0', tags: [] },
    ] });
    expect(files['openstack/latest/user_data']).toBe('{"devices":1}');
  });
  it('says near to which of the guest\'s own cells a device is, never which of the host\'s', () => {
    const near = (numa: boolean): unknown[] => {
      const cells = [layoutCell({ hostCell: 3 }), layoutCell({ hostCell: 1 })];
      const tagged = [1, 2, null].map((numaNode, at) => claimedDevice(vf(at), 1, { tag: 't', numaNode }));
      return (JSON.parse(configDriveFiles(desired({ configDrive: drive, layout: layout({ numa, cells, devices: tagged }) }))[META]!) as { devices: { numa_node?: number }[] }).devices.map((device) => device.numa_node);
    };
    expect(near(true)).toEqual([1, undefined, undefined]);
    expect(near(false)).toEqual([undefined, undefined, undefined]);
  });
  it('is as the control plane wrote it where there is nothing to name', () => {
    expect(configDriveFiles(desired({ configDrive: drive }))).toBe(drive);
    expect(configDriveFiles(desired({ configDrive: { [META]: 'not json' }, layout: layout({ devices }) }))[META]).toBe('not json');
  });
  it('is made anew when a tag changes', () => {
    const tagged = (tag: string) => configDriveDigest(desired({ configDrive: drive, layout: layout({ devices: [claimedDevice(vf(0), 1, { tag })] }) }));
    expect(tagged('a')).not.toBe(tagged('b'));
    expect(configDriveDigest(desired({ configDrive: drive }))).toBe(configDriveDigest(desired({ configDrive: drive, layout: layout() })));
  });
});
