/** What of a qcow2 header the agent looks at. Pure. */
export interface Qcow2Header {
  readonly virtualSizeBytes: number;
  /** Where the backing file's name stands; 0: it has none. */
  readonly backingOffset: number;
  readonly backingBytes: number;
  /** Its data lie in another file, whose name stands in the image. */
  readonly externalData: boolean;
}

export const QCOW2_HEADER_BYTES = 104;
const MAGIC = 0x514649fb;
const EXTERNAL_DATA = 1n << 2n;

/** null: not a qcow2 image. */
export function readQcow2Header(bytes: Buffer): Qcow2Header | null {
  if (bytes.length < 72 || bytes.readUInt32BE(0) !== MAGIC) return null;
  const version = bytes.readUInt32BE(4);
  const features = version >= 3 && bytes.length >= 80 ? bytes.readBigUInt64BE(72) : 0n;
  return {
    backingOffset: Number(bytes.readBigUInt64BE(8)), backingBytes: bytes.readUInt32BE(16),
    virtualSizeBytes: Number(bytes.readBigUInt64BE(24)), externalData: (features & EXTERNAL_DATA) !== 0n,
  };
}
