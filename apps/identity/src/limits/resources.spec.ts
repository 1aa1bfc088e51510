import { describe, expect, it } from '@jest/globals';
import { ProjectLimits } from '#libs/contracts';
import { QUOTA_RESOURCES } from '#libs/openstack';
import { builtIn, COMPUTE_NAMES, projectLimitsOf, RESOURCES } from './resources.js';

describe('what is limited', () => {
  it('is all that compute\'s contract and the quota sets speak of, by the same names', () => {
    const names = (RESOURCES['compute'] ?? []).map(({ name }) => name).sort();
    expect(Object.values(COMPUTE_NAMES).sort()).toEqual(names);
    expect(Object.values<string>(QUOTA_RESOURCES).sort()).toEqual(names);
    expect([...Object.keys(COMPUTE_NAMES), 'devices'].sort()).toEqual(Object.keys(ProjectLimits.shape).sort());
    expect(projectLimitsOf({ 'devices:gpu': 2, servers: 3 })).toMatchObject({ instances: 3, devices: { gpu: 2 } });
    expect(projectLimitsOf({})).not.toHaveProperty('devices');
  });

  it('counts by what is said, and else by what is built in', () => {
    expect(projectLimitsOf({ 'class:VCPU': -1, 'bricks': 4 })).toEqual({ instances: 10, cores: -1, ramMib: 51_200, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 });
    expect(builtIn('bakery')).toEqual({});
  });
});
