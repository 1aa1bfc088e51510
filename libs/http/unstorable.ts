/**
 * Text that JSON and URLs can carry and PostgreSQL cannot keep: U+0000, and halves of surrogate pairs. Refused at the
 * door, once for every field, so that none reaches a query and fails there as if it were our fault. Pure.
 */

/** Only an escape can bring either into a JSON text; a hit may still be an escaped backslash. */
export const MAYBE_UNSTORABLE = /\\u(?:0000|d[89a-f])/i;

/** Does any key or value have such text? No recursion: what was nested by the thousand is walked all the same. */
export function hasUnstorable(root: unknown): boolean {
  const left: unknown[] = [root];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) return true;
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) for (const item of value) left.push(item);
    else for (const [key, item] of Object.entries(value)) left.push(key, item);
  }
  return false;
}

/** A URL as it was sent; halves of surrogate pairs are no UTF-8, and never come out of one. */
export const isUnstorableUrl = (url: string): boolean => url.includes('%00');

/** Is any value more than `max` arrays and objects deep? No recursion, level by level. */
export function isDeeperThan(root: unknown, max: number): boolean {
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > max) return true;
    level = level.flatMap((value) => (typeof value !== 'object' || value === null ? [] : Object.values(value).filter((each) => typeof each === 'object' && each !== null)));
  }
  return false;
}
