/**
 * Reads a qcow2 header and refuses images that reach outside themselves (backing file, external data file) or that no
 * host can use. Pure. Whatever bytes come in, it answers and never throws: they are a stranger's.
 */
export type Qcow2Verdict = { ok: true; virtualSizeBytes: number; atLeastBytes: number } | { ok: false; reason: string };

const MAGIC = 0x514649fb;
const V2_HEADER = 72;
const V3_HEADER = 104;
const EXTENSION = { end: 0, dataFile: 0x44415441 } as const;
/** Incompatible features that QEMU knows and that stay inside the file: dirty, compression type, extended L2. */
const HARMLESS = 0b1_1001n;
const CORRUPT = 0b10n;
const DATA_FILE = 0b100n;

const no = (reason: string): Qcow2Verdict => ({ ok: false, reason });

/**
 * @param head the file's first bytes; all, when the file is shorter.
 * @param maxVirtualBytes the largest disk that is taken.
 */
export function judgeQcow2Header(head: Uint8Array, maxVirtualBytes: number): Qcow2Verdict {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < V2_HEADER || view.getUint32(0) !== MAGIC) return no('The qcow2 header is cut off.');
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) return no(`qcow2 version ${version} is not known; 2 and 3 are.`);
  if (view.getBigUint64(8) !== 0n || view.getUint32(16) !== 0) return no('The qcow2 image names a backing file. Make it stand alone: qemu-img convert -O qcow2 OLD NEW.');
  const clusterBits = view.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) return no(`The qcow2 cluster size is out of bounds (2^${clusterBits} bytes; 2^9 to 2^21 are usual).`);
  if (view.getUint32(32) !== 0) return no('The qcow2 image is encrypted, which is not supported.');

  let extensionsAt = V2_HEADER;
  if (version === 3) {
    if (head.length < V3_HEADER) return no('The qcow2 header is cut off.');
    const features = judgeFeatures(view.getBigUint64(72));
    if (features !== undefined) return no(features);
    extensionsAt = view.getUint32(100);
    if (extensionsAt < V3_HEADER || extensionsAt > 2 ** clusterBits || extensionsAt % 8 !== 0) return no(`The qcow2 header says it is ${extensionsAt} bytes long, which cannot be.`);
  }
  const extensions = judgeExtensions(view, extensionsAt, 2 ** clusterBits);
  if (extensions !== undefined) return no(extensions);

  const virtualSize = view.getBigUint64(24);
  if (virtualSize === 0n) return no('The disk inside the qcow2 image is empty.');
  if (virtualSize > BigInt(maxVirtualBytes)) return no(`The disk inside the qcow2 image has ${virtualSize} bytes; at most ${maxVirtualBytes} are allowed.`);
  return judgeTables(view, clusterBits, virtualSize);
}

function judgeFeatures(incompatible: bigint): string | undefined {
  if ((incompatible & DATA_FILE) !== 0n) return 'The qcow2 image keeps its data in an external file. Make it stand alone: qemu-img convert -O qcow2 OLD NEW.';
  if ((incompatible & CORRUPT) !== 0n) return 'The qcow2 image is marked as corrupt. Repair it first: qemu-img check -r all FILE.';
  const unknown = incompatible & ~HARMLESS;
  return unknown === 0n ? undefined : `The qcow2 image needs features that are not known here (bits 0x${unknown.toString(16)}).`;
}

/** Extensions follow the header, inside the first cluster, until one of type 0. */
function judgeExtensions(view: DataView, start: number, clusterBytes: number): string | undefined {
  let at = start;
  while (at + 8 <= clusterBytes) {
    // Far more than any tool writes: a list this long hides something.
    if (at + 8 > view.byteLength) return 'The qcow2 header extensions are cut off or too long.';
    const type = view.getUint32(at);
    if (type === EXTENSION.end) return undefined;
    if (type === EXTENSION.dataFile) return 'The qcow2 image names an external data file. Make it stand alone: qemu-img convert -O qcow2 OLD NEW.';
    at += 8 + Math.ceil(view.getUint32(at + 4) / 8) * 8;
    if (at > clusterBytes) return 'A qcow2 header extension is larger than the header can be.';
  }
  return undefined;
}

/** The first-level table must exist and cover the disk: else the file is cut off or was made to mislead. */
function judgeTables(view: DataView, clusterBits: number, virtualSize: bigint): Qcow2Verdict {
  const l1Entries = BigInt(view.getUint32(36));
  const l1At = view.getBigUint64(40);
  // One entry covers a table of 8-byte entries (16 with extended L2) in one cluster; the smaller of both is always enough.
  const perEntry = 1n << BigInt(2 * clusterBits - 3);
  if (l1Entries * perEntry < virtualSize) return no('The qcow2 tables do not cover the disk: the header is damaged.');
  const end = l1At + l1Entries * 8n;
  if (l1At === 0n || end > BigInt(Number.MAX_SAFE_INTEGER)) return no('The qcow2 tables lie outside of the file: the header is damaged.');
  return { ok: true, virtualSizeBytes: Number(virtualSize), atLeastBytes: Number(end) };
}
