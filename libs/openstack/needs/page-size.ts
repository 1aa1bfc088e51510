/** Of which pages a guest's memory is to be made. An image may choose only where the flavor says `large` or `any`. Pure. */
import type { Reading } from './reading.js';

/** A number: KiB. */
export type PageSize = 'small' | 'large' | 'any' | number;

/** Ordinary pages, KiB: to ask for their size is to ask for small ones. */
const SMALL_KIB = 4;
const EXPONENTS: Readonly<Record<string, number>> = { K: 1, M: 2, G: 3, T: 4 };
/** Bytes as Nova's library reads them: powers of 1024, `b` and `bit` are bits. */
const BYTES = /^(\d{1,15})(?:([KMGT])i?)?(b|bit|B)$/;

export function pageSize(reading: Reading): PageSize | null {
  const flavor = reading.ofFlavor('mem_page_size');
  const image = reading.ofImage('mem_page_size');
  if (flavor === undefined) {
    if (image !== undefined) forbidden(reading, image, '<empty>', 'any or large');
    return null;
  }
  const size = sizeOf(reading, flavor, 'hw:mem_page_size');
  if (image === undefined || size === null) return size;
  if (size === 'any' || size === 'large') return sizeOf(reading, image, 'hw_mem_page_size');
  forbidden(reading, image, flavor, 'any or large');
  return size;
}

function forbidden(reading: Reading, image: string, flavor: string, wanted: string): void {
  reading.wrong(`Page size ${image} forbidden against '${flavor}'`, `take a flavor with hw:mem_page_size ${wanted}, or an image without hw_mem_page_size`);
}

function sizeOf(reading: Reading, text: string, name: string): PageSize | null {
  if (text === 'small' || text === 'large' || text === 'any') return text;
  const kib = /^\d{1,15}$/.test(text) ? Number(text) : kibOf(text);
  if (kib !== undefined && Number.isSafeInteger(kib) && kib >= SMALL_KIB) return kib === SMALL_KIB ? 'small' : kib;
  reading.wrong(`Invalid memory page size '${text}'`, `set ${name} to small, large, any, or a size such as 2048 (KiB), 2MB or 1GB`);
  return null;
}

function kibOf(text: string): number | undefined {
  const [, digits, prefix, unit] = BYTES.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Number(digits) * 1024 ** (prefix === undefined ? 0 : EXPONENTS[prefix] ?? 0) / (unit === 'B' ? 1 : 8);
  return bytes / 1024;
}
