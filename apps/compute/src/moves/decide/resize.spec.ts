import { describe, expect, it } from '@jest/globals';
import type { DeviceNeed, Flavor } from '#libs/contracts';
import type { Attachment } from '../../attachments/decide/attachment.js';
import type { InstanceSpec } from '../../instances/instance-row.js';
import { overQuotaBy, resized, whyNotBeside, whyNotResizable } from './resize.js';

const GIB = 1024 ** 3;
const flavor = (id: string, change: Partial<Flavor> = {}): Flavor => ({ id, name: id, vcpus: 1, ramMib: 512, diskGib: 5, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: {}, ...change });
const spec = (change: Partial<InstanceSpec> = {}): InstanceSpec => ({
  flavor: flavor('old'), diskGib: 5, claimDiskGib: 5, publicKey: null, randomSeed: '', image: { id: 'i', sha512: 's', sizeBytes: 10, virtualSizeBytes: 2 * GIB, format: 'qcow2' }, ...change,
});

describe('whyNotResizable', () => {
  it.each<[string, Flavor, InstanceSpec, string | undefined]>([
    ['larger', flavor('new', { diskGib: 9 }), spec(), undefined],
    ['the same disk', flavor('new', { vcpus: 4 }), spec(), undefined],
    ['the same flavor', flavor('old'), spec(), 'When resizing, instances must change flavor!'],
    ['one that is disabled', flavor('new', { disabled: true }), spec(), 'Flavor new could not be found.'],
    ['no disk of its own', flavor('new', { diskGib: 0 }), spec(), 'Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.'],
    ['from as large as the image to the same', flavor('new', { diskGib: 0 }), spec({ diskGib: 0 }), undefined],
    ['from as large as the image to a disk', flavor('new', { diskGib: 2 }), spec({ diskGib: 0 }), undefined],
    ['smaller than the image', flavor('new', { diskGib: 1 }), spec({ diskGib: 0 }), `Flavor's disk is too small for requested image. Flavor disk is ${GIB} bytes, image is ${2 * GIB} bytes.`],
    ['a smaller disk', flavor('new', { diskGib: 4 }), spec(), "Server disk was unable to be resized because: Flavor's disk is too small: it has 4 GiB, the server's disk has 5 GiB."],
  ])('%s', (_name, to, from, expected) => expect(whyNotResizable(from, to)).toBe(expected));
});

it('claims what the new flavor needs, and keeps everything else', () => {
  expect(resized(spec(), flavor('new', { diskGib: 9, ephemeralGib: 1, swapMib: 100 }))).toMatchObject({ diskGib: 9, claimDiskGib: 11, flavor: { id: 'new' }, image: { id: 'i' } });
  expect(resized(spec({ diskGib: 0 }), flavor('new', { diskGib: 0 }))).toMatchObject({ diskGib: 0, claimDiskGib: 2 });
});

describe('overQuotaBy', () => {
  const used = { instances: 3, cores: 3, ramMib: 1024 };
  const [small, large] = [flavor('s'), flavor('l', { vcpus: 3, ramMib: 1024 })];
  it('counts the difference, in Nova\'s words', () => {
    expect(overQuotaBy({ instances: 1, cores: 4, ramMib: 1200 }, used, small, large)).toMatchObject({
      refused: 'Quota exceeded for cores, ram: Requested 2, 512, but already used 3, 1024 of 4, 1200 cores, ram', details: { cores: { limit: 4, used: 3, requested: '2' } },
    });
    expect(overQuotaBy({ instances: 1, cores: 5, ramMib: 1200 }, used, small, large)?.refused).toBe('Quota exceeded for ram: Requested 512, but already used 1024 of 1200 ram');
  });
  it('lets through what fits, what shrinks, and what has no limit', () => {
    expect(overQuotaBy({ instances: 1, cores: 5, ramMib: 1536 }, used, small, large)).toBeUndefined();
    expect(overQuotaBy({ instances: 1, cores: 1, ramMib: 1 }, used, large, small)).toBeUndefined();
    expect(overQuotaBy({ instances: -1, cores: -1, ramMib: -1 }, used, small, large)).toBeUndefined();
  });
});

describe('whyNotBeside', () => {
  const need = (count: number, tag?: string): DeviceNeed => ({ className: 'net', count, vlan: null, numaPolicy: null, ...(tag !== undefined && { tag }) });
  const attachment = (count: number, change: Partial<Attachment> = {}): Attachment =>
    ({ id: 'a', className: 'net', count, tag: null, vlan: null, numaPolicy: null, wanted: 'attached', attached: true, reason: null, devices: [], createdAt: '', ...change });
  const many = (count: number, of = 1): Attachment[] => Array.from({ length: count }, () => attachment(of));
  it.each<[string, DeviceNeed[], Attachment[], string | undefined]>([
    ['none', [], [], undefined],
    ['as many as a guest has slots', [need(32)], many(2, 16), undefined],
    ['more', [need(32)], [attachment(32), attachment(1)], 'with the 33 devices that were attached to it, it would have 65, and a guest has slots for 64. What to do: detach some first.'],
    ['what leaves stays behind', [need(32)], [attachment(32), attachment(1, { wanted: 'detached' })], undefined],
    ['other tags', [need(1, 'data'), need(1)], [attachment(1, { tag: 'more' }), attachment(1)], undefined],
    ['the same tag', [need(1), need(1, 'data')], [attachment(1, { tag: 'data' })], "a device that was attached to it is tagged 'data', and so is one of the flavor. What to do: detach it first."],
    ['the same tag, of what leaves', [need(1, 'data')], [attachment(1, { tag: 'data', wanted: 'detached' })], undefined],
    ['too many kinds', [need(1), need(1)], many(31), 'with its 31 attachments it would have 33 kinds of devices and attachments, more than the 32 that a server may have. What to do: detach some first.'],
  ])('%s', (_name, flavors, attachments, expected) => expect(whyNotBeside(flavors, attachments)).toBe(expected));
});
