/** Serial numbers as cards carry them: in the extended configuration space, or in their vital product data. Pure; owns nothing. */

/** @param config the function's configuration space; without rights it is 64 bytes, and tells nothing */
export function deviceSerialNumber(config: Uint8Array): string | null {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  let at = 0x100;
  for (let seen = 0; seen < 64 && at >= 0x100 && at + 12 <= config.byteLength; seen += 1) {
    const header = view.getUint32(at, true);
    if (header === 0 || header === 0xffff_ffff) return null;
    if ((header & 0xffff) === 3) {
      const bytes = Array.from({ length: 8 }, (_, index) => view.getUint8(at + 4 + index)).reverse();
      return bytes.every((byte) => byte === 0) || bytes.every((byte) => byte === 0xff) ? null : bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('-');
    }
    at = header >>> 20;
  }
  return null;
}

/** The SN keyword of the read-only part of vital product data. */
export function vpdSerial(vpd: Uint8Array): string | null {
  let at = 0;
  while (at < vpd.length) {
    const tag = vpd[at] ?? 0;
    const large = (tag & 0x80) !== 0;
    const length = large ? (vpd[at + 1] ?? 0) + 256 * (vpd[at + 2] ?? 0) : tag & 7;
    const body = at + (large ? 3 : 1);
    if (tag === 0x78 || tag === 0xff) return null;
    if (tag === 0x90) {
      for (let field = body; field + 3 <= Math.min(body + length, vpd.length);) {
        const size = vpd[field + 2] ?? 0;
        if (vpd[field] === 0x53 && vpd[field + 1] === 0x4e) {
          const text = String.fromCharCode(...vpd.subarray(field + 3, field + 3 + size)).replace(/[^\x20-\x7e]/g, '').trim();
          return text === '' ? null : text;
        }
        field += 3 + size;
      }
      return null;
    }
    at = body + length;
  }
  return null;
}
