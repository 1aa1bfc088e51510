import { describe, expect, it } from '@jest/globals';
import { newDocument, readDocument, CreateImageBody, PatchBody } from './images.schema.js';
import { InvalidInput, inputMessage } from '#libs/http';

const caller = { userId: 'u', userName: 'u', projectId: 'p', projectName: 'p', domainId: 'd', roles: ['member'], isAdmin: false, requestId: 'req' };
const make = (body: Record<string, unknown>) => readDocument(newDocument(CreateImageBody.parse(body), caller));
const refusal = (body: Record<string, unknown>): string => {
  try {
    make(body);
  } catch (error) {
    return error instanceof InvalidInput ? inputMessage('image', error.problems) : (error as Error).message;
  }
  return 'accepted';
};

describe('a new image', () => {
  it("has Glance's defaults and free properties", () => {
    expect(make({ name: 'x', disk_format: 'raw', container_format: 'bare', 'owner_specified.openstack.md5': '' })).toEqual({
      owner: 'p', name: 'x', visibility: 'shared', diskFormat: 'raw', containerFormat: 'bare', minDiskGib: 0, minRamMib: 0, protected: false, osHidden: false, tags: [], properties: { 'owner_specified.openstack.md5': '' },
    });
    expect(make({}).name).toBeNull();
    expect(make({ tags: ['b', 'a', 'b'] }).tags).toEqual(['b', 'a']);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ name: 1 }, "Invalid input for field 'name': 1 is not of type 'string'"],
    [{ name: 'x'.repeat(256) }, "Invalid input for field 'name': '" + 'x'.repeat(200) + "…' is too long (at most 255)"],
    [{ name: 'a\u0000' }, "Invalid input for field 'name': contains control characters"],
    [{ disk_format: 'floppy' }, "Invalid input for field 'disk_format': 'floppy' is not one of ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'ploop', 'iso']"],
    [{ min_ram: -1 }, "Invalid input for field 'min_ram': -1 is less than the minimum of 0"],
    [{ hw_disk_bus: 5 }, "Invalid input for field 'hw_disk_bus': 5 is not of type 'string'"],
    [{ status: 'active' }, "Attribute 'status' is read-only."],
    [{ self: '/x' }, "Attribute 'self' is reserved."],
    [{ locations: [] }, "Attribute 'locations' is reserved."],
    [{ tags: Array.from({ length: 129 }, (_, i) => String(i)) }, 'The limit has been exceeded on the number of allowed image tags. Attempted: 129, Maximum: 128'],
    [Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`p${i}`, 'v'])), 'The limit has been exceeded on the number of allowed image properties. Attempted: 129, Maximum: 128'],
  ])('refuses %j', (body, message) => {
    expect(refusal(body)).toBe(message);
  });
});

describe('PatchBody', () => {
  it('knows the older form too', () => {
    expect(PatchBody.parse([{ replace: '/name', value: 'x' }, { remove: '/p' }, { op: 'add', path: '/q', value: '1' }])).toEqual([
      { op: 'replace', path: '/name', value: 'x' }, { op: 'remove', path: '/p' }, { op: 'add', path: '/q', value: '1' },
    ]);
  });
});
