import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CONTAINER_FORMATS, DISK_FORMATS, type DiskFormat } from '../../images/image.js';
import { detectFormat, judgeContent, virtualSize } from './detect.js';

const limits = { virtualSizeBytes: 1024 ** 4 };
const at = (offset: number, text: string, size = 40_000): Uint8Array => {
  const bytes = new Uint8Array(size);
  bytes.set(Buffer.from(text, 'latin1'), offset);
  return bytes;
};
const QCOW2 = at(0, 'QFI\xfb\0\0\0\x03');
const VMDK = at(0, 'KDMV\x01\0\0\0');
const ISO = at(32_769, 'CD001');
const GZIP = at(0, '\x1f\x8b\x08\0');
const MBR = at(510, '\x55\xaa');
const reason = (disk: DiskFormat, head: Uint8Array): string => {
  const verdict = judgeContent(disk, 'bare', head, limits);
  return verdict.ok ? 'ok' : verdict.reason;
};

describe('judgeContent', () => {
  it.each<[string, DiskFormat, Uint8Array, string]>([
    ['a raw disk', 'raw', MBR, 'ok'],
    ['three bytes', 'raw', Buffer.from('abc'), 'ok'],
    ['an ISO as raw', 'raw', ISO, 'ok'],
    ['an ISO', 'iso', ISO, 'ok'],
    ['a kernel', 'aki', GZIP, 'ok'],
    ['a vmdk', 'vmdk', VMDK, 'ok'],
    ['a fixed vhd, marked at its end only', 'vhd', MBR, 'ok'],
    ['qcow2 as raw', 'raw', QCOW2, "disk_format is 'raw', but the content is 'qcow2'. Set disk_format to what the file is, or convert the file."],
    ['a backed qcow of version 1 as raw', 'raw', at(0, 'QFI\xfb\0\0\0\x01'), "disk_format is 'raw', but the content is 'qcow'. Set disk_format to what the file is, or convert the file."],
    ['vmdk as raw', 'raw', VMDK, "disk_format is 'raw', but the content is 'vmdk'. Set disk_format to what the file is, or convert the file."],
    ['a vmdk descriptor, which names other files, as raw', 'raw', at(0, '# Disk DescriptorFile\nRW 1 FLAT "/etc/passwd"'), "disk_format is 'raw', but the content is 'vmdk'. Set disk_format to what the file is, or convert the file."],
    ['a compressed disk', 'raw', GZIP, "disk_format is 'raw', but the content is compressed (gzip). Decompress it first."],
    ['raw as qcow2', 'qcow2', MBR, "disk_format is 'qcow2', but the content is not. Set disk_format to what the file is, or convert the file."],
    ['qcow2 as vhd', 'vhd', QCOW2, "disk_format is 'vhd', but the content is 'qcow2'. Set disk_format to what the file is, or convert the file."],
    ['a header and nothing else', 'qcow2', QCOW2.subarray(0, 20), 'The qcow2 header is cut off.'],
  ])('%s', (_title, disk, head, expected) => {
    expect(reason(disk, head)).toBe(expected);
  });

  it('never lets a format that can name other files pass as raw', () => {
    const dangerous = [QCOW2, VMDK, at(0, 'QED\0'), at(0, 'vhdxfile'), at(64, '\x7f\x10\xda\xbe')];
    fc.assert(fc.property(fc.constantFrom(...dangerous), fc.uint8Array({ maxLength: 400 }), (mark, noise) => {
      const bytes = Uint8Array.from([...mark.subarray(0, 100), ...noise]);
      expect(judgeContent('raw', 'bare', bytes, limits).ok).toBe(false);
    }));
  });

  it('answers for every pair of formats and any bytes', () => {
    fc.assert(fc.property(fc.constantFrom(...DISK_FORMATS), fc.constantFrom(...CONTAINER_FORMATS), fc.uint8Array({ maxLength: 200 }), (disk, container, head) => {
      expect(typeof judgeContent(disk, container, head, limits).ok).toBe('boolean');
      expect(typeof detectFormat(head)).toBe('string');
    }));
  });
});

describe('virtualSize', () => {
  it.each<[DiskFormat, 'bare' | 'ovf', number | null, number | null]>([
    ['raw', 'bare', null, 4096], ['iso', 'bare', null, 4096], ['qcow2', 'bare', 1 << 30, 1 << 30], ['vmdk', 'bare', null, null], ['raw', 'ovf', null, null],
  ])('%s in %s', (disk, container, header, expected) => {
    expect(virtualSize(disk, container, { qcow2VirtualBytes: header, atLeastBytes: 1 }, 4096)).toBe(expected);
  });
});
