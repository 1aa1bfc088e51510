/** What of a qcow2 header the agent looks at. Pure. */
export interface Qcow2Header {
  readonly virtualSizeBytes: number;
  /** Where the backing file's name stands; 0: it has none. */
  readonly backingOffset: number;
  readonly backingBytes: number;
  /** Its data lie in another file, whose name stands in the image. */
  readonly externalData: boolean;
  /** Guests' disks of ours have none of the features that older readers must refuse. */
  readonly incompatibleFeatures: bigint;
  readonly encrypted: boolean;
  /** Where the header ends and its extensions begin. */
  readonly headerBytes: number;
}

export const QCOW2_HEADER_BYTES = 104;
/** The first cluster at its largest: header, extensions and backing file's name lie in it. */
export const QCOW2_FIRST_BYTES = 65_536;
const MAGIC = 0x514649fb;
const EXTERNAL_DATA = 1n << 2n;
const EXTENSION = { end: 0, backingFormat: 0xe2792aca, externalData: 0x44415441 } as const;

/** null: not a qcow2 image. */
export function readQcow2Header(bytes: Buffer): Qcow2Header | null {
  if (bytes.length < 72 || bytes.readUInt32BE(0) !== MAGIC) return null;
  const version = bytes.readUInt32BE(4);
  const features = version >= 3 && bytes.length >= 80 ? bytes.readBigUInt64BE(72) : 0n;
  return {
    backingOffset: Number(bytes.readBigUInt64BE(8)), backingBytes: bytes.readUInt32BE(16),
    virtualSizeBytes: Number(bytes.readBigUInt64BE(24)), externalData: (features & EXTERNAL_DATA) !== 0n, incompatibleFeatures: features,
    encrypted: bytes.readUInt32BE(32) !== 0, headerBytes: version >= 3 && bytes.length >= 104 ? bytes.readUInt32BE(100) : 72,
  };
}

/** Which other files a qcow2 image names. @param bytes its first QCOW2_FIRST_BYTES, or all of it. null: it cannot be told. */
export function readReferences(bytes: Buffer): { backing: string | null; backingFormat: string | null; dataFile: boolean } | null {
  const header = readQcow2Header(bytes);
  if (!header || header.backingBytes > 1023 || header.backingOffset + header.backingBytes > bytes.length) return null;
  const references = { backing: null as string | null, backingFormat: null as string | null, dataFile: header.externalData };
  for (let at = header.headerBytes; ;) {
    if (at + 8 > bytes.length) return null;
    const [kind, length] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
    if (kind === EXTENSION.end) break;
    if (at + 8 + length > bytes.length) return null;
    if (kind === EXTENSION.backingFormat) references.backingFormat = bytes.toString('latin1', at + 8, at + 8 + length);
    if (kind === EXTENSION.externalData) references.dataFile = true;
    at += 8 + Math.ceil(length / 8) * 8;
  }
  if (header.backingOffset !== 0) references.backing = bytes.toString('utf8', header.backingOffset, header.backingOffset + header.backingBytes);
  return references;
}
