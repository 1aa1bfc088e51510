/** Numbers and sizes as ISO 9660 writes them. */
export const SECTOR = 2048;

/** A recording date that is always the same: 1 January 2000, UTC. */
export const ANCHOR_BYTES = [100, 1, 1, 0, 0, 0, 0] as const;

export const sectorsOf = (bytes: number): number => Math.ceil(bytes / SECTOR);

export function bothEndian16(out: Buffer, at: number, value: number): void {
  out.writeUInt16LE(value, at);
  out.writeUInt16BE(value, at + 2);
}

export function bothEndian32(out: Buffer, at: number, value: number): void {
  out.writeUInt32LE(value, at);
  out.writeUInt32BE(value, at + 4);
}
