import type { ChangePosition } from '#libs/contracts';

/** A place in the order of commits, of one life of the database. */
export interface Place extends ChangePosition { readonly incarnation: number }

/** As clients keep it and send it back in Last-Event-ID. */
export const placeText = ({ incarnation, xid, id }: Place): string => `${incarnation}.${xid}.${id}`;

/** undefined: not a place of ours. */
export function readPlace(text: string): Place | undefined {
  const [, incarnation, xid, id] = /^(\d{1,9})\.(\d{1,19})\.(\d{1,18})$/.exec(text.trim()) ?? [];
  return xid === undefined || id === undefined ? undefined : { incarnation: Number(incarnation), xid, id };
}

/** Of two places of one incarnation: does the first lie behind the second? */
export const isAfter = (a: ChangePosition, b: ChangePosition): boolean => {
  const [ax, bx] = [BigInt(a.xid), BigInt(b.xid)];
  return ax > bx || (ax === bx && BigInt(a.id) > BigInt(b.id));
};
