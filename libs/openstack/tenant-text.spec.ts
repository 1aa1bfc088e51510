import { describe, expect, it } from '@jest/globals';
import { forTenants } from './tenant-text.js';

describe('what tenants read', () => {
  it.each([
    ['The device fast-net mac:0c:42:00:00:02:00/vf:1 is not in its host any more (it stood at 0000:41:10.2), so the server is not started without it.', 'The device fast-net is not in its host any more (it stood at …), so the server is not started without it.'],
    ['The device a100 serial:10de:20b5/gpu-1-0/0 was taken back from this server.', 'The device a100 was taken back from this server.'],
    ['The device nvme slot:0000:00:01.0/00.0/144d:a80a was given back.', 'The device nvme was given back.'],
    ['Requested operation is not valid: PCI device 0001:c1:10.7 is in use by driver QEMU', 'Requested operation is not valid: PCI device … is in use by driver QEMU'],
    ['mac:0c:42:00:00:02:00', ''],
    ["needs guest stop: the guest's MAC is fa:16:3e:00:00:01, at 10:32:01.5", "needs guest stop: the guest's MAC is fa:16:3e:00:00:01, at 10:32:01.5"],
  ])('%s', (said, read) => { expect(forTenants(said)).toBe(read); });
});
