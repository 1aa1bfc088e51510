import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Flavor, ImageSummary } from '#libs/contracts';
import { claimedDiskGib, whyNotBootable } from './fits.js';
import { hostnameFor, nameOf } from './hostname.js';
import { withinQuota } from './quota.js';

describe('hostnameFor', () => {
  it.each([
    ['web', 'web'], ['My Server_1.example.org', 'my-server-1-example-org'], ['-web-', 'web'], ['日本', 'server-x'], ['a'.repeat(80), 'a'.repeat(63)], ['ä b', 'b'],
  ])('%s → %s', (name, hostname) => expect(hostnameFor(name, 'server-x')).toBe(hostname));

  it('always gives a hostname', () => fc.assert(fc.property(fc.string(), (name) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(hostnameFor(name, 'server-x')))));

  it('numbers several', () => expect([nameOf('web', 0, 1), nameOf('web', 1, 2)]).toEqual(['web', 'web-2']));
});

describe('withinQuota', () => {
  const limits = { instances: 10, cores: 10, ramMib: 10_240 };
  it('speaks as Nova does', () => {
    expect(withinQuota(limits, { instances: 4, cores: 10, ramMib: 1024 }, { minCount: 1, maxCount: 1, vcpus: 1, ramMib: 512 })).toMatchObject({
      refused: 'Quota exceeded for cores: Requested 1, but already used 10 of 10 cores',
    });
    expect(withinQuota(limits, { instances: 10, cores: 10, ramMib: 1024 }, { minCount: 1, maxCount: 1, vcpus: 1, ramMib: 512 })).toMatchObject({
      refused: 'Quota exceeded for cores, instances: Requested 1, 1, but already used 10, 10 of 10, 10 cores, instances',
    });
  });
  it('allows as many as fit, if that is enough', () => {
    const used = { instances: 7, cores: 7, ramMib: 0 };
    expect(withinQuota(limits, used, { minCount: 1, maxCount: 5, vcpus: 1, ramMib: 1 })).toEqual({ allowed: 3 });
    expect(withinQuota(limits, used, { minCount: 4, maxCount: 5, vcpus: 1, ramMib: 1 })).toHaveProperty('refused');
  });
  it('-1 is no limit', () => expect(withinQuota({ instances: -1, cores: -1, ramMib: -1 }, { instances: 10 ** 6, cores: 10 ** 6, ramMib: 10 ** 9 }, { minCount: 200, maxCount: 200, vcpus: 8, ramMib: 1 })).toEqual({ allowed: 200 }));
  it('never allows more than the limits hold', () => {
    const n = fc.integer({ min: 0, max: 50 });
    fc.assert(fc.property(n, n, n, n, fc.integer({ min: 1, max: 9 }), (instances, cores, used, max, vcpus) => {
      const answer = withinQuota({ instances, cores, ramMib: -1 }, { instances: used, cores: used, ramMib: 0 }, { minCount: 1, maxCount: max + 1, vcpus, ramMib: 1 });
      if ('allowed' in answer) expect(used + answer.allowed <= instances && used + answer.allowed * vcpus <= cores).toBe(true);
    }));
  });
});

describe('whyNotBootable', () => {
  const GIB = 1024 ** 3;
  const flavor = { diskGib: 1, ramMib: 128, ephemeralGib: 0, swapMib: 0 } as Flavor;
  const image = { id: 'i', status: 'active', sha512: 's', sizeBytes: 17_000_000, virtualSizeBytes: GIB, diskFormat: 'qcow2', minDiskGib: 0, minRamMib: 0 } as ImageSummary;
  it.each<[string, Partial<ImageSummary>, Partial<Flavor>, string | undefined]>([
    ['fits', {}, {}, undefined],
    ['not active', { status: 'queued' }, {}, 'Image i is not active.'],
    ['needs memory', { minRamMib: 129 }, {}, "Flavor's memory is too small for requested image."],
    ['larger than the disk', { virtualSizeBytes: GIB + 1 }, {}, `Flavor's disk is too small for requested image. Flavor disk is ${GIB} bytes, image is ${GIB + 1} bytes.`],
    ['asks for more', { minDiskGib: 2 }, {}, `Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is ${GIB} bytes, minimum size is ${2 * GIB} bytes.`],
    ['as large as the image', { virtualSizeBytes: 50 * GIB }, { diskGib: 0 }, undefined],
    ['no disk image', { diskFormat: 'iso' }, {}, 'Image i has the disk format iso; servers boot from qcow2 and raw images.'],
  ])('%s', (_name, imageChange, flavorChange, expected) => expect(whyNotBootable({ ...image, ...imageChange }, { ...flavor, ...flavorChange })).toBe(expected));

  it('claims the image’s own size when the flavor has none', () => expect(claimedDiskGib({ ...image, virtualSizeBytes: 2 * GIB + 1 }, { ...flavor, diskGib: 0 })).toBe(3));
});
