/**
 * Which of several schedulers a host is the first choice of: each host belongs to one of them, evenly, and keeps its
 * owner when others come and go. A preference, never a right: whoever finds no host of its own takes another's. Pure.
 */

/** @param schedulers ids of all that are there, at least one. */
export function ownerOf(hostId: string, schedulers: readonly string[]): string {
  let owner = schedulers[0]!;
  let most = -1;
  for (const id of schedulers) {
    const lot = lotOf(`${id} ${hostId}`);
    // Two alike (32 bits): all schedulers have to see the same one, in whatever order they know each other.
    if (lot < most || (lot === most && id > owner)) continue;
    [owner, most] = [id, lot];
  }
  return owner;
}

/** FNV-1a, and mixed once more: ids that differ in one letter get lots that have nothing to do with each other. */
function lotOf(text: string): number {
  let lot = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) lot = Math.imul(lot ^ text.charCodeAt(at), 0x01000193);
  lot = Math.imul(lot ^ (lot >>> 16), 0x85ebca6b);
  lot = Math.imul(lot ^ (lot >>> 13), 0xc2b2ae35);
  return (lot ^ (lot >>> 16)) >>> 0;
}
