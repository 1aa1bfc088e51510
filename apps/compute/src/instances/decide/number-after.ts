/**
 * Numbers of what is built (spec and disk generations). Pure. Owns that none is given twice, whatever was lost: after a restore of
 * the database the numbers of before may have been given to other things on hosts, which would then be taken for the new ones.
 * Incarnations after the first are minutes since 1970, far above any number that was counted in an earlier one.
 */

/** The lowest number that no earlier incarnation has given; 0 in the first. */
export const firstNumberOf = (incarnation: number): number => (incarnation > 1 ? incarnation : 0);

/** The number that follows `last` now. */
export const numberAfter = (last: number, incarnation: number): number => Math.max(last + 1, firstNumberOf(incarnation));
