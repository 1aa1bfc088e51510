/** What becomes of a file of the store, given its image's row. Pure. */
export interface FileFacts {
  uploadId: string;
  /** undefined: still incoming. */
  location: string | undefined;
  ageMs: number;
}
export interface OwnerFacts { status: string; location: string | null; uploadId: string | null }

/**
 * `unknown`: a complete file of an image that was never heard of, which is kept for people to look at.
 * An incoming file without a living upload is nothing yet. A complete one without a row that names it is either what a
 * crash left just before the last statement, or newer than a restored database: it gets `orphanMs`.
 */
export function judgeFile(file: FileFacts, owner: OwnerFacts | undefined, orphanMs: number): 'keep' | 'remove' | 'unknown' {
  if (owner?.status === 'saving' && owner.uploadId === file.uploadId) return 'keep';
  if (file.location === undefined) return 'remove';
  if (owner === undefined) return 'unknown';
  if (owner.status === 'deleted') return 'remove';
  if (owner.location === file.location) return 'keep';
  return file.ageMs >= orphanMs ? 'remove' : 'keep';
}
