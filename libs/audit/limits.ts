/** Bounds of one audit record, with reasons: a trail that anybody can fill with megabytes is a way to fill a disk. */
export const AUDIT_LIMITS = {
  /** Of an id, a name, an action. */
  textChars: 255,
  addressChars: 64,
  /** Of one text within the detail; what was changed is said, not repeated at length. */
  detailTextChars: 256,
  detailKeys: 64,
  detailItems: 32,
  detailDepth: 4,
  /** Of the detail as JSON; a longer one is replaced by a note of how long it was. */
  detailChars: 4_096,
} as const;
