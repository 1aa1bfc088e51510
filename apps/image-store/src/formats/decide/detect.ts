/**
 * Tells from a file's first bytes what it is, and judges whether that is what its owner said. Pure. It must not let
 * through as `raw` what some tool would open as a format that names other files.
 */
import type { ContainerFormat, DiskFormat } from '../../images/image.js';
import { judgeQcow2Header } from './qcow2.js';

export type Found = 'qcow2' | 'qcow' | 'qed' | 'vmdk' | 'vhdx' | 'vhd' | 'vdi' | 'luks' | 'ploop' | 'iso' | 'gzip' | 'xz' | 'zstd' | 'unknown';

/** Format, place, bytes (as Latin-1 text). */
const MARKS: readonly (readonly [Found, number, string])[] = [
  ['qcow2', 0, 'QFI\xfb\0\0\0\x02'], ['qcow2', 0, 'QFI\xfb\0\0\0\x03'], ['qcow', 0, 'QFI\xfb'], ['qed', 0, 'QED\0'],
  ['vmdk', 0, 'KDMV'], ['vmdk', 0, 'COWD'], ['vmdk', 0, '# Disk DescriptorFile'], ['vhdx', 0, 'vhdxfile'], ['vhd', 0, 'conectix'],
  ['vdi', 64, '\x7f\x10\xda\xbe'], ['luks', 0, 'LUKS\xba\xbe'], ['ploop', 0, 'WithoutFreeSpace'], ['ploop', 0, 'WithouFreSpacExt'],
  ['gzip', 0, '\x1f\x8b\x08'], ['xz', 0, '\xfd7zXZ\0'], ['zstd', 0, '\x28\xb5\x2f\xfd'],
  ['iso', 32_769, 'CD001'],
];

export const detectFormat = (head: Uint8Array): Found => MARKS.find(([, at, mark]) => hasMark(head, at, mark))?.[0] ?? 'unknown';

function hasMark(head: Uint8Array, at: number, mark: string): boolean {
  if (head.length < at + mark.length) return false;
  for (let i = 0; i < mark.length; i += 1) if (head[at + i] !== mark.charCodeAt(i)) return false;
  return true;
}

export interface Judged {
  /** Size of the disk inside; null: the size of the file, or not known for this format (see virtualSize). */
  qcow2VirtualBytes: number | null;
  /** Bytes the file must at least have. */
  atLeastBytes: number;
}
export type Verdict = { ok: true; judged: Judged } | { ok: false; reason: string };

const COMPRESSED: ReadonlySet<Found> = new Set(['gzip', 'xz', 'zstd']);
const PLAIN: Judged = { qcow2VirtualBytes: null, atLeastBytes: 1 };

/** @param head the first bytes: all, when the file is shorter than what is looked at. */
export function judgeContent(diskFormat: DiskFormat, containerFormat: ContainerFormat, head: Uint8Array, limits: { virtualSizeBytes: number }): Verdict {
  // Inside another container these bytes are not the disk; such images are stored and not offered for booting.
  if (containerFormat !== 'bare') return { ok: true, judged: PLAIN };
  const found = detectFormat(head);
  const refused = refusal(diskFormat, found);
  if (refused !== undefined) return { ok: false, reason: refused };
  if (diskFormat !== 'qcow2') return { ok: true, judged: PLAIN };
  const header = judgeQcow2Header(head, limits.virtualSizeBytes);
  return header.ok ? { ok: true, judged: { qcow2VirtualBytes: header.virtualSizeBytes, atLeastBytes: header.atLeastBytes } } : header;
}

function refusal(declared: DiskFormat, found: Found): string | undefined {
  const mismatch = `disk_format is '${declared}', but the content is ${found === 'unknown' ? 'not' : `'${found}'`}. Set disk_format to what the file is, or convert the file.`;
  switch (declared) {
    case 'qcow2': case 'vmdk': case 'vhdx': case 'vdi': case 'iso':
      return found === declared ? undefined : mismatch;
    case 'vhd': case 'ploop':
      // Both have forms without a mark at the start.
      return found === declared || found === 'unknown' ? undefined : mismatch;
    case 'raw':
      if (COMPRESSED.has(found)) return `disk_format is 'raw', but the content is compressed (${found}). Decompress it first.`;
      return found === 'unknown' || found === 'iso' ? undefined : mismatch;
    case 'ami': case 'ari': case 'aki':
      return found === 'unknown' || found === 'iso' || COMPRESSED.has(found) ? undefined : mismatch;
  }
}

/** Bytes of the disk inside the file; null where this store cannot tell. */
export function virtualSize(diskFormat: DiskFormat, containerFormat: ContainerFormat, judged: Judged, sizeBytes: number): number | null {
  if (judged.qcow2VirtualBytes !== null) return judged.qcow2VirtualBytes;
  return containerFormat === 'bare' && (diskFormat === 'raw' || diskFormat === 'iso') ? sizeBytes : null;
}
