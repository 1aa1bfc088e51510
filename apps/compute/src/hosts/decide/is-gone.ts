/**
 * Is what was on a host as good as proved absent? While it is fenced, it is: a person or a machine vouched that it is off,
 * its feed is shut, and it starts nothing. Not any more once it was heard again: its guests may run after all, and only its
 * own word counts. Pure. Whoever acts on it read the instance's row before and writes by its version: taking a host back
 * raises the version of every row on it.
 */
export interface FeedFence { fencedAt: Date | null; returnedAt: Date | null }

export const isGone = (fence: FeedFence | null): boolean => fence !== null && fence.fencedAt !== null && fence.returnedAt === null;
