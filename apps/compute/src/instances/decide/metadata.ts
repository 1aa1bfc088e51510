/** What a server's metadata may be, however it comes: made with the server, changed, or of a rebuild. Pure. */

export type MetadataRefusal = { readonly quota: string } | { readonly wrong: string };

/** Nova's, of keys and values. */
const CHARS = 255;
/**
 * Of all of it as JSON: 128 items (Nova's own limit) of the longest keys and values always fit; a project without a limit on items may
 * have more of them, but a server still fits a message, with its flavor's extra specs and its user data.
 */
const BYTES = 256 * 1024;

/** @param maxItems the project's limit; -1: none */
export function whyNotMetadata(metadata: Readonly<Record<string, string>>, maxItems: number): MetadataRefusal | undefined {
  const items = Object.entries(metadata);
  if (maxItems >= 0 && items.length > maxItems) return { quota: `Maximum number of metadata items exceeds ${maxItems}` };
  for (const [key, value] of items) {
    if (key.length === 0) return { wrong: 'Metadata property key blank' };
    if (key.length > CHARS) return { wrong: `Metadata property key greater than ${CHARS} characters` };
    if (value.length > CHARS) return { wrong: `Metadata property value greater than ${CHARS} characters` };
  }
  if (new TextEncoder().encode(JSON.stringify(metadata)).length > BYTES) return { wrong: `Metadata of a server may have at most ${BYTES} bytes in all.` };
  return undefined;
}
