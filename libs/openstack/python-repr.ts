/** Longest text of one value in a message: enough to recognise it, never the whole of a 64 KiB body. */
const MAX_LENGTH = 400;

/** Values under such names are blanked: messages end in logs and screenshots. */
export const SECRET = /pass|secret|token|private|seed|user_data/i;

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
  return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
}

function render(value: unknown, depth: number): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return quoted(value.slice(0, MAX_LENGTH + 1));
  if (typeof value === 'number') return String(value);
  if (depth === 0) return '...';
  if (Array.isArray(value)) return `[${value.slice(0, 50).map((item) => render(item, depth - 1)).join(', ')}]`;
  if (typeof value === 'object') return `{${Object.entries(value).slice(0, 50).map(([key, item]) => `${quoted(key)}: ${SECRET.test(key) ? "'***'" : render(item, depth - 1)}`).join(', ')}}`;
  return quoted(String(value));
}

const cut = (text: string): string => (text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}...` : text);

/** A value as the compute API's messages write it (`'text'`, `None`, `True`, `{'a': 1}`): clients' tests match on these. */
export const pythonRepr = (value: unknown): string => cut(render(value, 4));

/** The same without quotes around a string at the top. */
export const pythonStr = (value: unknown): string => (typeof value === 'string' ? cut(value) : pythonRepr(value));
