import { describe, expect, it } from '@jest/globals';
import { configDrive, desiredInstance, type FeedRow } from './desired-instance.js';

const row = {
  id: '11111111-1111-4111-8111-111111111111', project_id: 'p', name: 'Web 1', hostname: 'web-1', intent: 'running', withdrawn: false, generation: '4', spec_generation: 1,
  reboot_count: 0, reboot_type: 'soft', vcpus: 1, ram_mib: 128, metadata: { role: 'db' }, key_name: 'k', user_data: btoa('#!/bin/sh\necho hi\n'), launch_index: 0,
  availability_zone: 'nova', host_sequence: '9',
  spec: { flavor: {}, diskGib: 1, claimDiskGib: 1, publicKey: 'ssh-ed25519 AAAA me', randomSeed: 'c2VlZA==', image: { id: 'i', sha512: 's', sizeBytes: 1, virtualSizeBytes: 2, format: 'qcow2' } },
} as unknown as FeedRow;
const metaData = (of: FeedRow): Record<string, unknown> => JSON.parse(configDrive(of)['openstack/latest/meta_data.json'] as string) as Record<string, unknown>;

describe('desiredInstance', () => {
  it('writes the config drive as Nova does', () => {
    expect(metaData(row)).toEqual({
      uuid: row.id, name: 'Web 1', hostname: 'web-1', launch_index: 0, availability_zone: 'nova', project_id: 'p', meta: { role: 'db' },
      public_keys: { k: 'ssh-ed25519 AAAA me' }, keys: [{ name: 'k', type: 'ssh', data: 'ssh-ed25519 AAAA me' }], random_seed: 'c2VlZA==', devices: [],
    });
    expect(configDrive(row)).toMatchObject({ 'openstack/latest/user_data': '#!/bin/sh\necho hi\n', 'openstack/latest/vendor_data.json': '{}' });
  });
  it('leaves out what there is not', () => {
    const bare = { ...row, key_name: null, user_data: null, metadata: {}, spec: { ...row.spec, publicKey: null } };
    expect(metaData(bare)).not.toHaveProperty('keys');
    expect(metaData(bare)).not.toHaveProperty('meta');
    expect(Object.keys(configDrive(bare))).not.toContain('openstack/latest/user_data');
  });
  it('keeps bytes that are not text', () => {
    const gzip = btoa('\x1f\x8b\x08\x00\xff');
    expect(configDrive({ ...row, user_data: gzip })).toHaveProperty(['openstack/latest/user_data;base64'], gzip);
  });
  it('tells the host of a move what it must know, and no other', () => {
    expect(desiredInstance(row)).toMatchObject({ diskFrom: null, previous: null });
    expect(desiredInstance({ ...row, transfer_id: '22222222-2222-4222-8222-222222222222', transfer_key: 'k' })).toMatchObject({ diskFrom: { transferId: '22222222-2222-4222-8222-222222222222', key: 'k' } });
    expect(desiredInstance({ ...row, previous_generation: 1, previous_then: 'keep' })).toMatchObject({ previous: { specGeneration: 1, then: 'keep' } });
    expect(desiredInstance({ ...row, hold: 'off' })).toMatchObject({ intent: 'stopped' });
    expect(desiredInstance({ ...row, hold: 'gone' })).toMatchObject({ intent: 'deleted', configDrive: {} });
  });
  it('tells a host to remove a failed build, whatever people want', () => {
    expect(desiredInstance({ ...row, withdrawn: true })).toMatchObject({ intent: 'deleted', configDrive: {} });
  });
});
